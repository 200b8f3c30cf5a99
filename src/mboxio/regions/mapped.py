"""Registers that are mapped into this process."""

import mmap
import sys
from collections.abc import Sequence

from mboxio.regions.region import FORMATS, Kind, Region

__all__ = ["MappedRegisters"]

WIDTHS = frozenset({1, 2, 4, 8} if sys.maxsize > 1 << 32 else {1, 2, 4})
"""What one load or store of this machine moves, in bytes."""


class MappedRegisters(Region):
    """Device memory: every access is one aligned load or store, made exactly once.

    There is no block access: a memcpy may take any width and repeat itself, which device memory
    of Arm answers with a bus error, and a FIFO with a lost word.

    Args:
        descriptor: what to map; it may be closed afterwards.
        page: offset of the first page to map, in bytes.
        begin: where the registers begin after that, in bytes.
        size_bytes: their size in bytes.

    Raises:
        OSError: the kernel refuses.
        ValueError: the size is 0, or the machine is big-endian.
    """

    kind = Kind.DEVICE

    def __init__(self, descriptor: int, page: int, begin: int, size_bytes: int) -> None:
        if sys.byteorder != "little":
            raise ValueError("registers are taken for little-endian and this machine is not")
        if size_bytes < 1:
            raise ValueError("there is nothing to map in 0 bytes")
        self.mapping = mmap.mmap(descriptor, begin + size_bytes, offset=page)
        self.size_bytes = size_bytes
        whole = memoryview(self.mapping)[begin : begin + size_bytes]
        # A cast view moves an item with one access of its width.
        self._views = {
            width: whole[: size_bytes // width * width].cast(FORMATS[width]) for width in WIDTHS
        }
        whole.release()

    def read(self, offset: int, width: int) -> int:
        self._check_access(offset, width)
        return self._views[width][offset // width]

    def write(self, offset: int, value: int, width: int) -> None:
        self._check_access(offset, width)
        self._views[width][offset // width] = value

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        view = self._views[4]
        return [view[index] for index in range(offset // 4, offset // 4 + count)]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        view = self._views[4]
        for index, word in enumerate(words, offset // 4):
            view[index] = word

    def close(self) -> None:
        """See `Region.close`."""
        super().close()
        for view in self._views.values():
            view.release()
        self.mapping.close()

    def _check_access(self, offset: int, width: int) -> None:
        self.check_width(offset, width)
        if width not in WIDTHS:
            raise ValueError("this machine makes two accesses of one of 8 bytes")
