"""Where messages begin and end in a stream of bytes.

COBS: Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1997 (facts only).
"""

import copy
from typing import Self

from mboxio.errors import RemoteError, WrongMessage

__all__ = [
    "CobsFraming",
    "EndFraming",
    "Framing",
    "LengthFraming",
    "LineFraming",
    "PromptFraming",
    "RawFraming",
    "framing_of",
]

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

    @property
    def pending(self) -> int:
        """How many of the bytes that came belong to a message whose end has not come."""
        return len(self.kept)

    def copy(self) -> Self:
        """Return another one that is as far as this one."""
        other = copy.copy(self)
        other.kept = self.kept[:]
        return other

    def check(self, message: bytes) -> None:
        """Refuse a message that it cannot carry, with WrongMessage."""

    def longest_frame(self, message_bytes: int) -> int:
        """Return how many bytes are written at most for a message of so many."""
        raise NotImplementedError

    def encode(self, message: bytes) -> bytes:
        """Return what is written for a message."""
        raise NotImplementedError

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes that came; returns the messages that are whole.

        Raises:
            RemoteError: where the next message begins cannot be known any more.
        """
        raise NotImplementedError


class RawFraming(Framing):
    """No framing: what came together is a message, and nobody knows where another begins."""

    def longest_frame(self, message_bytes: int) -> int:
        """See `Framing.longest_frame`."""
        return message_bytes

    def encode(self, message: bytes) -> bytes:
        """See `Framing.encode`."""
        return message

    def feed(self, data: bytes) -> list[bytes]:
        """See `Framing.feed`."""
        step = self.message_bytes
        return [data[begin : begin + step] for begin in range(0, len(data), step)]


class EndFraming(Framing):
    """Messages that end with certain bytes: the next one can be found after any damage.

    Args:
        message_bytes: longest message.
        end: these bytes, which are not in a message.
    """

    def __init__(self, message_bytes: int, end: bytes) -> None:
        super().__init__(message_bytes)
        self.end = end
        self.begun = b""  # the last bytes that came, if an end begins with them
        self.longest = message_bytes
        """Bytes of a frame without its end."""
        self.skipping = False  # the rest of a message that is too long

    @property
    def pending(self) -> int:
        """See `Framing.pending`."""
        return len(self.kept) + len(self.begun)

    def check(self, message: bytes) -> None:
        """See `Framing.check`."""
        if (message + self.end).find(self.end) != len(message):
            raise WrongMessage(f"framing: {self.end!r} ends a message, and is in this one")

    def longest_frame(self, message_bytes: int) -> int:
        """See `Framing.longest_frame`."""
        return message_bytes + len(self.end)

    def encode(self, message: bytes) -> bytes:
        """See `Framing.encode`."""
        return message + self.end

    def feed(self, data: bytes) -> list[bytes]:
        """See `Framing.feed`."""
        found: list[bytes] = []
        *whole, rest = (self.begun + data).split(self.end)
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
        begun = len(self.end) - 1
        while not rest.endswith(self.end[:begun]):
            begun -= 1
        self.begun = rest[len(rest) - begun :]
        self.keep(rest[: len(rest) - begun])
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
        return frame

    def is_damage(self, frame: bytes) -> bool:
        """Return whether a frame without a message was one once."""
        return True


class CobsFraming(EndFraming):
    """COBS: a message has no 0 in it, and ends with one."""

    def __init__(self, message_bytes: int) -> None:
        super().__init__(message_bytes, b"\0")
        self.longest = message_bytes + message_bytes // BLOCK + 1

    def check(self, message: bytes) -> None:
        """See `Framing.check`: any message can be carried."""

    def longest_frame(self, message_bytes: int) -> int:
        """See `Framing.longest_frame`."""
        return message_bytes + message_bytes // BLOCK + 2

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
        """See `EndFraming.decode`."""
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
        """See `EndFraming.is_damage`."""
        return bool(frame)


class LineFraming(EndFraming):
    r"""Lines of text: ``\n`` or ``\r\n`` ends a message and is no part of it."""

    def __init__(self, message_bytes: int) -> None:
        super().__init__(message_bytes, b"\n")
        self.longest = message_bytes + 1

    def check(self, message: bytes) -> None:
        """See `Framing.check`."""
        if self.end in message or message.endswith(b"\r"):
            raise WrongMessage("framing=line: a message is one line, without the line end")

    def decode(self, frame: bytes) -> bytes | None:
        """See `EndFraming.decode`."""
        return frame.removesuffix(b"\r")


class PromptFraming(EndFraming):
    r"""A shell: lines go, each with ``\n``, and what comes ends with the prompt."""

    def check(self, message: bytes) -> None:
        """See `Framing.check`."""
        if b"\n" in message:
            raise WrongMessage("framing=prompt: a message is one line, without the line end")

    def longest_frame(self, message_bytes: int) -> int:
        """See `Framing.longest_frame`."""
        return message_bytes + 1

    def encode(self, message: bytes) -> bytes:
        """See `Framing.encode`."""
        return message + b"\n"


class LengthFraming(Framing):
    """A number, little-endian, says how long the message after it is.

    Args:
        message_bytes: longest message.
        head_bytes: how long the number is.
    """

    def __init__(self, message_bytes: int, head_bytes: int = 2) -> None:
        super().__init__(message_bytes)
        self.head_bytes = head_bytes

    def check(self, message: bytes) -> None:
        """See `Framing.check`."""
        if len(message) >> 8 * self.head_bytes:
            raise WrongMessage(f"framing=length:{self.head_bytes} counts no {len(message)} bytes")

    def longest_frame(self, message_bytes: int) -> int:
        """See `Framing.longest_frame`."""
        return self.head_bytes + message_bytes

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


_KINDS: dict[str, type[RawFraming | CobsFraming | LengthFraming | LineFraming]] = {
    "raw": RawFraming,
    "cobs": CobsFraming,
    "length": LengthFraming,
    "line": LineFraming,
}


def framing_of(text: str, message_bytes: int) -> Framing:
    """Make a framing as an address names it.

    Args:
        text: ``raw``, ``cobs``, ``line``; ``length`` or ``length:BYTES``, of 1, 2 or 4; ``end:HEX``
            with the bytes that end a message; ``prompt:TEXT`` for a shell.
        message_bytes: longest message.

    Raises:
        ValueError: it is none of them.
    """
    name, colon, rest = text.partition(":")
    if not colon and name in _KINDS:
        return _KINDS[name](message_bytes)
    if name == "length" and rest in ("1", "2", "4"):
        return LengthFraming(message_bytes, int(rest))
    if name == "prompt" and rest:
        return PromptFraming(message_bytes, rest.encode())
    try:
        if name == "end" and (end := bytes.fromhex(rest)):
            return EndFraming(message_bytes, end)
    except ValueError:
        pass  # it is told below
    raise ValueError(
        f"framing={text!r:.60}: write raw, line, cobs, length, length:BYTES, end:HEX or prompt:TEXT"
    )
