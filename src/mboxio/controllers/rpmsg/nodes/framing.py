"""Where messages begin and end in a stream of bytes.

COBS: Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1997 (facts only).
"""

from collections.abc import Callable

from mboxio.errors import RemoteError, WrongMessage

__all__ = ["CobsFraming", "Framing", "LengthFraming", "LineFraming", "framing_of"]

BLOCK = 254
"""Bytes other than 0 that one code byte of COBS can stand before."""


class Framing:
    """Cuts messages out of what comes, and marks those that go.

    Args:
        message_bytes: longest message.
    """

    def __init__(self, message_bytes: int) -> None:
        self.message_bytes = message_bytes
        self.kept: bytearray = bytearray()  # the beginning of a message
        self.damaged = 0  # messages that made no sense, or were too long

    def check(self, message: bytes) -> None:
        """Refuse a message that it cannot carry, with WrongMessage."""

    def encode(self, message: bytes) -> bytes:
        """Return what is written for a message."""
        raise NotImplementedError

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes that came; returns the messages that are whole.

        Raises:
            RemoteError: where the next message begins cannot be known any more.
        """
        raise NotImplementedError


class _Delimited(Framing):
    """Messages that end with one byte: the next one can be found after any damage."""

    end: bytes
    longest: int
    """Bytes of an encoded message."""

    def __init__(self, message_bytes: int) -> None:
        super().__init__(message_bytes)
        self.skipping = False  # the rest of a message that is too long

    def feed(self, data: bytes) -> list[bytes]:
        """See `Framing.feed`."""
        found: list[bytes] = []
        *whole, rest = data.split(self.end)
        for part in whole:
            self.keep(part)
            skipped = self.skipping
            frame = bytes(self.kept)
            self.kept.clear()
            self.skipping = False
            message = None if skipped else self.decode(frame)
            if message is not None and len(message) <= self.message_bytes:
                found.append(message)
            elif skipped or self.is_damage(frame):
                self.damaged += 1
        self.keep(rest)
        return found

    def keep(self, part: bytes) -> None:
        """Keep a part of a message, unless it is longer than any."""
        if len(self.kept) + len(part) > self.longest:
            self.skipping = True
            self.kept.clear()
        if not self.skipping:
            self.kept += part

    def decode(self, frame: bytes) -> bytes | None:
        """Return the message; None if it makes no sense."""
        raise NotImplementedError

    def is_damage(self, frame: bytes) -> bool:
        """Return whether a frame without a message was one once."""
        return True


class CobsFraming(_Delimited):
    """COBS: a message has no 0 in it, and ends with one."""

    end = b"\0"

    def __init__(self, message_bytes: int) -> None:
        super().__init__(message_bytes)
        self.longest = message_bytes + message_bytes // BLOCK + 1

    def encode(self, message: bytes) -> bytes:
        """See `Framing.encode`."""
        out = bytearray()
        for part in message.split(b"\0"):
            begin = 0
            while len(part) - begin >= BLOCK:
                out.append(BLOCK + 1)
                out += part[begin : begin + BLOCK]
                begin += BLOCK
            out.append(len(part) - begin + 1)
            out += part[begin:]
        return bytes(out) + self.end

    def decode(self, frame: bytes) -> bytes | None:
        """See `_Delimited.decode`."""
        if not frame:
            return None  # between two ends: how a side begins
        out = bytearray()
        at = 0
        while at < len(frame):
            code = frame[at]
            part = frame[at + 1 : at + code]
            if len(part) != code - 1:
                return None
            out += part
            at += code
            if code <= BLOCK and at < len(frame):
                out.append(0)
        return bytes(out)

    def is_damage(self, frame: bytes) -> bool:
        """See `_Delimited.is_damage`."""
        return bool(frame)


class LineFraming(_Delimited):
    r"""Lines of text: ``\n`` or ``\r\n`` ends a message and is no part of it."""

    end = b"\n"

    def __init__(self, message_bytes: int) -> None:
        super().__init__(message_bytes)
        self.longest = message_bytes + 1

    def check(self, message: bytes) -> None:
        """See `Framing.check`."""
        if self.end in message or message.endswith(b"\r"):
            raise WrongMessage("framing=line: a message is one line, without the line end")

    def encode(self, message: bytes) -> bytes:
        """See `Framing.encode`."""
        return message + self.end

    def decode(self, frame: bytes) -> bytes | None:
        """See `_Delimited.decode`."""
        return frame.removesuffix(b"\r")


class LengthFraming(Framing):
    """Two bytes, little-endian, say how long the message after them is."""

    head_bytes = 2

    def encode(self, message: bytes) -> bytes:
        """See `Framing.encode`."""
        return len(message).to_bytes(self.head_bytes, "little") + message

    def feed(self, data: bytes) -> list[bytes]:
        """See `Framing.feed`."""
        self.kept += data
        found: list[bytes] = []
        begin = 0
        while len(self.kept) - begin >= self.head_bytes:
            start = begin + self.head_bytes
            size = int.from_bytes(self.kept[begin:start], "little")
            if size > self.message_bytes:
                if found:
                    break  # what came before the lie is handed up first
                self.kept.clear()
                self.damaged += 1
                raise RemoteError(
                    f"framing=length: the remote says that a message has {size} bytes, and it has "
                    f"{self.message_bytes} at most"
                )
            if len(self.kept) < start + size:
                break
            found.append(bytes(self.kept[start : start + size]))
            begin = start + size
        del self.kept[:begin]
        return found


_KINDS: dict[str, Callable[[int], Framing]] = {
    "cobs": CobsFraming,
    "length": LengthFraming,
    "line": LineFraming,
}


def framing_of(name: str, message_bytes: int) -> Framing:
    """Make a framing by its name."""
    return _KINDS[name](message_bytes)
