"""The lives of the firmware: resets, hangs, faults, lies of the host, RAM full of something."""

import random
import struct
from itertools import count

import pytest

from mboxio.cli.demo.microcontroller import BOARDS
from mboxio.ring import REPLY
from mboxio.ring.layout import HOST_LIFE, HOST_READY, HOST_SEEN
from tests.mcu.host import Host
from tests.mcu.machine import running

pytestmark = pytest.mark.once

DEPTH = 8
EPOCH = 8
FORGOTTEN = [HOST_LIFE, HOST_READY, HOST_SEEN]
lives = count(1)

each_machine = pytest.mark.parametrize("name", BOARDS)


def works(host: Host) -> None:
    """A host comes that was never here, and is served."""
    host.life = next(lives)
    host.meet()
    for channel in range(2):
        assert host.request(b"works", 1, channel) == (REPLY, 1, b"works")


def begins_a_life(host: Host, epoch: int) -> None:
    """Wait for a life that follows the one of that epoch, and knows of no host."""
    host.until(lambda: host.laid_out().epoch != epoch, "another life")
    assert host.laid_out().epoch == epoch + 1
    assert [host.word(each) for each in FORGOTTEN] == [0, 0, 0]


@each_machine
def test_a_reset_in_traffic(name: str) -> None:
    with running(name) as machine, Host(machine) as host:
        for _ in range(30):
            works(host)
            epoch = host.word(EPOCH)
            for tag in range(DEPTH):
                host.push(b"in flight", tag)
            machine.reset()
            begins_a_life(host, epoch)
        works(host)


@each_machine
def test_it_resets_itself_in_the_middle_of_a_batch(name: str) -> None:
    with running(name) as machine, Host(machine) as host:
        for _ in range(10):
            works(host)
            epoch = host.word(EPOCH)
            for tag, message in enumerate((b"before", b"R", b"after")):
                assert host.out[0].push(2, tag, message)
            host.ring()
            begins_a_life(host, epoch)
            works(host)


@pytest.mark.parametrize("message", [b"H", b"F"], ids=["hang", "fault"])
def test_its_heart_stands_still_when_it_does(message: bytes) -> None:
    with running() as machine, Host(machine) as host:
        works(host)
        host.beats(5)  # idle as it is
        epoch = host.word(EPOCH)
        host.push(message)
        host.stands_still()
        assert (host.word(EPOCH), host.into[0].pending()) == (epoch, 0)
        assert host.out[0].free() == DEPTH - 1
        machine.reset()
        begins_a_life(host, epoch)
        works(host)
        host.beats(2)


LIES = {
    "front beyond the ring": lambda host: host.write(host.layout.channels[0].to_remote.front, 9),
    "front of the other channel": lambda host: host.write(
        host.layout.channels[1].to_remote.front, 0xFFFFFFFF
    ),
    "a slot of no kind": lambda host: header(host, 0),
    "a slot of an unknown kind": lambda host: header(host, 5 << 24),
    "a slot too long": lambda host: header(host, 2 << 24 | 57),
    "rear beyond the ring": lambda host: rear(host, 9),
    "rear beyond the ring as another host comes": lambda host: comes_lying(host),
}


def header(host: Host, word: int) -> None:
    ring = host.layout.channels[0].to_remote
    front = host.word(ring.front)
    host.write(ring.base + front * ring.slot_bytes, word)
    host.write(ring.front, (front + 1) % ring.slots)


def rear(host: Host, value: int) -> None:
    """It is believed until a place is needed."""
    host.write(host.layout.channels[0].to_host.rear, value)
    for tag in range(DEPTH):
        host.push(b"an answer for each", tag)


def comes_lying(host: Host) -> None:
    host.write(host.layout.channels[1].to_host.rear, 9)
    host.write(HOST_LIFE, next(lives))


@pytest.mark.parametrize("lie", LIES)
def test_after_a_lie_it_lays_out_anew(lie: str) -> None:
    with running() as machine, Host(machine) as host:
        for _ in range(3):
            works(host)
            epoch = host.word(EPOCH)
            LIES[lie](host)
            host.ring()
            begins_a_life(host, epoch)
        works(host)


def former_life() -> bytes:
    with running() as machine, Host(machine) as host:
        works(host)
        for tag in range(DEPTH):
            host.push(b"in flight", tag)
        machine.tell("stop")
        return b"".join(struct.pack("<I", host.word(at)) for at in range(0, 0x2000, 4))


def test_what_was_in_its_memory_does_not_matter() -> None:
    noise = random.Random(1).randbytes(0x2000)
    for before, epoch in (
        (noise, int.from_bytes(noise[8:12], "little")),
        (b"MBX1" + noise[4:], int.from_bytes(noise[8:12], "little")),
        (former_life(), 1),
        (b"\xff" * 0x2000, 0),  # 0 is no epoch
    ):
        with running(before=before, held=True) as machine:
            machine.tell("cont")
            with Host(machine) as host:
                host.beats(2)
                begins_a_life(host, epoch)
                works(host)
