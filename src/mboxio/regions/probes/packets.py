"""What arrives as text, in pieces: lines, and the frames of GDB's protocol, ``$body#checksum``.

Whoever sends it is not trusted. A byte is looked at a fixed number of times, however it arrives,
and what has no end is refused.
"""

import re

__all__ = ["Endless", "Lines", "Packets", "body_of", "framed"]

SIGNIFICANT = re.compile(rb"[-+$%]")
"""Acknowledgements, and what packets and notifications begin with."""
HEX_PAIR = re.compile(rb"[0-9a-fA-F]{2}")
FRAME_BYTES_MAX = 1 << 16
"""Stubs have buffers of at most 16 KiB, and no request asks for more than 4."""
EXPANDED_MAX = 1 << 16
"""Bytes of a packet after its run-length code was undone, which makes up to 97 of 2."""
LINE_BYTES_MAX = 1 << 14


class Endless(ConnectionAbortedError):
    """The other side sends without end; the text says what."""


def framed(body: bytes) -> bytes:
    """Put a packet into its frame; nothing in it needs an escape."""
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


class Lines:
    """Finds the first line of what was received.

    Args:
        received: what arrived; `drop` removes the line.
        ends_with: the byte at the end of a line.
    """

    def __init__(self, received: bytearray, ends_with: bytes = b"\n") -> None:
        self.received = received
        self.ends_with = ends_with
        self.looked = 0  # bytes without an end of line

    def first(self) -> bytes | None:
        """Return the first line, without its end; None: it has not come yet.

        Raises:
            Endless: it has no end.
        """
        end = self.received.find(self.ends_with, self.looked)
        self.looked = len(self.received) if end < 0 else end
        if self.looked > LINE_BYTES_MAX:
            raise Endless("sends without end, and means nothing by it")
        return None if end < 0 else bytes(self.received[:end])

    def drop(self) -> None:
        """Remove the line that `first` returned."""
        self.skip(self.looked + 1)

    def skip(self, count: int) -> None:
        """Remove so many bytes, which are whole lines."""
        del self.received[:count]
        self.looked = 0


class Packets:
    """Takes apart what a stub sends.

    Args:
        received: what arrived; what was taken is removed from it.
    """

    def __init__(self, received: bytearray) -> None:
        self.received = received
        self.inside = False  # a packet began and has not ended
        self.looked = 0  # bytes of it without an end

    def take(self) -> bytes | None:
        """Return ``+``, ``-``, or a whole frame with its ``$`` or ``%``; None: not yet.

        Raises:
            Endless: a frame has no end.
        """
        received = self.received
        while True:
            if not self.inside:
                found = SIGNIFICANT.search(received)
                del received[: found.start() if found else len(received)]
                if not found:
                    return None
                if received[0] in b"+-":
                    sign = bytes(received[:1])
                    del received[:1]  # pop(0) would move all the others
                    return sign
                self.inside, self.looked = True, 1
            end = received.find(b"#", self.looked)
            if end < 0 and len(received) > FRAME_BYTES_MAX:
                del received[: max(0, received.rfind(b"$"))]  # earlier ones were cut off
                if len(received) > FRAME_BYTES_MAX:
                    raise Endless("sends without end, and means nothing by it")
            if end < 0 or len(received) < end + 3:
                self.looked = len(received) if end < 0 else end
                return None
            self.inside = False
            if not HEX_PAIR.fullmatch(received, end + 1, end + 3):
                del received[: end + 1]  # cut off in the middle
                continue
            frame = bytes(received[: end + 3])
            del received[: end + 3]
            return frame[max(0, frame.rfind(b"$")) :]  # an earlier one was cut off


def body_of(frame: bytes) -> bytes | None:
    """Return what a frame carries, None if it arrived damaged."""
    body = frame[1:-3]
    return expanded(body) if int(frame[-2:], 16) == sum(body) & 0xFF else None


def expanded(body: bytes) -> bytes | None:
    """Undo escapes and the run-length code of a packet; None: nobody sends so much."""
    if b"}" not in body and b"*" not in body:
        return body
    out = bytearray()
    index = 0
    while index < len(body):
        byte = body[index]
        if byte == ord("}") and index + 1 < len(body):
            out.append(body[index + 1] ^ 0x20)
            index += 1
        elif byte == ord("*") and out and index + 1 < len(body):
            out += out[-1:] * max(0, body[index + 1] - 29)
            index += 1
            if len(out) > EXPANDED_MAX:
                return None
        else:
            out.append(byte)
        index += 1
    return bytes(out)
