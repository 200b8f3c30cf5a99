"""Regions: bounds, alignment, and what each kind refuses."""

import mmap

import pytest

from mboxio.regions import Kind, Memory, Region
from mboxio.sim.words_only import WordsOnly

REGIONS = [Memory(bytearray(64)), Memory(mmap.mmap(-1, 64)), WordsOnly(64)]
each_region = pytest.mark.parametrize("region", REGIONS, ids=repr)


@each_region
def test_words(region: Region) -> None:
    region.write_words(8, (1, 0xFFFFFFFF, 3))
    assert region.read_words(8, 3) == [1, 0xFFFFFFFF, 3]
    assert region.read(12, 4) == 0xFFFFFFFF
    region.write(60, 5, 4)
    assert region.read_words(60, 1) == [5]
    assert region.read_words(64, 0) == []


@each_region
def test_bounds_and_alignment(region: Region) -> None:
    for offset in (-4, 64, 1 << 40):
        with pytest.raises(IndexError, match="outside a region of 64 bytes"):
            region.read(offset, 4)
        with pytest.raises(IndexError):
            region.write(offset, 0, 4)
        with pytest.raises(IndexError):
            region.read_words(offset, 1)
        with pytest.raises(IndexError):
            region.write_words(offset, [0])
    with pytest.raises(IndexError):
        region.read_words(60, 2)
    with pytest.raises(IndexError):
        region.read_words(0, -1)
    for call in (lambda: region.read(2, 4), lambda: region.read_words(2, 1)):
        with pytest.raises(ValueError, match="offset 2 is not a multiple of 4"):
            call()
    with pytest.raises(ValueError, match="not a multiple of 4"):
        region.write_words(2, [0])
    with pytest.raises(ValueError, match=r"32-bit|format"):
        region.write(0, 1 << 32, 4)


def test_memory_is_little_endian() -> None:
    region = Memory(bytearray(range(16)))
    assert [region.read(8, width) for width in (1, 2, 4, 8)] == [
        0x08,
        0x0908,
        0x0B0A0908,
        0x0F0E0D0C0B0A0908,
    ]
    with pytest.raises(ValueError, match="the width is 1, 2, 4 or 8 bytes, not 3"):
        region.read(0, 3)


def test_blocks() -> None:
    region = Memory(bytearray(16))
    region.write_block(3, memoryview(b"abc"))
    assert region.read_block(2, 5) == b"\0abc\0"
    with pytest.raises(IndexError):
        region.write_block(14, b"abc")
    with pytest.raises(IndexError):
        region.read_block(0, 17)
    assert region.kind is Kind.NORMAL
    assert region.buffer()[3:6] == b"abc"  # type: ignore[comparison-overlap]


def test_memory_must_be_writable() -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        Memory(memoryview(b"abcd"))


def test_device_memory_takes_words_only() -> None:
    region = WordsOnly(16)
    assert region.kind is Kind.DEVICE
    assert region.buffer() is None
    for call in (lambda: region.read(0, 1), lambda: region.write(0, 0, 8)):
        with pytest.raises(ValueError, match="bus error"):
            call()
    for refused in (lambda: region.read_block(0, 4), lambda: region.write_block(0, b"abcd")):
        with pytest.raises(TypeError, match="device"):
            refused()
    with pytest.raises(ValueError, match="number of words"):
        WordsOnly(7)
