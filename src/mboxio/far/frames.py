"""The frames that a gateway and its users exchange. Nothing here reads or writes anything.

One message of the stream holds any number of frames, one after the other. All numbers are
little-endian. A head of 28 bytes comes first, then as many bytes as it says::

    u8 kind, u8 zero, u16 channel, i32 status, u64 handle, u32 queue_us, u32 reply_us, u32 length

Durations travel, never points in time: the clocks of two machines do not agree. Neither side trusts
the other: whatever is not as it is written here is a `BadFrame`, and ends the stream.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mboxio._base.states import FOREVER
from mboxio.far.head import framed

__all__ = [
    "ANSWER",
    "ASKED",
    "CANCEL",
    "CLAIM",
    "CLAIMED",
    "DONE",
    "FAILED",
    "FRAME_BYTES_MAX",
    "HANDED",
    "HELLO",
    "LINK",
    "MESSAGES",
    "MISSED",
    "NOTE",
    "OPEN",
    "OPENED",
    "POST",
    "REQUEST",
    "RING",
    "SHUT",
    "TAKEN",
    "TO_GATEWAY",
    "TO_USER",
    "VERSION",
    "BadFrame",
    "Frame",
    "handles",
    "microseconds",
    "nanoseconds",
    "pack",
    "pack_handles",
]

VERSION = 1
"""Of everything in this folder. A side that knows several offers the highest."""

ROOM = 4096
"""What may be said with a message besides it, in bytes."""
FRAME_BYTES_MAX = (1 << 20) + ROOM
"""Of what follows a head: the longest message of any mailbox, and room for what is said with it."""
FOR_EVER = 0xFFFF_FFFF
"""A duration that is not bounded, or longer than 71 minutes: then only the user's clock ends it."""

OPEN, SHUT, REQUEST, POST, CANCEL, RING, CLAIM, ANSWER = range(1, 9)
"""From the user.

* ``OPEN``, ``SHUT``: the channel is used from now on, or no longer.
* ``REQUEST``, ``POST``: a message that expects an answer, and one that does not; both durations.
* ``CANCEL``: the request of this handle ended on the user's side.
* ``RING``: the doorbell without a message.
* ``CLAIM``: status 1: what the remote asks on this channel is answered here; 0: no longer.
* ``ANSWER``: to an ``ASKED``, by its handle; a status other than 0 is an errno, with a text.
"""
HELLO, HANDED, DONE, FAILED, NOTE, MISSED, ASKED, LINK, OPENED, CLAIMED, TAKEN = range(32, 43)
"""From the gateway.

* ``HELLO``: first, and once; see `mboxio.far.hello`.
* ``HANDED``: these messages were handed to the mailbox; their handles follow. ``TAKEN``: they
  left their slots there. Neither is said of a message whose end is told in time.
* ``DONE``: the reply, or the end of a message that expects none.
* ``FAILED``: the request ended otherwise; see `mboxio.far.failures`.
* ``NOTE``: an unsolicited message. ``MISSED``: as many as the handle says are lost at this place.
* ``ASKED``: the remote asks; the answer names the handle.
* ``OPENED``, ``CLAIMED``: status 0: it is so from now on; else an errno, with a text.
* ``LINK``: status 1: the remote is there, in the life that the handle counts; 0: it is lost, and
  why.
"""
TO_GATEWAY = frozenset(range(OPEN, ANSWER + 1))
TO_USER = frozenset(range(HELLO, TAKEN + 1))

EMPTY = frozenset({OPEN, SHUT, CANCEL, RING, CLAIM, MISSED})
"""Kinds that nothing follows."""
SWITCHES = frozenset({CLAIM, LINK})
"""Kinds whose status is 0 or 1."""
PLAIN = frozenset(
    {OPEN, SHUT, REQUEST, POST, CANCEL, RING, HELLO, HANDED, TAKEN, DONE, NOTE, MISSED, ASKED}
)
"""Kinds without a status."""
NAMELESS = frozenset({OPEN, SHUT, RING, CLAIM, NOTE, OPENED, CLAIMED, HANDED, TAKEN})
"""Kinds without a handle."""
LISTS = frozenset({HANDED, TAKEN})
"""Kinds that handles follow."""
MESSAGES = frozenset({REQUEST, POST})
"""Kinds with which the user sends a message: only these have durations."""
ORDINARY = MESSAGES | {DONE}
"""Kinds with a handle, any bytes and no status: nearly all frames."""
WHOLE = frozenset({HELLO, LINK})
"""Kinds that concern all channels."""


class BadFrame(ValueError):
    """The other side said something that has no meaning here."""


class Frame(NamedTuple):
    """One frame.

    Args:
        kind: one of the constants.
        channel: its number, as in the hello.
        status: 0, or an error number or switch.
        handle: names a request for the life of the stream.
        queue_us, reply_us: how long the message may wait for a slot, and for its reply.
        data: what follows the head.
    """

    kind: int
    channel: int
    status: int
    handle: int
    queue_us: int
    reply_us: int
    data: bytes


def pack(
    kind: int,
    channel: int = 0,
    handle: int = 0,
    data: bytes = b"",
    status: int = 0,
    queue_us: int = 0,
    reply_us: int = 0,
) -> bytes:
    """Return a frame as bytes; the arguments are those of `Frame`."""
    return framed(kind, channel, status, handle, queue_us, reply_us, data)


def pack_handles(kind: int, channel: int, handles: Sequence[int]) -> bytes:
    """Return a ``HANDED`` or ``TAKEN`` about these messages."""
    return pack(kind, channel, data=struct.pack(f"<{len(handles)}Q", *handles))


def handles(frame: Frame) -> tuple[int, ...]:
    """Return the handles of a ``HANDED`` or ``TAKEN``."""
    return struct.unpack(f"<{len(frame.data) // 8}Q", frame.data)


@lru_cache(64)  # most requests of a program have the same
def microseconds(duration_ns: int) -> int:
    """Return a duration as it travels; what has passed already is none."""
    if duration_ns <= 0:
        return 0
    return FOR_EVER if duration_ns >= FOR_EVER * 1000 else duration_ns // 1000


def nanoseconds(duration_us: int) -> int:
    """Return a duration that travelled; `FOREVER` if it is not bounded."""
    return FOREVER if duration_us == FOR_EVER else duration_us * 1000
