"""A processor of QEMU's that runs between the accesses of its debugger's stub."""

import struct
from collections.abc import Iterator

import pytest

from mboxio import RemoteGone
from mboxio.regions import Region, open_region
from mboxio.regions.probes.gdb import Gdb
from tests.hardening.support import until
from tests.qemu.machine import Machine, running

COUNTER = 0x2000_0100
INSTRUCTIONS = (
    (0x4802, 0x2100),  # ldr r0, [pc, #8]; movs r1, #0
    (0x3101, 0x6001),  # again: adds r1, #1; str r1, [r0]
    (0xE7FC, 0xBF00),  # b again; nop
)
"""Counts in a word of its memory, as fast as it can (ARM DDI 0403, A7)."""
PROGRAM = struct.pack("<2I", 0x2001_0000, 0x41).ljust(0x40, b"\0")  # its stack, and where it begins
PROGRAM += b"".join(struct.pack("<2H", *pair) for pair in INSTRUCTIONS) + struct.pack("<I", COUNTER)


@pytest.fixture
def board() -> Iterator[Machine]:
    with running("mps2-an385", program=PROGRAM) as machine:
        yield machine


@pytest.fixture
def counter(board: Machine) -> Iterator[Region]:
    """What the processor counts, seen without stopping it."""
    with open_region(f"{board.qtest}@{COUNTER:#x}+4") as region:
        yield region


def stands(counter: Region) -> bool:
    """Return whether it counts no further, as far as many looks tell."""
    before = counter.read(0, 4)
    return all(counter.read(0, 4) == before for _ in range(200))


def goes_on(counter: Region) -> None:
    before = counter.read(0, 4)
    until(lambda: counter.read(0, 4) != before)


def test_without_the_option_it_stands(board: Machine, counter: Region) -> None:
    with open_region(f"{board.gdb}@0x20000000+0x200") as region:
        assert region.read(0x100, 4) == 0
        assert stands(counter)
    assert stands(counter)


def test_it_runs_between_accesses_and_after_the_end(board: Machine, counter: Region) -> None:
    with open_region(f"{board.gdb},run=yes@0x20000000+0x1000") as region:
        goes_on(counter)
        for value in range(50):
            region.write(0x200, value, 4)
            assert region.read(0x200, 4) == value
            goes_on(counter)
        region.write_words(0x300, range(100))
        goes_on(counter)
        assert region.read_words(0x300, 100) == list(range(100))
        goes_on(counter)
    goes_on(counter)


def test_many_words_are_one_stop(board: Machine, counter: Region) -> None:
    with open_region(f"{board.gdb},run=yes@0x20000000+0x200") as region:
        link = region.link  # type: ignore[attr-defined]
        honest = link._load
        link._load = lambda ask, address: honest(ask, COUNTER)  # the same word, 64 times
        for _ in range(20):
            assert len(set(region.read_words(0, 64))) == 1
            goes_on(counter)


def test_an_access_that_fails_lets_it_run(board: Machine, counter: Region) -> None:
    with open_region(f"{board.gdb},run=yes@0x20000000+0x200") as region:
        region.link.exchange = broken  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            region.read_words(0, 4)
        goes_on(counter)


def broken(packet: bytes, stops: bool = False) -> bytes:
    raise KeyboardInterrupt


def test_the_end_of_qemu_is_noticed_while_it_runs(board: Machine) -> None:
    with open_region(f"{board.gdb},run=yes@0x20000000+0x200") as region:
        board.kill()
        with pytest.raises(RemoteGone):
            region.read(0, 4)
        assert region.lost


def test_a_stop_by_somebody_else_is_no_end(board: Machine, counter: Region) -> None:
    with open_region(f"{board.gdb},run=yes@0x20000000+0x200") as region:
        stub = region.link  # type: ignore[attr-defined]
        assert isinstance(stub, Gdb)
        with stub.talking():
            stub.send(b"\x03")  # whose report comes unasked
        until(lambda: stands(counter))
        assert region.read(0x100, 4) > 0
        goes_on(counter)
