"""The control block of RTT: what must be true of it before anything that it says is used.

The mark "SEGGER RTT" in 16 bytes, the numbers of up buffers (to the host) and of down buffers, then
24 bytes for each of them: name, buffer, size, write offset, read offset, flags. All are words of
32 bits, little-endian. A buffer is a ring of bytes of which one stays empty. Who writes into
a buffer owns its write offset, and who reads it the other. Firmware writes the mark last.
Source: SEGGER Wiki, "J-Link RTT, Implementation" (facts only).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mboxio.errors import RemoteError

__all__ = [
    "BLOCK_WORDS",
    "BUFFERS_MAX",
    "ENTRY_WORDS",
    "ID",
    "ID_WORDS",
    "READ_AT",
    "WRITE_AT",
    "Block",
    "Entry",
    "Memory",
    "counts_of",
    "parse",
]

ID = b"SEGGER RTT".ljust(16, b"\0")
ID_WORDS = [int.from_bytes(ID[at : at + 4], "little") for at in range(0, 16, 4)]
BLOCK_WORDS = 6
"""Of the block in front of its entries."""
ENTRY_WORDS = 6
WRITE_AT, READ_AT = 12, 16
"""Offsets of these words in an entry, in bytes."""
BUFFERS_MAX = 64
"""In one direction. Firmware has about three."""
FLAGS_ZERO = 0xFF00_0000
"""Bits of the flags that are 0, so that what is no control block is told by them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the block says of one buffer.

    Args:
        name: the firmware's address of its name; 0: it has none.
        start: the firmware's address of its bytes.
        size: how many; one of them stays empty.
        write, read: offsets in it.
        flags: what the target does when it is full, in the lowest 2 bits.
    """

    name: int
    start: int
    size: int
    write: int
    read: int
    flags: int

    @property
    def used(self) -> bool:
        """Whether firmware has set this buffer up."""
        return self.start != 0 and self.size != 0


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the target, as the pointers of its firmware mean it.

    Args:
        address: what the firmware calls the first byte.
        size_bytes: how long it is.
    """

    address: int
    size_bytes: int

    def offset(self, address: int, length: int) -> int:
        """Return where these bytes are in the memory; -1: not all of them are in it."""
        offset = address - self.address
        return offset if 0 <= offset <= self.size_bytes - length else -1

    def __str__(self) -> str:
        return f"{self.address:#x} to {self.address + self.size_bytes:#x}"


@dataclass(frozen=True, slots=True)
class Block:
    """A control block that passed every check.

    Args:
        base: its offset in the memory, in bytes.
        ups, downs: its entries, in their order.
    """

    base: int
    ups: tuple[Entry, ...]
    downs: tuple[Entry, ...]

    def up_at(self, number: int) -> int:
        """Return the offset of the entry of an up buffer."""
        return self.base + 4 * (BLOCK_WORDS + ENTRY_WORDS * number)

    def down_at(self, number: int) -> int:
        """Return the offset of the entry of a down buffer."""
        return self.up_at(len(self.ups) + number)


def counts_of(words: Sequence[int], base: int) -> tuple[int, int]:
    """Return how many up and down buffers a block says that there are.

    Args:
        words: the first six.
        base: its offset, for the error.

    Raises:
        RemoteError: it is no block.
    """
    if list(words[:4]) != ID_WORDS:
        raise _wrong(base, "its mark is not there")
    ups, downs = words[4], words[5]
    if ups > BUFFERS_MAX or downs > BUFFERS_MAX or ups + downs == 0:
        raise _wrong(base, f"it says that there are {ups} up and {downs} down buffers")
    return ups, downs


def parse(words: Sequence[int], base: int, memory: Memory) -> Block:
    """Make sense of a control block.

    Args:
        words: all of them.
        base: its offset in the memory, in bytes.
        memory: in which it and its buffers lie.

    Raises:
        RemoteError: it is none, or it is being written.
    """
    ups, downs = counts_of(words, base)
    entries = [
        Entry(*words[at : at + ENTRY_WORDS])
        for at in range(BLOCK_WORDS, BLOCK_WORDS + ENTRY_WORDS * (ups + downs), ENTRY_WORDS)
    ]
    taken = [(base, base + 4 * len(words), "the block itself")]
    for number, entry in enumerate(entries):
        kind = f"up buffer {number}" if number < ups else f"down buffer {number - ups}"
        if entry.used:
            begin = check(entry, base, memory, kind)
            taken.append((begin, begin + entry.size, kind))
    taken.sort()
    for (_, end, first), (begin, _, second) in pairwise(taken):
        if begin < end:
            raise _wrong(base, f"{first} and {second} overlap")
    return Block(base, tuple(entries[:ups]), tuple(entries[ups:]))


def check(entry: Entry, base: int, memory: Memory, kind: str) -> int:
    """Return the offset of a buffer; raises RemoteError where its entry cannot be true."""
    if entry.flags & FLAGS_ZERO:
        raise _wrong(base, f"{kind} has the flags {entry.flags:#x}")
    begin = memory.offset(entry.start, entry.size)
    if entry.size < 2 or begin < 0:
        raise _wrong(
            base,
            f"{kind} would be {entry.size} bytes at {entry.start:#x}, and the memory is {memory} "
            "(address= says what the firmware calls its first byte)",
        )
    if entry.write >= entry.size or entry.read >= entry.size:
        raise _wrong(
            base, f"{kind} has {entry.size} bytes, and offsets {entry.write} and {entry.read}"
        )
    return begin


def _wrong(base: int, text: str) -> RemoteError:
    return RemoteError(f"no RTT control block at offset {base:#x}: {text}", not_yet=True)
