"""A remote without a driver: a link over the memory of a host, moved by the test step by step."""

import select
import time
from collections.abc import Callable

from mboxio.regions import Memory
from mboxio.rpmsg.link import RemoteLink
from mboxio.rpmsg.message import NAME_SERVICE, Announcement
from mboxio.rpmsg.table import VirtioDevice, Vring, pack_table, parse_table
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import RemoteRing
from mboxio.virtio.words import Window, Windows

PATIENCE_S = 20.0
TABLE_AT = 0x100


def until(done: Callable[[], object], what: str) -> None:
    """Wait for something that another thread brings about."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, what
        select.select((), (), (), 0.0005)


class Firmware:
    """Firmware that does what a test says.

    Args:
        memory: that of the host.
        num, align: of both rings.
        rings: their offsets where there is no table.
    """

    def __init__(
        self, memory: bytearray, num: int, align: int, rings: tuple[int, int] | None = None
    ) -> None:
        self.region = Memory(memory)
        self.num = num
        self.align = align
        self.rings = rings
        self.device: VirtioDevice | None = None
        if rings is None:
            self.boot()

    def boot(self) -> None:
        """Write the resource table, as a loader does."""
        ring = Vring(0xFFFF_FFFF, self.num, self.align)
        table = pack_table([VirtioDevice((ring, ring))])
        self.region.write_block(TABLE_AT, table)
        (self.device,) = parse_table(table).rpmsg

    @property
    def status(self) -> int:
        """What the host says in the table."""
        assert self.device is not None
        return self.region.read(TABLE_AT + self.device.status_at, 1)

    def join(self) -> None:
        """Take part from now on, where the rings stand."""
        offsets = self.rings
        if offsets is None:
            until(lambda: self.status & 4, "the host is not ready")
            table = self.region.read_block(TABLE_AT, 0x100)
            (device,) = parse_table(table).rpmsg
            offsets = device.rings[0].address, device.rings[1].address
        words = words_of(self.region)
        sides = [RemoteRing(words, SplitLayout(at, self.num, self.align)) for at in offsets]
        self.link = RemoteLink(sides[0], sides[1], Windows(Window(0, words)))

    def announce(self, name: str, address: int, *, gone: bool = False) -> None:
        """Announce a service, or take it back."""
        message = Announcement(name, address, gone).pack()
        assert self.link.send(address, NAME_SERVICE, message) >= 0

    def next(self) -> tuple[int, int, bytes]:
        """Wait for a message; return its addresses and what it says."""
        until(self.link.pending, "no message came")
        message = self.link.receive()
        assert message is not None
        found = self.link.source, self.link.destination, message
        self.link.release()
        return found

    def say(self, source: int, destination: int, message: bytes) -> None:
        """Send a message when there is a buffer."""
        until(lambda: self.link.send(source, destination, message) >= 0, "no buffer came")
