"""The conformance suite on RPMsg over our own rings, in both roles."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.regions import Memory
from mboxio.regions.interrupts import Doorbell
from mboxio.rpmsg.link import HostLink, Pool, RemoteLink, RpmsgLink
from mboxio.rpmsg.table import VirtioDevice, Vring, pack_table, parse_table
from mboxio.testing import Bench, check_controller, checks
from mboxio.virtio.access import words_of
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import HostRing, RemoteRing
from mboxio.virtio.words import Window, Windows

NUM, ALIGN, BUFFER_BYTES = 4, 16, 64
RINGS, POOL, SIZE = (0x400, 0x800), 0x1000, 0x4000
OURS, THEIRS = 0x500, 0x400
READY = 4


class Far(Doorbell):
    """The other side: it answers inside the doorbell, in the same process, unless it is stalled.

    Args:
        role: of the driver under test.
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self.region = Memory(bytearray(SIZE))
        self.region.doorbell = self
        self.words = words_of(self.region)
        self.layouts = [SplitLayout(at, NUM, ALIGN) for at in RINGS]
        self.taken: list[bytes] = []
        self.stalled = self.dead = False
        self.link: RpmsgLink | None = None
        self.kept: list[tuple[int, bytes]] = []
        ring = Vring(RINGS[0], NUM, ALIGN), Vring(RINGS[1], NUM, ALIGN)
        self.table = pack_table([VirtioDevice(ring)])
        (device,) = parse_table(self.table).rpmsg
        self.status = device.status_at
        self.boot()

    def boot(self) -> None:
        """Begin a life, which the driver finds."""
        self.region.write_block(0, self.table)
        self.link = None
        self.kept.clear()
        if self.role == "remote":
            sides = [HostRing(self.words, each) for each in self.layouts]
            link = HostLink(sides[0], sides[1], Pool(self.words, POOL, POOL, BUFFER_BYTES))
            link.start()
            self.link = link
            self.region.write(self.status, READY, 1)

    def reach(self) -> RpmsgLink | None:
        """Return the link, which begins when the host is ready."""
        ready = self.region.read(self.status, 1) & READY
        if self.link is not None and self.link.was_reset():
            self.link = None
        if self.link is None and ready and not self.dead:
            rings = [RemoteRing(self.words, each) for each in self.layouts]
            self.link = RemoteLink(rings[0], rings[1], Windows(Window(0, self.words)))
        return self.link if ready else None

    def ring(self) -> None:
        """See `Doorbell.ring`: everything happens here."""
        link = self.reach()
        if link is None or self.stalled or self.dead:
            return
        while (message := link.receive()) is not None:
            self.taken.append(message)
            link.release()
            self.kept.append((link.source, message))
        while link.sent() >= 0:
            pass
        while self.kept and link.send(THEIRS, *self.kept[0]) >= 0:
            del self.kept[0]

    def notify(self, channel: int, message: bytes) -> None:
        """Say something of its own accord."""
        link = self.reach()
        assert link is not None
        while link.sent() >= 0:
            pass
        assert link.send(THEIRS, OURS, message) >= 0

    def stall(self) -> None:
        """Leave everything where it is."""
        self.stalled = True

    def resume(self) -> None:
        """Go on."""
        self.stalled = False
        self.ring()

    def restart(self) -> None:
        """Be loaded again."""
        self.stalled = False
        self.boot()

    def kill(self) -> None:
        """Be gone for good."""
        self.dead = True
        self.region.write(self.status, 0, 1)


def bench(role: str, replies: str, **more: Any) -> Bench:
    """Give the other side to the conformance suite."""
    far = Far(role)
    options = VirtioRpmsgOptions(
        role=role,
        fixed=f"echo={OURS}:{THEIRS}",
        replies=replies,
        buffers=POOL,
        buffer_bytes=BUFFER_BYTES,
        announce_s=0.0,
    )
    tied = replies != "none"
    return Bench(
        controller=VirtioRpmsg(options=options, region=far.region),
        reply=(lambda message: message) if tied else None,
        taken=lambda: far.taken,
        notify=far.notify,
        # What a remote sends is in the host's buffers, and done, whatever becomes of the host.
        stall=far.stall if role == "host" else None,
        resume=far.resume if role == "host" else None,
        restart=far.restart,
        kill=far.kill,
        patience_s=20.0,
        **more,
    )


FACTORIES: dict[str, Callable[[], Bench]] = {
    f"{role}, {replies}": partial(bench, role, replies)
    for role in ("host", "remote")
    for replies in ("none", "order:4", "source", "tag:0:2")
    if (role, replies) != ("remote", "source")
}


@pytest.mark.parametrize("name", checks())
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_conforms(factory: Callable[[], Bench], name: str) -> None:
    report = check_controller(factory, only=[name])
    assert [*report.passed, *report.skipped] == [name]
