"""The rule "under the lock", checked: each method whose docstring says so is called with it."""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mboxio._base.completion import Completion
from mboxio._base.gate import Gate
from mboxio._base.request import Request
from mboxio._host.endpoint import Endpoint
from mboxio._host.flush import Flushes
from mboxio._host.life import Life
from mboxio._host.subscriptions import Handler, Subscription
from mboxio._host.waited import Waited
from mboxio._pump.loops import LoopPort
from mboxio._pump.pump import Pump
from mboxio._pump.spinner import Spinner
from mboxio._pump.turns import Turns
from mboxio._pump.worker import Worker
from mboxio._queue.answers import Answers
from mboxio._queue.channel import Channel
from mboxio._queue.ends import Ends
from mboxio._queue.held import Held
from mboxio._queue.line import Line
from mboxio._queue.queue import Queue
from mboxio.client.verbs import Verbs

CLASSES: tuple[type, ...] = (
    *(Gate, Request, Completion, Endpoint, Waited, Verbs, Flushes, Life, Handler, Subscription),
    *(Turns, Spinner, Pump, Worker, LoopPort, Line, Held, Queue, Ends, Channel, Answers),
)
WHOLE = re.compile(r"\b(Always|Everything (here )?runs|All methods run) under the (\w+'s )?lock\b")
ONE = re.compile(r"\bUnder the lock\b")
"""A sentence of its own: so it is written where it is a promise."""


def promised(cls: type, name: str, method: Any) -> bool:
    """Return whether a method promises to its reader that it is called under the lock."""
    if name.startswith("__") or not inspect.isfunction(method):
        return False
    said = method.__doc__ or ""
    if "lso without the lock" in said:
        return False
    return bool(ONE.search(said) or WHOLE.search(cls.__doc__ or ""))


def gate_of(thing: Any) -> Gate | None:
    """Return the gate whose lock is meant."""
    if isinstance(thing, Gate):
        return thing
    if isinstance(thing, Request):
        thing = thing._owner
    gate = getattr(thing, "_gate", None) or getattr(thing, "gate", None)
    if gate is None and isinstance(thing, Answers):
        gate = thing._channel.host.gate
    return gate


def checked(method: Callable[..., Any], broken: list[str]) -> Callable[..., Any]:
    """Note who calls ``method`` without the lock."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        gate = gate_of(self)
        if gate is not None and not gate.lock.mine() and not gate.forked:
            caller = inspect.currentframe()
            caller = caller and caller.f_back
            if caller is not None and caller.f_code.co_name != "__init__":  # nobody else has it yet
                where = caller.f_code.co_filename
                if "/tests/" in where:  # by hand, alone, and so is all that follows from it
                    gate.lock.acquire()
                    try:
                        return method(self, *args, **options)
                    finally:
                        gate.lock.release()
                broken.append(f"{method.__qualname__} at {where}:{caller.f_lineno}")
        return method(self, *args, **options)

    return call


@functools.cache
def promises() -> dict[str, tuple[type, Callable[..., Any]]]:
    """Return the methods that are checked, each with its class; the docstrings are read once."""
    return {
        f"{cls.__name__}.{name}": (cls, method)
        for cls in CLASSES
        for name, method in vars(cls).items()
        if promised(cls, name, method)
    }


@contextmanager
def checked_locks() -> Iterator[list[str]]:
    """Check every promise until the end of the block; yields the broken ones."""
    broken: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for cls, method in promises().values():
            patch.setattr(cls, method.__name__, checked(method, broken))
        yield broken
