"""Exceptions that have nothing to do with what they interrupt.

Python runs signal handlers between two bytecodes of whatever the main thread is at, and what a
handler raises comes out there: Ctrl-C, but also a time limit made of SIGALRM, whose exception is an
ordinary one. The code that was interrupted has not failed.
"""

import signal
from itertools import pairwise
from types import FrameType
from typing import Any

CO_VARARGS = 0x04
"""A function takes ``*args``; `inspect` has this, and is slow to import."""


def interrupts(error: BaseException) -> bool:
    """Return whether an exception was raised by a signal handler, and not by what it came out of.

    A handler is known by its arguments (a number and the frame that it interrupted), or by its
    code if it changed them. What is no `Exception` asks for the end of whatever runs.
    """
    if not isinstance(error, Exception):
        return True
    frames: list[FrameType] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    frames.reverse()  # the handler's is among the last
    if any(map(_has_handlers_arguments, frames)):
        return True
    codes = _codes_of_handlers()  # which takes long: signals may come faster than that
    return any(frame.f_code in codes for frame in frames)


def _has_handlers_arguments(frame: FrameType) -> bool:
    code = frame.f_code
    given = frame.f_locals
    values: list[Any] = [given.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_flags & CO_VARARGS:
        values += given.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount], ())
    pairs = pairwise(values)
    return any(isinstance(first, int) and isinstance(second, FrameType) for first, second in pairs)


def _codes_of_handlers() -> set[Any]:
    codes: set[Any] = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        while hasattr(handler, "func"):  # functools.partial
            handler = handler.func
        handler = getattr(handler, "__func__", handler)
        code = getattr(handler, "__code__", None)
        if code is None:  # an object that can be called
            code = getattr(type(handler).__dict__.get("__call__"), "__code__", None)
        if code is not None:
            codes.add(code)
    return codes
