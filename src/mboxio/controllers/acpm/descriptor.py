"""ACPM's descriptor over time: what it says, and whether another life of the firmware wrote it."""

from mboxio.controllers.acpm.layout import COUNT, AcpmChannel, AcpmLayout, parse, raw
from mboxio.errors import RemoteError
from mboxio.regions.region import Kind, Region

__all__ = ["Descriptor"]

CHECK_NS = {Kind.NORMAL: 10_000_000, Kind.DEVICE: 50_000_000, Kind.REMOTE: 1_000_000_000}
"""How often it is compared with what it was, at the most, by what reading it costs."""


class Descriptor:
    """The descriptor that is in use, and the one that may replace it.

    Args:
        base: its offset in the SRAM, in bytes.
        boot_word: offset from base of a word that differs in each life; -1: there is none.
    """

    def __init__(self, base: int, boot_word: int) -> None:
        self.base = base
        self.boot_word = boot_word
        self.words: tuple[int, ...] = ()
        self.layout = AcpmLayout(base, 0, 0, ())
        self.candidate: tuple[int, ...] = ()
        self.check_ns = 0

    def channel(self, number: int) -> AcpmChannel:
        """Return what it says about a channel."""
        return self.layout.channels[number]

    def use(self, region: Region) -> AcpmLayout:
        """Use what the SRAM says now.

        Raises:
            RemoteError: it is impossible, or the channels are not those that were used before.
        """
        words = self.read(region)
        self.layout = self.check(words, region)
        self.words = words
        self.candidate = ()
        return self.layout

    def settle(self, region: Region) -> bool:
        """Use what the SRAM says now if it said the same the last time: nobody is writing it.

        Raises:
            RemoteError: as `use`.
        """
        earlier, self.candidate = self.candidate, ()
        words = self.read(region)
        self.check(words, region)
        if words != earlier:
            self.candidate = words
            return False
        self.use(region)
        return True

    def due(self, now_ns: int, region: Region) -> bool:
        """Return whether it is time to look whether it is still the same."""
        if now_ns < self.check_ns:
            return False
        self.check_ns = now_ns + CHECK_NS[region.kind]
        return True

    def same(self, region: Region) -> bool:
        """Return whether the SRAM still says what is in use."""
        try:
            return self.read(region) == self.words
        except RemoteError:
            return False

    def untouched(self, region: Region) -> bool:
        """Tell by the least accesses whether no other life has begun to write."""
        if region.read(self.base + COUNT, 4) != len(self.layout.channels):
            return False
        return self.boot_word < 0 or region.read(self.base + self.boot_word, 4) == self.words[-1]

    def read(self, region: Region) -> tuple[int, ...]:
        """Read what says which life this is, the boot word last."""
        words = raw(region, self.base)
        if self.boot_word < 0:
            return words
        return (*words, region.read(self.base + self.boot_word, 4))

    def check(self, words: tuple[int, ...], region: Region) -> AcpmLayout:
        """Make sense of what was read; firmware comes back with the same channels."""
        found = parse(words if self.boot_word < 0 else words[:-1], self.base, region.size_bytes)
        if self.words and shape(found) != shape(self.layout):
            raise RemoteError("acpm: the firmware came back with other channels; connect again")
        return found


def shape(layout: AcpmLayout) -> list[tuple[int, int, bool]]:
    """Return what clients know of the channels."""
    return [(c.to_remote.slots, c.to_remote.slot_bytes, c.polled) for c in layout.channels]
