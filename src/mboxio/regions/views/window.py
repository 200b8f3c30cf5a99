"""A part of a region, addressed from its own beginning."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mboxio.regions.region import Region

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Window"]


class Window(Region):
    """A part of a region; it is not closed with it.

    Args:
        whole: the region.
        offset: where the part begins there, in bytes, a multiple of 8.
        size_bytes: its size.

    Raises:
        IndexError: it reaches beyond the region.
        ValueError: the offset is not aligned.
    """

    def __init__(self, whole: Region, offset: int, size_bytes: int) -> None:
        whole.check(offset, size_bytes, 8)
        self.whole = whole
        self.offset = offset
        self.size_bytes = size_bytes
        self.kind = whole.kind
        self.access_s = whole.access_s
        path, place, base = whole.place or ("", id(whole), 0)
        self.place = path, place, base + offset

    def read(self, offset: int, width: int) -> int:
        self.check_width(offset, width)
        return self.whole.read(self.offset + offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self.check_width(offset, width)
        self.whole.write(self.offset + offset, value, width)

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        return self.whole.read_words(self.offset + offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        self.whole.write_words(self.offset + offset, words)

    def read_block(self, offset: int, size_bytes: int) -> bytes:
        self.check(offset, size_bytes)
        return self.whole.read_block(self.offset + offset, size_bytes)

    def write_block(self, offset: int, data: "ReadableBuffer") -> None:
        self.check(offset, memoryview(data).nbytes)
        self.whole.write_block(self.offset + offset, data)

    def buffer(self) -> memoryview | None:
        memory = self.whole.buffer()  # not kept: it would keep the whole from being closed
        return None if memory is None else memory[self.offset : self.offset + self.size_bytes]

    @property
    def lost(self) -> bool:
        """See `Region.lost`."""
        return self.whole.lost

    def reopen(self) -> None:
        """See `Region.reopen`."""
        self.whole.reopen()

    def close(self) -> None:
        """Do nothing: the whole region stays open."""
