"""Registers with named fields, on a region that takes whole words only."""

import enum

import pytest

from mboxio.errors import RemoteError
from mboxio.regions import Memory
from mboxio.regions.registers import Bit, Field, Register, Setting
from mboxio.sim.words_only import WordsOnly


class Mode(enum.IntEnum):
    OFF = 0
    SLOW = 1
    FAST = 2


class Status(Register, offset=0x18):
    full = Bit(31)
    empty = Bit(30)
    mode = Field(8, 2, Mode)
    level = Field(0, 8)


class Config(Setting, offset=0x1C):
    data_irq = Bit(0)
    space_irq = Bit(1)


class Wide(Register, offset=0x10, width=8):
    top = Field(56, 8)


class Recorder(WordsOnly):
    """Counts the accesses."""

    def __init__(self) -> None:
        super().__init__(0x40)
        self.accesses: list[tuple[str, int]] = []

    def read_words(self, offset, count):
        self.accesses.append(("read", offset))
        return super().read_words(offset, count)

    def write_words(self, offset, words):
        self.accesses.append(("write", offset))
        super().write_words(offset, words)


def test_a_value_is_read_in_one_access_whatever_fields_are_asked() -> None:
    region = Recorder()
    region.write_words(0x18, [0x4000_0205])
    region.accesses.clear()
    status = Status.at(region).read()
    assert (status.full, status.empty, status.mode, status.level) == (False, True, Mode.FAST, 5)
    assert status.full is False
    assert region.accesses == [("read", 0x18)]


def test_a_write_names_fields_and_the_rest_is_zero() -> None:
    region = Recorder()
    Config.at(region).write(0x80, space_irq=True)
    assert region.accesses == [("write", 0x1C)]
    assert region.read(0x1C, 4) == 0x82
    Config.at(region).write()
    assert region.read(0x1C, 4) == 0


def test_modify_reads_once_and_writes_once() -> None:
    region = Recorder()
    config = Config.at(region)
    config.write(0xF00, data_irq=True)
    region.accesses.clear()
    assert config.modify(data_irq=False, space_irq=True) == 0xF02
    assert region.accesses == [("read", 0x1C), ("write", 0x1C)]
    assert region.read(0x1C, 4) == 0xF02


def test_only_a_setting_can_be_modified() -> None:
    assert not hasattr(Status.at(Recorder()), "modify")


def test_a_block_may_lie_anywhere_in_the_region() -> None:
    region = Recorder()
    Status.at(region, 0x20).write(level=3)
    assert region.accesses == [("write", 0x38)]


def test_registers_may_be_wider_than_a_word() -> None:
    region = Memory(bytearray(0x20))
    wide = Wide.at(region)
    wide.write(top=0xAB)
    assert region.read(0x10, 8) == 0xAB << 56
    assert wide.read().top == 0xAB


def test_a_layout_without_offset_serves_several_registers() -> None:
    class Level(Register):
        level = Field(0, 4)

    class First(Level, offset=0):
        pass

    class Second(Level, offset=4):
        full = Bit(31)

    region = Recorder()
    First.at(region).write(level=1)
    Second.at(region).write(level=2, full=True)
    assert region.read_words(0, 2) == [1, 0x8000_0002]
    with pytest.raises(TypeError, match="without offset"):
        Level.at(region)


def test_values_compare_as_numbers_and_show_their_fields() -> None:
    assert Status(0x105) == 0x105
    assert Status(level=5).replace(full=True) == 0x8000_0005
    assert repr(Config(1)) == "<Config 0x00000001 data_irq=True space_irq=False>"
    assert "Status at 0x18" in repr(Status.at(Recorder()))


def test_what_does_not_fit_is_refused_before_any_access() -> None:
    region = Recorder()
    status = Status.at(region)
    with pytest.raises(ValueError, match="level=256 does not fit into 8 bits"):
        status.write(level=256)
    with pytest.raises(ValueError, match="does not fit into the 4 bytes of Status"):
        status.write(1 << 32)
    with pytest.raises(TypeError, match="no field 'fulll'; there are: full, empty, mode, level"):
        status.write(fulll=True)
    assert region.accesses == []


def test_a_pattern_without_a_meaning_is_the_remotes_error() -> None:
    status = Status(0x300)
    with pytest.raises(RemoteError, match=r"Status\.mode reads 3, which is no Mode"):
        _ = status.mode


def test_a_register_outside_of_the_region_is_found_when_it_is_bound() -> None:
    with pytest.raises(IndexError):
        Status.at(WordsOnly(0x18))
    with pytest.raises(ValueError, match="multiple of 4"):
        Status.at(WordsOnly(0x40), 2)


def test_fields_may_not_overlap_or_leave_the_register() -> None:
    with pytest.raises(ValueError, match=r"Bad\.b overlaps"):

        class Bad(Register, offset=0):
            a = Field(0, 4)
            b = Bit(3)

    with pytest.raises(ValueError, match=r"Tall\.a overlaps"):

        class Tall(Register, offset=0):
            a = Bit(32)

    with pytest.raises(ValueError, match="width"):

        class Odd(Register, offset=0, width=3):
            pass

    with pytest.raises(ValueError, match="at least one bit"):
        Field(0, 0)


def test_a_field_is_itself_on_the_class() -> None:
    assert Status.full.mask == 0x8000_0000
    assert Status.level.low == 0
