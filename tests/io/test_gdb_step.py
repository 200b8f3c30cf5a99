"""Accesses by single steps, against a stub with a processor that does what it is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteError
from mboxio.regions import Region, open_region
from mboxio.regions.probes.gdb import Gdb
from tests.io.stubs import FakeGdb

STEP = ",step=0x80000000"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[FakeGdb]:
    with FakeGdb(tmp_path) as running:
        yield running


def opened(stub: FakeGdb, more: str = STEP) -> Region:
    return open_region(f"gdb:{stub.path}{more}@0x1000+0x40")


@pytest.fixture(params=["arm-m-profile.xml", "aarch64-core.xml"])
def stepped(request, stub: FakeGdb) -> FakeGdb:
    stub.processor = request.param
    stub.physical_offered = False
    return stub


def test_a_processor_reaches_what_its_stub_drops(stepped: FakeGdb) -> None:
    stepped.fifo_at = 0x1010
    stepped.fifo.extend([7, 8])
    with opened(stepped) as region:
        region.write(4, 0xCAFE_F00D, 4)
        region.write_words(8, [1, 2])
        assert region.read_words(4, 3) == [0xCAFE_F00D, 1, 2]
        assert [region.read(0x10, 4) for _ in range(3)] == [7, 8, 0xF]
        assert region.access_s > region.link.access_s  # type: ignore[attr-defined]


def test_a_processor_is_left_as_it_was(stepped: FakeGdb) -> None:
    before = dict(stepped.registers)
    stepped.words[0x8000_0000] = 0x1234_5678
    with opened(stepped) as region:
        region.write(4, 5, 4)
        assert stepped.words[0x8000_0000] != 0x1234_5678
    assert stepped.words[0x8000_0000] == 0x1234_5678
    assert stepped.registers == before


def test_a_fault_is_an_error_and_the_next_access_works(stepped: FakeGdb) -> None:
    with open_region(f"gdb:{stepped.path}{STEP}@0xefffffc0+0x80") as region:
        with pytest.raises(RemoteError, match="cannot access 0xf0000000: it went on at 0xdead"):
            region.read(0x40, 4)
        with pytest.raises(RemoteError, match="as after a fault"):
            region.write(0x40, 1, 4)
        region.write(0, 1, 4)
        assert region.read(0, 4) == 1


def test_a_stub_may_know_the_plain_step_only(stepped: FakeGdb) -> None:
    stepped.steps = b""
    with opened(stepped) as region:
        region.write(4, 5, 4)
        assert region.read(4, 4) == 5
        assert "s" in stepped.asked


def test_regions_of_one_connection_agree_on_the_way(stepped: FakeGdb) -> None:
    with opened(stepped):
        with opened(stepped) as second:
            assert second.read(0, 4) == 0
        with pytest.raises(AddressError, match="in one way"):
            opened(stepped, "")
        with pytest.raises(AddressError, match="in one way"):
            opened(stepped, ",step=0x80000010")


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("processor", "z80.xml", "as none of those that are known here: m-profile, aarch64"),
        ("memory_at", 0x9000_0000, "no memory that the processor can execute"),
        ("error", b"E22", "is no memory: b'E22'"),
    ],
)
def test_a_processor_that_cannot_says_why(
    stub: FakeGdb, setting: str, value: object, text: str
) -> None:
    setattr(stub, setting, value)
    with pytest.raises(AddressError, match=text):
        opened(stub)


def test_a_stub_that_does_not_tell_registers_says_so(stub: FakeGdb) -> None:
    answer = stub.answer
    stub.answer = lambda question: b"" if question[0] == "p" else answer(question)  # type: ignore[method-assign]
    with pytest.raises(AddressError, match="does not tell register 0"):
        opened(stub)


def test_the_way_may_change_when_the_last_region_is_closed(stub: FakeGdb) -> None:
    link = Gdb.share(stub.path)
    try:
        with opened(stub, "") as region:
            region.write(0, 1, 4)
            assert stub.physical
        with opened(stub) as region:
            assert not stub.physical
            region.write(0, 2, 4)  # type: ignore[unreachable]
            assert region.read(0, 4) == 2
        with opened(stub, "") as region:
            assert stub.physical
            assert region.read(0, 4) == 2
    finally:
        link.release()


def test_a_processor_whose_stub_dies_is_let_go(stub: FakeGdb) -> None:
    with opened(stub) as region:
        stub.hang_up()
    with opened(stub) as region:
        assert region.read(0, 4) == 0


@pytest.mark.parametrize("wrong", ["0x1002", "here"])
def test_the_scratch_memory_is_a_word(stub: FakeGdb, wrong: str) -> None:
    with pytest.raises(AddressError):
        open_region(f"gdb:{stub.path},step={wrong}@0+4")
