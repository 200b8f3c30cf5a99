"""A stream that is read piece by piece, as far as it goes, and what was found wrong in it."""

import os
import stat
from typing import BinaryIO

from mboxio.errors import MailboxError

__all__ = ["CaptureError", "Pieces", "Warnings"]

PIECE_BYTES = 1 << 20
"""Read at once at most: what a length says need not be there."""
WARNINGS_MAX = 100


class CaptureError(MailboxError):
    """This is no capture, or none can be written there; the text says why."""


class Warnings(list[str]):
    """What was wrong, a line each; of very many the first."""

    def append(self, text: str) -> None:
        """Add a line."""
        if len(self) < WARNINGS_MAX:
            super().append(text)
        elif len(self) == WARNINGS_MAX:
            super().append("there is more that is wrong")


class Pieces:
    """Bytes of a stream, in order.

    Args:
        stream: open for reading, and blocking.

    Attributes:
        offset: this many bytes were taken.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.offset = 0
        self._ahead = b""

    def peek(self, count: int) -> bytes:
        """Return the next bytes and leave them there; fewer only at the end."""
        self._ahead += self._read(count - len(self._ahead))
        return self._ahead[:count]

    def take(self, count: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
        if not self._ahead and count <= PIECE_BYTES:
            data = self.stream.read(count)
            if data and len(data) == count:
                self.offset += count
                return data
            self._ahead = data or b""
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        if len(data) < count:
            data += self._read(count - len(data))
        self.offset += len(data)
        return data

    def skip(self, count: int) -> int:
        """Pass over bytes; returns how many there were."""
        start = self.offset
        while count and (data := self.take(min(count, PIECE_BYTES))):
            count -= len(data)
        return self.offset - start

    def line(self, limit: int) -> bytes:
        """Return the bytes up to the end of the line, at most ``limit``."""
        end = self._ahead.find(b"\n") + 1 or len(self._ahead)
        end = min(end, limit)
        data, self._ahead = self._ahead[:end], self._ahead[end:]
        if not self._ahead and not data.endswith(b"\n"):
            data += self.stream.readline(limit - len(data))
        self.offset += len(data)
        return data

    def left(self) -> int | None:
        """Return how many bytes a file has after those that were taken; None: it is no file."""
        try:
            status = os.fstat(self.stream.fileno())
        except (AttributeError, OSError):
            return None
        regular = stat.S_ISREG(status.st_mode)
        return max(status.st_size - self.offset, 0) if regular else None

    def _read(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0:
            data = self.stream.read(min(count, PIECE_BYTES))
            if not data:
                break
            parts.append(data)
            count -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)
