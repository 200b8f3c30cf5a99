"""Registers of devices that nobody here wrote, by both ways into QEMU."""

import select
from collections.abc import Iterator

import pytest

from mboxio.errors import RemoteError, RemoteGone
from mboxio.regions import Region, open_region
from mboxio.regions.registers import Bit, Field, Register, Setting
from tests.qemu.machine import Machine, running

pytestmark = pytest.mark.once  # regions are never compiled

PATIENCE_MS = 20_000
PROPERTY_CHANNEL = 8
FIRMWARE_REVISION = [28, 0, 0x0000_0001, 4, 0, 0, 0]  # a message of one tag
BUFFER = 0x1000


class Status(Register):
    """Of either mailbox of the BCM2835: 0 is read by this side, 1 is written."""

    full = Bit(31)
    empty = Bit(30)


class Status0(Status, offset=0x18):
    pass


class Status1(Status, offset=0x38):
    pass


class Config0(Setting, offset=0x1C):
    data_irq = Bit(0)
    data_pending = Bit(4)


class Word(Register):
    channel = Field(0, 4)


class Read0(Word, offset=0x00):
    pass


class Write1(Word, offset=0x20):
    pass


@pytest.fixture
def raspi() -> Iterator[Machine]:
    with running("raspi3b") as machine:
        yield machine


@pytest.fixture(params=["qtest", "gdb"])
def way(request) -> str:
    return request.param


@pytest.fixture
def mailbox(raspi: Machine, way: str) -> Iterator[Region]:
    with open_region(f"{getattr(raspi, way)}@0x3f00b880+0x40") as region:
        yield region


@pytest.fixture
def memory(raspi: Machine, way: str) -> Iterator[Region]:
    with open_region(f"{getattr(raspi, way)}@{BUFFER:#x}+0x1000") as region:
        yield region


def post(mailbox: Region, memory: Region, offset: int) -> int:
    """Ask for the firmware revision; returns the word that was posted."""
    memory.write_words(offset, FIRMWARE_REVISION)
    word = Write1(BUFFER + offset, channel=PROPERTY_CHANNEL)
    Write1.at(mailbox).write(word)
    return word


def test_the_mailbox_is_empty_at_first(mailbox: Region) -> None:
    assert Status0.at(mailbox).read().empty
    assert not Status1.at(mailbox).read().full


def test_a_property_message_is_answered_in_memory(mailbox: Region, memory: Region) -> None:
    word = post(mailbox, memory, 0)
    assert not Status0.at(mailbox).read().empty
    assert Read0.at(mailbox).read() == word
    assert Status0.at(mailbox).read().empty
    answer = memory.read_words(0, 7)
    assert answer[1] == 0x8000_0000
    assert answer[4] == 0x8000_0004
    assert answer[5] == 0x0005_48E1


def test_each_read_takes_one_reply(mailbox: Region, memory: Region) -> None:
    words = [post(mailbox, memory, 0x40 * number) for number in range(8)]
    assert [Read0.at(mailbox).read() for _ in words] == words
    assert Status0.at(mailbox).read().empty


def test_a_setting_is_modified(mailbox: Region) -> None:
    config = Config0.at(mailbox)
    config.modify(data_irq=True)
    assert config.read().data_irq
    config.modify(data_irq=False)
    assert not config.read().data_irq


def test_words_go_in_and_out_of_memory_in_order(memory: Region) -> None:
    words = [0x0101_0101 * (number % 251) for number in range(512)]
    memory.write_words(0, words)
    assert memory.read_words(0, 512) == words
    memory.write(4, 0xFFFF_FFFE, 4)
    assert memory.read(4, 4) == 0xFFFF_FFFE


def test_both_ways_at_once(raspi: Machine) -> None:
    with (
        open_region(f"{raspi.qtest}@{BUFFER:#x}+0x10") as one,
        open_region(f"{raspi.gdb},verify=yes@{BUFFER:#x}+0x10") as other,
    ):
        one.write_words(0, [1, 2, 3, 4])
        assert other.read_words(0, 4) == [1, 2, 3, 4]
        other.write_words(0, [5, 6])
        assert one.read_words(0, 4) == [5, 6, 3, 4]


