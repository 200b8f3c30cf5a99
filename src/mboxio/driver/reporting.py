"""What a driver may report: slips of its author are refused in one line, when they are made."""

from collections.abc import Iterable
from operator import index
from typing import Any, Protocol, SupportsIndex

from mboxio.driver.correlate import Verdict

__all__ = ["Misreported", "each_of", "handle_of", "message_of", "reported"]


class Misreported(TypeError):
    """A driver reported what no driver may."""


def each_of(messages: Iterable[Any]) -> Iterable[Any]:
    """Return an iterator over a batch; the likeliest slip is to leave out the list."""
    kind: Any = messages.__class__
    if kind in (bytes, bytearray, memoryview, str) or not hasattr(kind, "__iter__"):
        raise Misreported(f"received() takes a list of bytes, not {kind.__name__}")
    return messages


class Carrying(Protocol):
    """A channel, as what comes on it is checked."""

    name: str
    message_bytes: int


def reported(channel: Carrying, message: Any) -> bytes | Verdict:
    """Return what a driver hands up as it is taken: bytes of its own, no longer than allowed.

    Raises:
        Misreported: not bytes-like (an integer, too: ``bytes(7)`` is seven zeros), or too long.
    """
    if isinstance(message, Verdict):
        if message.message is not None:
            message_of(channel, message.message)
        return message
    return message_of(channel, message)


def message_of(channel: Carrying, message: Any) -> bytes:
    """See `reported`; for what can be no verdict."""
    if type(message) is not bytes:
        try:
            message = bytes(memoryview(message))
        except TypeError:
            kind = type(message).__name__
            raise Misreported(f"a message that is handed up is bytes, not {kind}") from None
    if len(message) > channel.message_bytes:
        raise Misreported(
            f"a message of {len(message)} bytes was handed up on channel {channel.name!r}, which "
            f"carries {channel.message_bytes}"
        )
    taken: bytes = message
    return taken


def handle_of(handle: SupportsIndex) -> int:
    """Return a handle that a driver reports."""
    try:
        return index(handle)
    except TypeError:
        raise Misreported(f"a handle is an integer, not {type(handle).__name__}") from None
