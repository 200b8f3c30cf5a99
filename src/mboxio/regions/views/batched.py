"""Memory behind something slow, of which a batch of accesses is paid for, not every word.

Behind a probe each transaction takes a millisecond, whether it moves one word or a hundred. So
writes wait here until somebody flushes them, and what lies together is then written as one; reads
are answered from what was fetched before. Who uses it says when: nothing here knows what words
mean. It changes neither what is written nor its order, but for words that are declared to be
published last, which come after all others.
"""

from collections.abc import Iterable, Sequence

from mboxio.regions.region import Kind, Region

__all__ = ["Batched"]

GAP_BYTES = 64
"""What lies unused between two messages and is written with them, to make one transaction."""


class Batched(Region):
    """A slow region, accessed in batches; it is not closed with it.

    Args:
        slow: the region; words only.
    """

    kind = Kind.REMOTE

    def __init__(self, slow: Region) -> None:
        self.slow = slow
        self.size_bytes = slow.size_bytes
        self.access_s = slow.access_s
        self.place = slow.place
        self._written: dict[int, int] = {}  # words by offset, in the order of writing
        self._known: dict[int, int] = {}
        self._last: set[int] = set()
        self._own: list[tuple[int, int]] = []

    # -- what the owner says

    def publish_last(self, offsets: Iterable[int]) -> None:
        """Declare words that are written after all others of a batch, such as indices."""
        self._last.update(offsets)

    def fill(self, begin: int, end: int) -> None:
        """Declare an area in which nobody reads what lies between two writes of a batch."""
        self._own.append((begin, end))

    def fetch(self, offset: int, size_bytes: int) -> None:
        """Read words anew, in one transaction; reads are answered from them until `forget`."""
        words = self.slow.read_words(offset, -(-size_bytes // 4))
        for index, word in enumerate(words):
            self._known[offset + 4 * index] = word

    def forget(self) -> None:
        """What was fetched is out of date."""
        self._known.clear()

    @property
    def waiting(self) -> bool:
        """Whether writes wait to be flushed."""
        return bool(self._written)

    def drop(self) -> None:
        """Forget the writes that wait: they are never made."""
        self._written.clear()

    def flush(self) -> None:
        """Make all writes that wait, in as few transactions as possible.

        Raises:
            RemoteGone, RemoteError: not all of them were made; none waits any more.
        """
        if not self._written:
            return
        written, self._written = self._written, {}
        first = [(at, word) for at, word in written.items() if at not in self._last]
        last = sorted((at, word) for at, word in written.items() if at in self._last)
        for offset, words in self._runs(first):
            self._put(offset, words)
        for offset, words in self._runs(last):
            self._put(offset, words)

    def _put(self, offset: int, words: list[int]) -> None:
        if len(words) == 1:
            self.slow.write(offset, words[0], 4)
        else:
            self.slow.write_words(offset, words)

    def _runs(self, writes: Sequence[tuple[int, int]]) -> list[tuple[int, list[int]]]:
        """Join what lies together."""
        runs: list[tuple[int, list[int]]] = []
        for at, word in writes:
            if runs:
                begin, words = runs[-1]
                gap = at - (begin + 4 * len(words))
                if gap == 0 or (0 < gap <= GAP_BYTES and self._is_own(begin, at)):
                    words.extend([0] * (gap // 4))
                    words.append(word)
                    continue
            runs.append((at, [word]))
        return runs

    def _is_own(self, begin: int, end: int) -> bool:
        return any(first <= begin and end < after for first, after in self._own)

    # -- what users of the region see

    def read(self, offset: int, width: int) -> int:
        self.check_width(offset, width)
        if width == 4:
            return self.read_words(offset, 1)[0]
        self.flush()
        return self.slow.read(offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self.check_width(offset, width)
        if width == 4:
            self.write_words(offset, (value,))
            return
        self.flush()
        self.slow.write(offset, value, width)

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        places = range(offset, offset + 4 * count, 4)
        known, written = self._known, self._written
        found = [written.get(at, known.get(at)) for at in places]
        words = [word for word in found if word is not None]
        if len(words) == count:
            return words
        fresh = self.slow.read_words(offset, count)
        return [written.get(at, word) for at, word in zip(places, fresh, strict=True)]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        for index, word in enumerate(words):
            if not 0 <= word < 1 << 32:
                raise ValueError(f"{word:#x} is not a 32-bit word")
            at = offset + 4 * index
            self._written.pop(at, None)  # the latest value, and in its place in the order
            self._written[at] = word

    @property
    def lost(self) -> bool:
        """See `Region.lost`."""
        return self.slow.lost

    def reopen(self) -> None:
        """See `Region.reopen`."""
        self.slow.reopen()

    def close(self) -> None:
        """Drop what waits; the slow region stays open."""
        self.drop()
        self.forget()
