"""Memory that is looked at and never written, by the addresses of the remote."""

import os
import stat
import struct
from dataclasses import dataclass
from typing import Protocol

from mboxio.errors import RemoteError
from mboxio.regions.finding.elf import FORMS, LITTLE_ENDIAN, MAGIC
from mboxio.regions.paths import open_checked
from mboxio.regions.region import Kind, Region

__all__ = ["BytesDump", "Dump", "FileDump", "RegionDump", "SegmentDump", "segments_of"]

SEGMENTS_MAX = 4096
HEADER_BYTES = 64
COPY_MAX = 1 << 24
"""Bytes of zeros that a damaged file can make us have."""
LOADED = 1


def inside(offset: int, length: int, size_bytes: int) -> bool:
    """Return whether these bytes lie in so many."""
    return offset >= 0 and length >= 0 and offset + length <= size_bytes


class Dump(Protocol):
    """What can be read."""

    def holds(self, address: int, length: int) -> bool:
        """Return whether these bytes are here; reads nothing of them."""
        ...

    def copy(self, address: int, length: int) -> bytes | None:
        """Return a copy of these bytes; None: not all of them are here."""
        ...


class BytesDump:
    """Bytes in this program.

    Args:
        memory: what is in the memory.
        address: what the remote calls its first byte.
    """

    def __init__(self, memory: bytes | bytearray, address: int = 0) -> None:
        self.memory = memory
        self.address = address

    def holds(self, address: int, length: int) -> bool:
        """See `Dump.holds`."""
        return inside(address - self.address, length, len(self.memory))

    def copy(self, address: int, length: int) -> bytes | None:
        """See `Dump.copy`."""
        offset = address - self.address
        if not self.holds(address, length):
            return None
        return bytes(self.memory[offset : offset + length])


class RegionDump:
    """A region, of which only as much is read as is looked at, in accesses that it allows.

    Args:
        region: the memory.
        address: what the remote calls its first byte.
    """

    def __init__(self, region: Region, address: int = 0) -> None:
        self.region = region
        self.address = address

    def holds(self, address: int, length: int) -> bool:
        """See `Dump.holds`."""
        return inside(address - self.address, length, self.region.size_bytes)

    def copy(self, address: int, length: int) -> bytes | None:
        """See `Dump.copy`."""
        offset = address - self.address
        if not self.holds(address, length):
            return None
        if self.region.kind is Kind.NORMAL:
            return self.region.read_block(offset, length)
        first, end = offset // 4 * 4, -(-(offset + length) // 4) * 4
        if end > self.region.size_bytes:
            return None
        words = self.region.read_words(first, (end - first) // 4)
        return struct.pack(f"<{len(words)}I", *words)[offset - first :][:length]


class FileDump:
    """A file that is opened for reading only, with a window of it.

    Args:
        path: the file.
        offset: where the window begins, in bytes.
        size_bytes: its size; None: to the end of the file.
        address: what the remote calls the first byte of the window.

    Raises:
        AddressError: it is no regular file.
        OSError: it cannot be opened.
    """

    def __init__(
        self, path: str, offset: int = 0, size_bytes: int | None = None, address: int = 0
    ) -> None:
        self.descriptor = open_checked(path, os.O_RDONLY, stat.S_ISREG, path)
        self.offset = offset
        self.address = address
        left = max(0, os.fstat(self.descriptor).st_size - offset)
        self.size_bytes = left if size_bytes is None else min(left, size_bytes)

    def holds(self, address: int, length: int) -> bool:
        """See `Dump.holds`."""
        return inside(address - self.address, length, self.size_bytes)

    def copy(self, address: int, length: int) -> bytes | None:
        """See `Dump.copy`."""
        offset = address - self.address
        if not self.holds(address, length):
            return None
        found = os.pread(self.descriptor, length, self.offset + offset)
        return found if len(found) == length else None

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of memory in an ELF file.

    Args:
        address: where it is in the remote's memory.
        size_bytes: how long it is there.
        offset: where it is in the file, in bytes.
        file_bytes: how much of it the file has; the rest is 0.
    """

    address: int
    size_bytes: int
    offset: int
    file_bytes: int


def segments_of(file: Dump) -> list[Segment]:
    """Return the memory that an ELF file has: firmware, or the coredump of a remote processor.

    Source: System V ABI, chapter 5 (program headers); the coredumps of Linux have the remote's
    addresses as physical ones (facts only).

    Args:
        file: the file from its start.

    Raises:
        RemoteError: the file is no ELF file, or it is damaged.
    """
    head = (file.copy(0, HEADER_BYTES) or file.copy(0, 52) or b"").ljust(HEADER_BYTES, b"\0")
    form = FORMS.get(head[4])
    if head[:4] != MAGIC or form is None or head[5] != LITTLE_ENDIAN:
        raise RemoteError("this is no little-endian ELF file")
    fields = form.header.unpack_from(head)
    at, size, count = fields[5], fields[9], fields[10]
    if count > SEGMENTS_MAX or (count and size < form.segment.size):
        raise RemoteError("the program headers of the ELF file are damaged")
    found: list[Segment] = []
    for number in range(count):
        header = file.copy(at + number * size, form.segment.size)
        if header is None:
            raise RemoteError("the ELF file is cut off")
        values = form.segment.unpack(header)
        if values[0] == LOADED:
            address, offset, file_bytes, size_bytes = (values[each] for each in form.segment_fields)
            found.append(Segment(address, size_bytes, offset, min(file_bytes, size_bytes)))
    return found


class SegmentDump:
    """The memory in an ELF file.

    Args:
        file: the file from its start.

    Raises:
        RemoteError: as `segments_of`.
    """

    def __init__(self, file: Dump) -> None:
        self.file = file
        self.segments = segments_of(file)

    def holds(self, address: int, length: int) -> bool:
        """See `Dump.holds`."""
        return any(
            inside(address - each.address, length, each.size_bytes) for each in self.segments
        )

    def copy(self, address: int, length: int) -> bytes | None:
        """See `Dump.copy`."""
        for each in self.segments:
            offset = address - each.address
            if length > COPY_MAX or not inside(offset, length, each.size_bytes):
                continue
            present = max(0, min(length, each.file_bytes - offset))
            found = self.file.copy(each.offset + offset, present) if present else b""
            if found is not None:
                return found.ljust(length, b"\0")
        return None
