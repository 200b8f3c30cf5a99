"""The doorbells of QEMU's SSE-200, both ways, by qtest and by the stub for debuggers."""

from collections.abc import Iterator

import pytest

import mboxio
from mboxio import RemoteError
from mboxio.regions import open_region
from mboxio.regions.probes.gdb import Gdb
from tests.qemu.machine import Machine, running

MHU0, MHU1 = "@0x40003000+0x20", "@0x40004000+0x20"
# What the first processor hears of: the line of each unit at its interrupt controller.
CPU0 = ",irq_in=/machine/iotkit/cluster0/armv7m0,line="
LINES = {MHU0: 6, MHU1: 7}
SCRATCH = 0x8000_0000
STEPS = f",step={SCRATCH:#x}"


@pytest.fixture
def halted() -> Iterator[Machine]:
    with running("mps2-an521") as machine:
        yield machine


@pytest.fixture
def board(halted: Machine) -> Machine:
    with halted.wires() as wires:  # accesses from outside are non-secure: let them through
        for port in (3, 4):
            wires.set_irq_in("/machine/iotkit/apb-ppc0", "cfg_nonsec", port, 1)
    return halted


def check_both_ways(where: str) -> None:
    with (
        mboxio.connect(f"mhu:?at={where}&side=0") as first,
        mboxio.connect(f"mhu:?at={where}&side=1") as second,
    ):
        for sender, receiver in ((first, second), (second, first)):
            for number in (0, 3):
                with receiver.client(number).subscribe() as messages:
                    rung = sender.client(number).post(b"")
                    assert messages.get(20) == b""
                    rung.result()


@pytest.mark.parametrize("unit", [MHU0, MHU1])
def test_doorbells_ring_both_ways_over_qtest(board: Machine, unit: str) -> None:
    check_both_ways(f"{board.qtest}{unit}")


@pytest.mark.parametrize("unit", [MHU0, MHU1])
def test_doorbells_ring_both_ways_through_the_halted_processor(halted: Machine, unit: str) -> None:
    check_both_ways(f"{halted.gdb}{STEPS}{unit}")


def test_the_halted_processor_is_left_as_it_was(halted: Machine) -> None:
    stub = Gdb.share(halted.gdb.partition(":")[2])
    try:
        stub.ask(b"qXfer:features:read:target.xml:0,fff")
        before = stub.ask(b"g"), stub.read(SCRATCH, 4)
        with open_region(f"{halted.gdb}{STEPS}{MHU0}") as unit:
            unit.write(4, 1, 4)
            assert unit.read_words(0, 1) == [1]
        assert (stub.ask(b"g"), stub.read(SCRATCH, 4)) == before
    finally:
        stub.release()


def test_a_fault_of_the_halted_processor_is_noticed(halted: Machine) -> None:
    with (
        open_region(f"{halted.gdb}{STEPS}@0x60000000+0x10") as nothing,
        pytest.raises(RemoteError, match="a fault"),
    ):
        nothing.read(0, 4)


@pytest.mark.parametrize("unit", [MHU0, MHU1])
def test_doorbells_interrupt(board: Machine, unit: str) -> None:
    interrupting = f"{board.qtest}{CPU0}{LINES[unit]}{unit}"
    with (
        mboxio.connect(f"mhu:?at={interrupting}&side=0&events=irq") as first,
        mboxio.connect(f"mhu:?at={board.qtest}{unit}&side=1") as second,
    ):
        assert first._host.pump.descriptors
        client = second.client(1)
        with first.client(1).subscribe() as messages:
            for _ in range(3):
                rung = client.post(b"")
                assert messages.get(20) == b""
                rung.result()
        assert first.stats()["1"].notifications == 3


def test_words_of_four_bits(board: Machine) -> None:
    with (
        mboxio.connect(f"mhu:?at={board.qtest}{MHU0}&words=yes") as first,
        mboxio.connect(f"mhu:?at={board.qtest}{MHU0}&words=yes&side=1") as second,
        second.client(0).subscribe() as messages,
    ):
        sent = first.client(0).post(b"\x0b\0\0\0")
        assert messages.get(20) == b"\x0b\0\0\0"
        sent.result()
