"""A host with nothing but a link: what a driver does, step by step, over a region with a table."""

import select
import threading
import time
from collections.abc import Callable
from typing import Any

from mboxio.regions import Region
from mboxio.remote.rpmsg.layout import BUFFERS
from mboxio.rpmsg.link import HostLink, Pool
from mboxio.rpmsg.message import NAME_SERVICE, Announcement
from mboxio.rpmsg.table import parse_table
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import HostRing

PATIENCE_S = 20.0
READY = 7


class TableHost:
    """The host's side of a region that begins with a resource table.

    Args:
        region: of a processor.
        address: what that calls its first byte.
        buffer_bytes: size of a buffer.
    """

    def __init__(self, region: Region, address: int = 0, buffer_bytes: int = 512) -> None:
        self.region = region
        self.table = parse_table(region.read_block(0, 4096))
        device = self.table.rpmsg[0]
        carveout = self.table.carveout(BUFFERS)
        assert carveout is not None
        words = words_of(region)
        rings = [
            HostRing(words, SplitLayout(each.address - address, each.num, each.align))
            for each in device.rings
        ]
        pool = Pool(words, carveout.address - address, carveout.address, buffer_bytes)
        self.link = HostLink(rings[0], rings[1], pool)
        self.status_at = device.status_at
        self.services: dict[str, int] = {}
        self.gone: list[str] = []
        self.strange: list[bytes] = []
        self.messages: list[tuple[int, int, bytes]] = []

    def begin(self) -> None:
        """Begin a life: reset, empty rings, all buffers lent, ready."""
        self.reset()
        self.link.start()
        self.region.write(self.status_at, READY, 1)
        self.ring()

    def reset(self) -> None:
        """End it."""
        self.region.write(self.status_at, 0, 1)
        self.services.clear()
        self.gone.clear()
        self.strange.clear()
        self.messages.clear()
        self.ring()

    def ring(self) -> None:
        """Ring, where there is a bell."""
        if self.region.doorbell is not None:
            self.region.doorbell.ring()

    def send(self, to: int | str, message: bytes, source: int = 0x400) -> bool:
        """Send to an address or an announced service; False: no buffer."""
        while self.link.sent() >= 0:
            pass
        address = self.services[to] if isinstance(to, str) else to
        sent = self.link.send(source, address, message) >= 0
        self.ring()
        return sent

    def look(self) -> None:
        """Take all that came."""
        while (message := self.link.receive()) is not None:
            if self.link.destination != NAME_SERVICE:
                self.messages.append((self.link.source, self.link.destination, message))
                continue
            found = Announcement.parse(message)
            if found is None:
                self.strange.append(message)
            elif found.gone:
                self.services.pop(found.name, None)
                self.gone.append(found.name)
            else:
                self.services[found.name] = found.address
        while self.link.sent() >= 0:
            pass
        if self.link.release():
            self.ring()

    def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Look until something is so; `condition` is called with nothing."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            self.look()
            if condition():
                return
            assert time.monotonic() < end_s, f"in vain: {what}"
            self.rest()

    def rest(self) -> None:
        """Sleep until the processor rings; where nothing rings, for a moment."""
        interrupt = self.region.interrupt
        armed: Any = self.region.doorbell and self.region.doorbell.armed
        if interrupt is None or armed is None:
            threading.Event().wait(1e-4)
            return
        armed.arm()
        if not self.link.news() and not self.link.room():
            select.select([interrupt.fileno()], [], [], 0.1)
        armed.disarm()
        interrupt.clear()

    def ask(self, to: int | str, message: bytes, source: int = 0x400) -> bytes:
        """Send and return the next message to our address."""
        if isinstance(to, str):
            self.until(lambda: to in self.services, f"service {to} is announced")
        self.until(lambda: self.send(to, message, source), "a buffer")
        found: list[tuple[int, int, bytes]] = []

        def answered() -> bool:
            found[:] = [each for each in self.messages if each[1] == source]
            return bool(found)

        self.until(answered, f"an answer to {message!r}")
        self.messages.remove(found[0])
        return found[0][2]
