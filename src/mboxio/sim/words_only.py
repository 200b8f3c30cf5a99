"""Regions that behave like the strictest hardware, for tests."""

from collections.abc import Sequence

from mboxio.regions.region import Kind, Region

__all__ = ["WordsOnly"]


class WordsOnly(Region):
    """Device memory that takes aligned 32-bit accesses and nothing else.

    Every other access raises ValueError or TypeError, as it would be a bus error on the board.

    Args:
        size_bytes: size in bytes, a multiple of 4.
        kind: ``Kind.DEVICE`` or ``Kind.REMOTE``.
    """

    def __init__(self, size_bytes: int, kind: Kind = Kind.DEVICE) -> None:
        if size_bytes % 4:
            raise ValueError(f"a size of {size_bytes} bytes is not a number of words")
        self.kind = kind
        self.size_bytes = size_bytes
        self._words = [0] * (size_bytes // 4)

    def read(self, offset: int, width: int) -> int:
        self._check_word(width)
        return self.read_words(offset, 1)[0]

    def write(self, offset: int, value: int, width: int) -> None:
        self._check_word(width)
        self.write_words(offset, (value,))

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        return self._words[offset // 4 : offset // 4 + count]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        for index, word in enumerate(words, offset // 4):
            if not 0 <= word <= 0xFFFFFFFF:
                raise ValueError(f"{word} is not a 32-bit word")
            self._words[index] = word

    def _check_word(self, width: int) -> None:
        if width != 4:
            raise ValueError(f"bus error: an access of {width} bytes where only words are allowed")
