"""The buffers of the property interface: the firmware writes its answers over the tags asked.

github.com/raspberrypi/firmware, wiki page "Mailbox property interface". Words are little-endian.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from mboxio.errors import RemoteError

__all__ = [
    "ANSWERED",
    "FAILURE",
    "REQUEST",
    "SUCCESS",
    "Answer",
    "Ask",
    "asks_in",
    "decode",
    "encode",
    "take_apart",
]

REQUEST, SUCCESS, FAILURE = 0, 0x8000_0000, 0x8000_0001
ANSWERED = 0x8000_0000
HEADER_BYTES, TAG_BYTES, END_BYTES = 8, 12, 4


@dataclass(frozen=True)
class Ask:
    """One tag of a message.

    Args:
        tag: its number.
        value: what goes out with it.
        room_bytes: room for the answer, if that is more.
    """

    tag: int
    value: bytes = b""
    room_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Size of the value buffer: whole words."""
        return -(-max(len(self.value), self.room_bytes) // 4) * 4


@dataclass(frozen=True)
class Answer:
    """What the firmware said to one tag.

    Args:
        value: as much as there was room for.
        length_bytes: how much there is; None: the tag was left alone, it is unknown.
    """

    value: bytes
    length_bytes: int | None

    @property
    def partial(self) -> bool:
        """Whether there is more than there was room for."""
        return (self.length_bytes or 0) > len(self.value)


def encode(asks: Sequence[Ask]) -> bytes:
    """Make the buffer that asks all of these."""
    body = b"".join(
        struct.pack("<3I", ask.tag, ask.size_bytes, len(ask.value))
        + ask.value.ljust(ask.size_bytes, b"\0")
        for ask in asks
    )
    size_bytes = HEADER_BYTES + len(body) + END_BYTES
    return struct.pack("<2I", size_bytes, REQUEST) + body + bytes(END_BYTES)


def asks_in(buffer: bytes) -> list[Ask]:
    """Return what a buffer asks; the values of one that came back are its answers.

    Raises:
        ValueError: it is damaged; the text says where.
    """
    size_bytes = int.from_bytes(buffer[:4], "little")
    if not HEADER_BYTES + END_BYTES <= size_bytes <= len(buffer):
        raise ValueError(f"a buffer of {len(buffer)} bytes says that it has {size_bytes}")
    asks: list[Ask] = []
    offset = HEADER_BYTES
    while offset + END_BYTES <= size_bytes:
        tag = int.from_bytes(buffer[offset : offset + 4], "little")
        if tag == 0:
            return asks
        start = offset + TAG_BYTES
        if start > size_bytes:
            break
        _, room_bytes, length_bytes = struct.unpack_from("<3I", buffer, offset)
        if room_bytes > size_bytes - start:
            raise ValueError(f"tag {tag:#010x} has room for {room_bytes} bytes, beyond the buffer")
        end = start + min(length_bytes & ~ANSWERED, room_bytes)
        asks.append(Ask(tag, buffer[start:end], room_bytes))
        offset = start + asks[-1].size_bytes
    raise ValueError(f"the tags of a buffer of {size_bytes} bytes have no end")


def decode(reply: bytes, asks: Sequence[Ask]) -> list[Answer]:
    """Take apart what the firmware made of the buffer that `encode` made.

    Raises:
        RemoteError: the firmware could not read the buffer, or does not know a tag in it
            (``status`` is 0x80000001); or the buffer is not what it was given.
    """
    whole, answers = take_apart(reply, asks)
    if not whole:
        raise RemoteError("the firmware could not read the request (0x80000001)", status=FAILURE)
    return answers


def take_apart(reply: bytes, asks: Sequence[Ask]) -> tuple[bool, list[Answer]]:
    """Take apart what the firmware made of a buffer, also where it did not do all of it.

    The tags are looked for where they were put; of what the firmware wrote, only its answers count.

    Returns:
        Whether the firmware says that all went well, and the answers.

    Raises:
        RemoteError: the buffer is not what it was given.
    """
    size_bytes = HEADER_BYTES + sum(TAG_BYTES + ask.size_bytes for ask in asks) + END_BYTES
    if len(reply) < size_bytes:
        raise RemoteError(f"the answer has {len(reply)} bytes, the request had {size_bytes}")
    (code,) = struct.unpack_from("<I", reply, 4)
    if code not in (SUCCESS, FAILURE):
        text = "did not touch it" if code == REQUEST else f"wrote the unknown code {code:#010x}"
        raise RemoteError(f"the buffer came back, and the firmware {text}", status=code)
    answers: list[Answer] = []
    offset = HEADER_BYTES
    for ask in asks:
        tag, _, answered = struct.unpack_from("<3I", reply, offset)
        if tag != ask.tag:
            raise RemoteError(f"tag {tag:#010x} came back in the place of tag {ask.tag:#010x}")
        offset += TAG_BYTES
        length = answered & ~ANSWERED if answered & ANSWERED else None
        present = min(length or 0, ask.size_bytes)
        answers.append(Answer(reply[offset : offset + present], length))
        offset += ask.size_bytes
    return code == SUCCESS, answers
