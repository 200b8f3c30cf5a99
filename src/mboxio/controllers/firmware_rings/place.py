"""Where the firmware laid its rings out, in each of its lives."""

from collections.abc import Iterator

from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.finding.searching import places
from mboxio.regions.finding.symbols import symbol
from mboxio.regions.region import Region
from mboxio.regions.views.window import Window
from mboxio.ring.layout import MAGIC, TABLE, MemoryLayout, read

__all__ = ["Place"]

SYMBOL = "mboxio_memory"
STEP_BYTES = 8
"""What the rings begin at a multiple of, as their slots do."""


class Place:
    """The memory of the firmware, found in a region.

    Args:
        region: in which it is.
        options: how it is found.

    Raises:
        AddressError: the firmware file does not say it, or it is not in the region.
    """

    def __init__(self, region: Region, options: RingsOptions) -> None:
        self.region = region
        self.options = options
        self.offset = -1 if options.search else options.base
        self.silent: list[int] = []  # where nobody answered; what lies there is of somebody else
        if options.elf:
            self.offset = self.offset_of(symbol(options.elf, SYMBOL))

    def offset_of(self, address: int) -> int:
        """Return where in the region an address of the firmware is."""
        begin = self.options.address
        if begin < 0:
            found = getattr(self.region, "address", None)
            if found is None:
                raise AddressError(
                    f"rings: the firmware has its rings at {address:#x}: say with address= what it"
                    f" calls the first byte of {self.options.at or self.region!r}"
                )
            begin = int(found)
        offset = address - begin
        if not 0 <= offset <= self.region.size_bytes - TABLE or offset % STEP_BYTES:
            raise AddressError(
                f"rings: {self.options.elf} has {SYMBOL} at {address:#x}, which is not in a region"
                f" of {self.region.size_bytes} bytes at {begin:#x}"
            )
        return offset

    def find(self) -> tuple[Window, MemoryLayout]:
        """Return the memory and what it says; it takes a while behind a probe. Without the lock.

        It may be that of a life that is over.

        Raises:
            RemoteGone: there is none that can be used, and why.
        """
        lies: list[str] = []
        for offset in self.candidates():
            try:
                layout = read(Window(self.region, offset, self.region.size_bytes - offset))
            except RemoteError as error:
                lies.append(f"at offset {offset:#x}, {error}")
                continue
            self.offset = offset
            return Window(self.region, offset, layout.size_bytes), layout
        if not lies:
            raise RemoteGone(
                f"rings: no memory of mboxio in the {self.region.size_bytes} bytes that were"
                " searched: the firmware has not started, or lies elsewhere"
            )
        hint = "" if self.options.search else ", or it lies elsewhere: search=yes"
        raise RemoteGone(f"rings: {lies[0]}: the firmware has not started{hint}")

    def candidates(self) -> Iterator[int]:
        """Yield where to look: first where it was the last time."""
        last = self.offset
        if 0 <= last <= self.region.size_bytes - TABLE:
            yield last
        if not self.options.search:
            return
        for offset in places(self.region, MAGIC.to_bytes(4, "little"), step=STEP_BYTES):
            if offset not in (last, *self.silent) and offset <= self.region.size_bytes - TABLE:
                yield offset

    def pass_over(self) -> bool:
        """Look elsewhere than where it was found: nobody answers there.

        Such a memory may be of a program that was there before, or of a bootloader.

        Returns:
            Whether there is one elsewhere; if not, all count again.
        """
        if not self.options.search:
            return False
        passed = self.offset
        self.silent.append(passed)
        self.offset = -1
        try:
            self.find()
        except RemoteGone:
            self.silent.clear()
            self.offset = passed
            return False
        return True
