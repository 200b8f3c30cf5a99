"""Where the control block is, and what is none."""

from pathlib import Path

import pytest

from mboxio import AddressError, RemoteGone
from mboxio.controllers.rtt.finding import find
from mboxio.controllers.rtt.layout import ID
from mboxio.controllers.rtt.options import RttOptions
from tests.io.elf_files import Symbol, elf_file
from tests.rtt.target import ADDRESS, Target, region_of

each_kind = pytest.mark.parametrize("kind", ["normal", "words"])


@each_kind
def test_it_is_searched_for_and_false_marks_are_passed_over(kind: str) -> None:
    target = Target((64,), (64,), names=["shell"], base=1012)
    target.memory[2000:2016] = ID  # a literal
    found = find(region_of(target, kind), RttOptions(address=ADDRESS))
    assert found.block.base == 1012
    assert found.names == {0: "shell"}


@each_kind
def test_two_blocks_are_not_guessed_between(kind: str) -> None:
    target = Target()
    target.memory[0x800:0x848] = target.memory[target.base : target.base + 72]
    with pytest.raises(AddressError, match="2 control blocks, at offsets 0x40, 0x800"):
        find(region_of(target, kind), RttOptions(address=ADDRESS))


def test_the_symbol_says_where(tmp_path: Path) -> None:
    target = Target()
    path = tmp_path / "fw.elf"
    path.write_bytes(elf_file([Symbol("_SEGGER_RTT", ADDRESS + target.base)]))
    options = RttOptions(address=ADDRESS, elf=str(path))
    assert find(region_of(target, "words"), options).block.base == target.base
    path.write_bytes(elf_file([Symbol("_SEGGER_RTT", 0x1000)]))
    with pytest.raises(AddressError, match="is at 0x1000, and the memory is 0x20000000 to"):
        find(region_of(target, "words"), options)


@pytest.mark.parametrize(
    ("entry", "at", "value", "says"),
    [
        (0, 4, ADDRESS - 4, "would be 64 bytes"),
        (0, 8, 1 << 30, "would be"),
        (0, 8, 1, "would be 1 bytes"),
        (1, 12, 64, "offsets 64 and 0"),
        (1, 16, 64, "offsets 0 and 64"),
        (0, 20, 1 << 24, "flags"),
        (1, 4, ADDRESS + 0x40, "overlap"),
    ],
)
def test_what_is_no_block(entry: int, at: int, value: int, says: str) -> None:
    target = Target()
    target.set_word(entry, at, value)
    for options in (RttOptions(address=ADDRESS), RttOptions(address=ADDRESS, base=target.base)):
        with pytest.raises(RemoteGone, match=says) as caught:
            find(region_of(target, "words"), options)
        assert caught.value.not_yet


@pytest.mark.parametrize(("at", "value"), [(16, 0xFFFF_FFFF), (20, 65), (0, 0)])
def test_a_damaged_head(at: int, value: int) -> None:
    target = Target()
    target.memory[target.base + at : target.base + at + 4] = value.to_bytes(4, "little")
    with pytest.raises(RemoteGone):
        find(region_of(target, "words"), RttOptions(address=ADDRESS))


@pytest.mark.parametrize(
    "options",
    [
        {"replies": "order"},
        {"replies": "tag:0:2", "framing": "line"},
        {"framing": "end:xy"},
        {"base": 2},
        {"depth": 0},
        {"message_bytes": 0},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"="):
        RttOptions(**options)  # type: ignore[arg-type]
