"""A life whose end shows in an access, in the middle of an op: each driver finds the next one."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import pytest

from mboxio import Connection
from mboxio.controllers.firmware_rings.driver import FirmwareRings
from mboxio.errors import MailboxError, RemoteGone
from mboxio.regions import Kind, Memory, Region
from mboxio.regions.interrupts import Doorbell
from mboxio.testing import Bench
from tests.acpm.test_conformance import polled as acpm
from tests.conformance.mailboxes import doorbells, property_buffers
from tests.firmware_rings.model import Firmware
from tests.firmware_rings.test_meeting import OPTIONS, Stepped
from tests.rpmsg.test_conformance import bench as rpmsg
from tests.rtt.test_conformance import bench as rtt

PATIENCE_S = 20.0
TURNS = 6


class Severed(Region, Doorbell):
    """Another region and its doorbell, by a connection that the test breaks."""

    def __init__(self, region: Region, kind: Kind) -> None:
        self.region = region
        self.kind = kind
        self.size_bytes = region.size_bytes
        self.access_s = 1e-9  # so nobody spins
        self.interrupt = region.interrupt
        self.doorbell = self
        self.unplugged = self.jammed = False
        self.left = -1  # so many accesses get through; -1: all
        self.reopened = 0

    def access(self) -> Region:
        if self.left == 0:
            self.unplugged = True
        self.left -= self.left >= 0
        if self.unplugged:
            raise RemoteGone("the probe was unplugged")
        return self.region

    def ring(self) -> None:
        if self.jammed:
            self.jammed = False
            raise RemoteGone("the doorbell is out of reach")
        if self.region.doorbell is not None:
            self.region.doorbell.ring()

    def read(self, offset: int, width: int) -> int:
        return self.access().read(offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self.access().write(offset, value, width)

    def read_words(self, offset: int, count: int) -> list[int]:
        return self.access().read_words(offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.access().write_words(offset, words)

    @property
    def lost(self) -> bool:
        return self.unplugged

    def reopen(self) -> None:
        self.reopened += self.unplugged
        self.unplugged = False


def rings() -> Bench:
    firmware = Firmware(Memory(bytearray(4096)))
    firmware.settle()
    region = Stepped(firmware, Kind.DEVICE, [5], {})
    return Bench(controller=FirmwareRings(options=OPTIONS, region=region))


MAKERS: dict[str, Callable[[], Bench]] = {
    "acpm": acpm,
    "bcm2835": partial(property_buffers, interrupts=False),
    "mhu": partial(doorbells, interrupts=False),
    "rings": rings,
    "rtt": partial(rtt, "words", "cobs", "tag:0:2"),
    "virtio-rpmsg": partial(rpmsg, "host", "order"),
}
DOORBELLS = ("acpm", "rings", "rtt", "virtio-rpmsg")  # others have registers, and no other bell


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
@pytest.mark.parametrize(
    ("name", "what"),
    [*((name, "probe") for name in MAKERS), *((name, "doorbell") for name in DOORBELLS)],
)
def test_the_next_life_is_found(name: str, what: str, kind: Kind) -> None:
    bench = MAKERS[name]()
    driver: Any = bench.controller
    region = driver.given = driver.region = Severed(driver.given, kind)
    message = bench.message or (lambda number: bytes(4) + number.to_bytes(4, "big"))
    waits: dict[str, Any] = {"timeout_s": PATIENCE_S, "queue_timeout_s": PATIENCE_S}
    numbers = count()
    with Connection(driver) as connection:
        client = connection.client(bench.channel, correlator=bench.correlator)
        client.request(message(next(numbers)), **waits)
        for turn in range(TURNS):
            region.left, region.jammed = (turn, False) if what == "probe" else (-1, True)
            while region.jammed or region.left >= 0:
                with suppress(MailboxError):  # what was not handed over waits for the next life
                    client.request(message(next(numbers)), **waits)
            client.request(message(next(numbers)), **waits)
            assert connection._host.life.number == turn + 1
        assert region.reopened == (TURNS if what == "probe" else 0)
    if bench.close is not None:
        bench.close()
