"""Heads of frames, as bytes and as numbers; the compiled build has its own.

See `mboxio.far.frames`, which says what they mean.
"""

import struct

__all__ = ["HEAD_BYTES", "Head", "framed"]

_HEAD = struct.Struct("<BBHiQIII")
HEAD_BYTES = _HEAD.size


class Head:
    """The numbers of one head."""

    def __init__(self) -> None:
        self.kind = self.zero = self.channel = self.status = self.handle = 0
        self.queue_us = self.reply_us = self.length = 0

    def read(self, message: bytes, at: int) -> None:
        """Take the numbers from a message, which is long enough."""
        (
            self.kind,
            self.zero,
            self.channel,
            self.status,
            self.handle,
            self.queue_us,
            self.reply_us,
            self.length,
        ) = _HEAD.unpack_from(message, at)


def framed(
    kind: int,
    channel: int,
    status: int,
    handle: int,
    queue_us: int,
    reply_us: int,
    data: bytes,
) -> bytes:
    """Return a frame as bytes."""
    return _HEAD.pack(kind, 0, channel, status, handle, queue_us, reply_us, len(data)) + data
