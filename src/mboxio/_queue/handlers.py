"""Users' functions that answer messages: what they may be and return, in words for their author."""

from typing import Any

__all__ = ["Misreturned", "answer_of", "named", "require_callable", "require_plain"]

# The flags of a code object, as in `inspect`, whose import takes longer than that of the core.
_ODD = {0x200: "an async generator", 0x180: "async", 0x20: "a generator"}
_SHOWN_MAX = 60
ANSWERS = " that returns the answer"


class Misreturned(TypeError):
    """A handler returned what is no message; the text names it, so a traceback adds nothing."""


def named(function: object) -> str:
    """Return a function's name and where it is written."""
    inner = _inner(function)
    while hasattr(inner, "__wrapped__"):
        inner = _inner(inner.__wrapped__)
    name: str = getattr(inner, "__qualname__", type(inner).__name__)
    name = name.rpartition("<locals>.")[2]
    code = getattr(inner, "__code__", None)
    return name if code is None else f"{name} at {code.co_filename}:{code.co_firstlineno}"


def require_plain(
    function: object, place: str, otherwise: str = "", *, role: str = "handler", does: str = ANSWERS
) -> None:
    """Refuse what does not do its work by being called.

    Args:
        function: the handler.
        place: where it is to answer.
        otherwise: what else its author may do.
        role: what it is.
        does: what it does, after "write a plain def".

    Raises:
        TypeError: it is not called, or returns something to await or to iterate over.
    """
    require_callable(function, place, role)
    flags: int = getattr(getattr(_inner(function), "__code__", None), "co_flags", 0)
    for flag, kind in _ODD.items():
        if flags & flag:
            raise TypeError(
                f"{place}: the {role} {named(function)} is {kind}: write a plain def{does}"
                f"{otherwise}"
            )


def require_callable(function: object, place: str, role: str = "handler") -> None:
    """Refuse what cannot be called, with TypeError."""
    if not callable(function):
        raise TypeError(f"{place}: a {role} is a function, not {function!r}")


def answer_of(answer: Any, function: object, place: str) -> bytes:
    """Return a handler's answer as bytes.

    Raises:
        Misreturned: it is not bytes-like; names the handler.
    """
    try:
        return bytes(memoryview(answer))  # not bytes(answer): of 5 that would be five zero bytes
    except (TypeError, ValueError, BufferError):
        pass
    kind = type(answer).__name__
    if hasattr(answer, "__await__") and hasattr(answer, "close"):
        answer.close()  # nobody will await it, which Python would complain about later
    shown = f" {answer!r}" if isinstance(answer, str | int | float | list | tuple) else ""
    if len(shown) > _SHOWN_MAX:
        shown = f"{shown[:_SHOWN_MAX]}..."
    raise Misreturned(
        f"{place}: the handler {named(function)} returned {kind}{shown}, not bytes or None"
    )


def _inner(function: Any) -> Any:
    """Return the function that a partial, a method or an object with ``__call__`` stands for."""
    while hasattr(function, "func") and hasattr(function, "keywords"):
        function = function.func
    function = getattr(function, "__func__", function)
    kind: Any = function.__class__
    return function if hasattr(function, "__qualname__") else kind.__call__