def test_a_write_that_does_not_stick_is_found(raspi: Machine) -> None:
    with (
        open_region(f"{raspi.gdb},verify=yes@0x3f00b880+0x40") as mailbox,
        pytest.raises(RemoteError, match="the write was dropped"),
    ):
        mailbox.write(0, 0x80, 4)  # the side that is read


def test_a_processor_makes_the_same_accesses(raspi: Machine) -> None:
    with (
        open_region(f"{raspi.gdb},step=0x2000@0x3f00b880+0x40") as mailbox,
        open_region(f"{raspi.gdb},step=0x2000@{BUFFER:#x}+0x100") as memory,
    ):
        word = post(mailbox, memory, 0)
        assert Read0.at(mailbox).read() == word
        assert Status0.at(mailbox).read().empty
        assert memory.read_words(0, 6)[5] == 0x0005_48E1


def test_the_data_interrupt_wakes(raspi: Machine, memory: Region) -> None:
    name = f"{raspi.qtest},irq_in=/machine/soc/cpu[0],line=0@0x3f00b880+0x40"
    with (
        open_region(name) as mailbox,
        open_region(f"{raspi.qtest}@0x3f00b200+0x20") as interrupt_controller,
    ):
        interrupt = mailbox.interrupt
        assert interrupt is not None
        interrupt_controller.write(0x18, 2, 4)
        Config0.at(mailbox).write(data_irq=True)
        assert interrupt.clear() == 0
        post(mailbox, memory, 0)
        poller = select.poll()
        poller.register(interrupt.fileno(), select.POLLIN)
        assert poller.poll(PATIENCE_MS)
        assert interrupt.clear() == 1
        interrupt.unmask()
        assert interrupt.clear() == 1, "a line that is still raised shows again"
        Read0.at(mailbox).read()
        interrupt.unmask()
        assert interrupt.clear() == 0


def test_the_end_of_qemu_is_noticed(raspi: Machine, mailbox: Region) -> None:
    raspi.kill()
    with pytest.raises(RemoteGone):
        mailbox.read(0x18, 4)


class Doorbells(Register):
    """A register of the SSE-200's mailbox unit: four doorbells."""

    bits = Field(0, 4)


class Stat(Doorbells, offset=0x0):
    pass


class Set(Doorbells, offset=0x4):
    pass


class Clear(Doorbells, offset=0x8):
    pass


OTHER_SIDE = 0x10


@pytest.fixture
def board() -> Iterator[Machine]:
    with running("mps2-an521") as machine:
        yield machine


def open_to_qtest(board: Machine) -> None:
    """Let non-secure accesses through; those of the processor are secure at first."""
    with board.wires() as wires:
        for port in (3, 4):
            wires.set_irq_in("/machine/iotkit/apb-ppc0", "cfg_nonsec", port, 1)


def test_doorbells_ring_both_ways(board: Machine, way: str) -> None:
    if way == "qtest":
        open_to_qtest(board)
        name = board.qtest
    else:  # the stub itself does not reach this unit, or drops writes to it; the processor does
        name = f"{board.gdb},step=0x38000000"
    with open_region(f"{name}@0x40003000+0x20") as unit:
        for base in (0, OTHER_SIDE):
            Set.at(unit, base).write(bits=5)
            assert Stat.at(unit, base).read().bits == 5
            Clear.at(unit, base).write(bits=1)
            assert Stat.at(unit, base).read().bits == 4
            Clear.at(unit, base).write(bits=0xF)
            assert Stat.at(unit, base).read() == 0


def test_doorbells_interrupt(board: Machine) -> None:
    open_to_qtest(board)
    name = f"{board.qtest},irq_in=/machine/iotkit/cluster0/armv7m0,line="
    with (
        open_region(f"{name}6@0x40003000+0x20") as first,
        open_region(f"{name}7@0x40004000+0x20") as second,
    ):
        assert first.interrupt is not None
        assert second.interrupt is not None
        Set.at(second).write(bits=2)
        assert second.interrupt.clear() == 1
        assert first.interrupt.clear() == 0
        Clear.at(second).write(bits=2)
        second.interrupt.unmask()
        assert second.interrupt.clear() == 0
