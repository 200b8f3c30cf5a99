"""The frames of GDB's remote protocol: ``$body#checksum``, and what stands between them."""

import re

__all__ = ["Packets", "body_of", "framed"]

SIGNIFICANT = re.compile(rb"[-+$%]")
"""Acknowledgements, and what packets and notifications begin with."""
HEX_PAIR = re.compile(rb"[0-9a-fA-F]{2}")
EXPANDED_MAX = 1 << 20
"""Bytes of a packet after its run-length code was undone, which makes up to 97 of 2."""


def framed(body: bytes) -> bytes:
    """Put a packet into its frame; nothing in it needs an escape."""
    return b"$%s#%02x" % (body, sum(body) & 0xFF)


class Packets:
    """Takes apart what a stub sends. Each byte is looked at once, however it arrives.

    Args:
        received: what arrived; what was taken is removed from it.
    """

    def __init__(self, received: bytearray) -> None:
        self.received = received
        self.inside = False  # a packet began and has not ended
        self.looked = 0  # bytes of it without an end

    def take(self) -> bytes | None:
        """Return ``+``, ``-``, or a whole frame with its ``$`` or ``%``; None: not yet."""
        received = self.received
        while True:
            if not self.inside:
                found = SIGNIFICANT.search(received)
                del received[: found.start() if found else len(received)]
                if not found:
                    return None
                if received[0] in b"+-":
                    return bytes([received.pop(0)])
                self.inside, self.looked = True, 1
            end = received.find(b"#", self.looked)
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
