"""Access to rings and buffers in the exact widths that both sides agreed on.

A ring's index is one store of 16 bits, or the other side reads a torn one; on device memory, copies
of any width can fault. So the rings know only these methods.
"""

import struct
from typing import Any

from mboxio._base.native import word_at
from mboxio.errors import RemoteError
from mboxio.regions.region import Kind, Region

__all__ = ["Header", "RegionWords", "Window", "Windows", "Words"]


class Header:
    """A private copy of four words of 32 bits that lie one after the other."""

    __slots__ = ("first", "fourth", "second", "third")

    def __init__(self) -> None:
        self.first = self.second = self.third = self.fourth = 0


HEADER_BYTES = 16


class Words:
    """What rings do with memory. Offsets are in bytes and in range: whoever makes a ring checks.

    Attributes:
        size_bytes: how long the memory is.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def load16(self, offset: int) -> int:
        """Read 16 bits; what is read later was written before what is read here."""
        raise NotImplementedError

    def load32(self, offset: int) -> int:
        """Read 32 bits."""
        raise NotImplementedError

    def load64(self, offset: int) -> int:
        """Read 64 bits."""
        raise NotImplementedError

    def store16(self, offset: int, value: int) -> None:
        """Write 16 bits; who sees them sees what was written before."""
        raise NotImplementedError

    def store32(self, offset: int, value: int) -> None:
        """Write 32 bits."""
        raise NotImplementedError

    def store64(self, offset: int, value: int) -> None:
        """Write 64 bits."""
        raise NotImplementedError

    def fence(self) -> None:
        """Order an earlier store before a later load."""
        raise NotImplementedError

    def copy_in(self, offset: int, message: bytes) -> None:
        """Write a message; the word in which it ends is filled up with zeros."""
        raise NotImplementedError

    def copy_out(self, offset: int, length: int) -> bytes:
        """Read a message."""
        raise NotImplementedError

    def put_used(self, offset: int, head: int, length: int, index_at: int, index: int) -> None:
        """Write two words of 32 bits, and then an index that hands them over."""
        self.store32(offset, head)
        self.store32(offset + 4, length)
        self.store16(index_at, index)

    def put_framed(self, offset: int, first: int, second: int, message: bytes) -> None:
        """Write four words of 32 bits, 0 and the length of the message the last ones, then that."""
        self.store32(offset, first)
        self.store32(offset + 4, second)
        self.store32(offset + 8, 0)
        self.store32(offset + 12, len(message))
        if message:
            self.copy_in(offset + HEADER_BYTES, message)

    def take_framed(self, offset: int, room: int, header: Header) -> bytes | None:
        """Read what `put_framed` writes: the length is 16 bits; None: more than the room."""
        self.take_header(offset, header)
        length = header.fourth & 0xFFFF
        if length > room:
            return None
        return self.copy_out(offset + HEADER_BYTES, length) if length else b""

    def take_header(self, offset: int, header: Header) -> None:
        """Read four words of 32 bits, each once: they may change under our eyes."""
        read = self.copy_out(offset, HEADER_BYTES)
        header.first = word_at(read, 0)
        header.second = word_at(read, 4)
        header.third = word_at(read, 8)
        header.fourth = word_at(read, 12)


class RegionWords(Words):
    """Access through any region; Python makes each of them, so a fence is a lock taken."""

    def __init__(self, region: Region) -> None:
        super().__init__(region.size_bytes)
        self.region = region
        self.blocks = region.kind is Kind.NORMAL
        self.lock: Any = None

    def load16(self, offset: int) -> int:
        return self.region.read(offset, 2)

    def load32(self, offset: int) -> int:
        return self.region.read(offset, 4)

    def load64(self, offset: int) -> int:
        return self.region.read(offset, 8)

    def store16(self, offset: int, value: int) -> None:
        self.region.write(offset, value, 2)

    def store32(self, offset: int, value: int) -> None:
        self.region.write(offset, value, 4)

    def store64(self, offset: int, value: int) -> None:
        self.region.write(offset, value, 8)

    def fence(self) -> None:
        if self.lock is None:
            import threading

            self.lock = threading.Lock()
        with self.lock:  # its instruction orders all of this CPU's accesses
            pass

    def copy_in(self, offset: int, message: bytes) -> None:
        if self.blocks:
            self.region.write_block(offset, message)
        else:
            count = -(-len(message) // 4)
            words = struct.unpack(f"<{count}I", message.ljust(4 * count, b"\0"))
            self.region.write_words(offset, words)

    def copy_out(self, offset: int, length: int) -> bytes:
        if self.blocks:
            return self.region.read_block(offset, length)
        count = -(-length // 4)
        return struct.pack(f"<{count}I", *self.region.read_words(offset, count))[:length]


class Window:
    """Memory, and the address under which both sides speak of it.

    Args:
        address: what the other side calls its first byte.
        words: access to it.
    """

    __slots__ = ("address", "size_bytes", "words")

    def __init__(self, address: int, words: Words) -> None:
        self.address = address
        self.words = words
        self.size_bytes = words.size_bytes

    def holds(self, address: int, size_bytes: int) -> bool:
        """Return whether all of this lies here."""
        if address < self.address or size_bytes > self.size_bytes:
            return False
        return address - self.address <= self.size_bytes - size_bytes


class Windows:
    """All memory in which buffers may lie.

    Args:
        windows: they do not overlap.
    """

    def __init__(self, *windows: Window) -> None:
        self.windows = list(windows)
        self.last: Window | None = self.windows[0] if windows else None

    def find(self, address: int, size_bytes: int) -> Window:
        """Return the window that holds all of these bytes.

        Raises:
            RemoteError: there is none; the other side named that address.
        """
        last = self.last
        if last is not None and last.holds(address, size_bytes):
            return last
        for each in self.windows:
            if each.holds(address, size_bytes):
                self.last = each
                return each
        raise RemoteError(
            f"the remote lied: {size_bytes} bytes at {address:#x} are in no memory of ours",
            field="address",
            value=address,
        )
