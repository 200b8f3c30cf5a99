"""Accesses by single steps, against a stub with a processor that does what it is told."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteError
from mboxio.io import Region, open_region
from tests.io.stubs import FakeGdb

SCRATCH = 0x2000_0000
BEHIND = 0x4000_3000
AFTER_RESET = {0: 0x11, 1: 0x22, 15: 0x1000, 25: 0x0100_0000}


class Processor(FakeGdb):
    """A halted Cortex-M: only it reaches what lies at 0x40003000, and 0 cannot be reached."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.registers = dict(AFTER_RESET)
        self.inside: dict[int, int] = {}
        self.words[SCRATCH] = 0xABCD

    def answer(self, question: str) -> bytes:
        if found := re.fullmatch(r"p([0-9a-f]+)", question):
            return self.registers[int(found[1], 16)].to_bytes(4, "little").hex().encode()
        if found := re.fullmatch(r"P([0-9a-f]+)=([0-9a-f]{8})", question):
            value = int.from_bytes(bytes.fromhex(found[2]), "little")
            self.registers[int(found[1], 16)] = value
            return b"OK"
        if question == "vCont;s":
            self.step()
            return b"T05thread:01;"
        return super().answer(question)

    def step(self) -> None:
        pc, address = self.registers[15], self.registers[0]
        assert self.registers[25] == 1 << 24
        if address == 0:
            self.registers[15] = 0xEFFFFFFE
            return
        code = self.words[pc & ~3] >> 8 * (pc & 2) & 0xFFFF
        if code == 0x6001:
            self.inside[address] = self.registers[1]
        else:
            assert code == 0x6801
            self.registers[1] = self.inside.get(address, 0)
        self.registers[15] = pc + 2


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Processor]:
    with Processor(tmp_path) as running:
        yield running


def opened(stub: FakeGdb, address: int = BEHIND) -> Region:
    return open_region(f"gdb:{stub.path},step={SCRATCH:#x}@{address:#x}+0x10")


def test_the_processor_makes_the_accesses_and_is_left_as_it_was(stub: Processor) -> None:
    with opened(stub) as region, opened(stub) as other:
        assert region.access_s > 0
        region.write(4, 0x12345678, 4)
        other.write_words(8, [5, 6])
        other.close()
        assert region.read_words(4, 3) == [0x12345678, 5, 6]
        assert stub.inside == {BEHIND + 4: 0x12345678, BEHIND + 8: 5, BEHIND + 12: 6}
        with pytest.raises(IndexError):
            region.read(16, 4)
    assert stub.registers == AFTER_RESET
    assert stub.words[SCRATCH] == 0xABCD


def test_a_fault_is_noticed(stub: Processor) -> None:
    with opened(stub, 0) as region, pytest.raises(RemoteError, match="a fault"):
        region.read(0, 4)


def test_a_processor_of_another_kind_is_noticed(stub: Processor) -> None:
    stub.registers[0] = 1 << 31
    stub.answer = lambda question: (  # type: ignore[method-assign]
        bytes(16) if question.startswith("p") else FakeGdb.answer(stub, question)
    )
    with pytest.raises(RemoteError, match="of a Cortex-M reads"):
        opened(stub)


def test_scratch_memory_is_a_word(stub: Processor) -> None:
    for wrong in ("0x1002", "here"):
        with pytest.raises(AddressError):
            open_region(f"gdb:{stub.path},step={wrong}@0+4")
