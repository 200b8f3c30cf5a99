"""The short way over RPMsg's rings and the general way: the same life with and without it."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import settings

from mboxio import Capabilities
from mboxio.controllers.virtio_rpmsg.device import Device
from mboxio.controllers.virtio_rpmsg.driver import VirtioRpmsg
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.regions import Memory
from mboxio.regions.interrupts import Doorbell, Interrupt
from mboxio.ring import REQUEST, armed
from tests.rpmsg.firmware import Firmware
from tests.shm.test_shortcut import BYTES, DEPTH, TwoWorlds, World, needs_shortcuts
from tests.tools import examples

ALIGN, AT, ARMED = 16, (0x0, 0x1000), (0x3000, 0x3040)
ADDRESS, THEIRS = 0x400, 0x20
STRANGE = 0x21


class Bell(Doorbell):
    """Counts, and breaks where the driver is told so."""

    def __init__(self, driver: "Linked") -> None:
        self.driver = driver
        self.armed = armed(driver.memory, *ARMED)

    def ring(self) -> None:
        self.driver.doorbells += 1
        if self.driver.broken is not None:
            raise type(self.driver.broken)(*self.driver.broken.args)


class Silence(Interrupt):
    """One that never comes, so that nothing is polled; virtual time knows no descriptors."""

    def fileno(self) -> int:
        return -1

    def descriptors(self) -> tuple[int, ...]:
        return ()

    def clear(self) -> int:
        return 0

    def unmask(self) -> None:
        pass

    def close(self) -> None:
        pass


class Linked(VirtioRpmsg):
    """A host of which the test is the firmware."""

    def __init__(self, replies: str) -> None:
        self.memory = Memory(bytearray(0x4000))
        self.doorbells = 0
        self.broken: Exception | None = None
        self.memory.doorbell = Bell(self)
        self.memory.interrupt = Silence()
        super().__init__(
            options=VirtioRpmsgOptions(
                rings="0x0,0x1000",
                num=DEPTH,
                align=ALIGN,
                buffers=0x2000,
                buffer_bytes=16 + BYTES,
                fixed=f"a={ADDRESS}:{THEIRS}",
                replies=replies,
                announce_s=0.0,
            ),
            region=self.memory,
        )
        self.first_source = (1 << 30) - 3  # not random, and it soon begins anew
        self.expect("a")

    def open(self) -> None:
        super().open()
        self.firmware = Firmware(self.memory._bytes, DEPTH, ALIGN, AT)  # type: ignore[arg-type]
        self.firmware.join()
        self.sleeper = armed(self.memory, ARMED[1], ARMED[0])
        self.answering = self

    def capabilities(self, device: Device) -> Capabilities:
        """Look rarely: time is virtual, and passes in as many steps."""
        return replace(super().capabilities(device), poll_s=0.5, idle_poll_s=0.5)

    def push(self, kind: int, tag: int, message: bytes) -> bool:
        """Say something to an address; a request comes from an endpoint that nobody spoke to."""
        source = THEIRS if kind != REQUEST else STRANGE
        return self.firmware.link.send(source, tag, message[:BYTES]) >= 0

    def close(self) -> None:
        self.broken = None
        super().close()


class LinkWorld(World):
    """One life of a link."""

    replies: ClassVar = f"order:{DEPTH}"

    def new_driver(self) -> Any:
        return Linked(self.replies)

    def take(self) -> Any:
        """The firmware takes all messages, and gives their buffers back."""
        link, taken = self.driver.firmware.link, []
        while (message := link.receive()) is not None:
            self.unanswered.append((link.source, message))
            self.tags.append(link.source)
            taken.append((link.source, link.destination, message))
        link.release()
        return taken

    def index_lies(self) -> None:
        ring = self.driver.firmware.link.outgoing
        ring.words.store16(ring.used + 2, ring.made + DEPTH + 1)


class BySource(LinkWorld):
    """Each request has an address of its own."""

    replies: ClassVar = "source"


def machine(kind: type[World]) -> Any:
    """Return the test of all steps in two worlds of a kind."""
    made: Any = type(f"Two{kind.__name__}s", (TwoWorlds,), {"world": kind})
    made.TestCase.settings = settings(
        max_examples=examples(60), stateful_step_count=40, deadline=None
    )
    return needs_shortcuts(made.TestCase)


TestInOrder = machine(LinkWorld)
TestBySource = machine(BySource)


@needs_shortcuts
@pytest.mark.parametrize("kind", [LinkWorld, BySource])
def test_bursts_take_the_short_way(kind: type[LinkWorld]) -> None:
    """What is ordinary goes there, and its buffers come back to be used again."""
    short, general = kind(True), kind(False)
    for world in (short, general):
        for _ in range(3):
            world.requests.clear()
            for number in range(DEPTH):
                world.submit(0, bytes([number]))
            assert len(world.take()) == DEPTH
            while world.unanswered:
                world.answer(0, 0, b"")
            world.look()
            assert [each.result() for each in world.requests] == [bytes([n]) for n in range(DEPTH)]
        assert (world.channel.shortcut is None) == (world is general)
    assert short.seen() == general.seen()
    short.close()
    general.close()
