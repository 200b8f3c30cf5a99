"""Finding a pattern: every aligned place of it, in any memory, with each word read once."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.errors import RemoteGone
from mboxio.regions import Kind, Memory, Region
from mboxio.regions.finding.searching import places
from mboxio.sim.words_only import WordsOnly

ID = b"SEGGER RTT".ljust(16, b"\0")
BOTH = pytest.mark.parametrize("normal", [True, False], ids=["normal", "words"])


class Counted(WordsOnly):
    """Counts how often each word is read, and how often anything is."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes, Kind.REMOTE)
        self.reads = [0] * (size_bytes // 4)
        self.accesses = 0

    def read_words(self, offset: int, count: int) -> list[int]:
        self.accesses += 1
        for index in range(offset // 4, offset // 4 + count):
            self.reads[index] += 1
        return super().read_words(offset, count)


def words(data: bytes | bytearray) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data) // 4 * 4, 4)]


def region_of(data: bytes | bytearray, normal: bool) -> Region:
    if normal:
        return Memory(bytearray(data))
    region = WordsOnly(len(data) // 4 * 4, Kind.REMOTE)
    region.write_words(0, words(data))
    return region


def aligned(data: bytes, pattern: bytes, step: int) -> list[int]:
    data = data[: len(data) // 4 * 4]
    return [at for at in range(0, len(data), step) if data[at : at + len(pattern)] == pattern]


@given(
    # Few different bytes, so that patterns overlap themselves, each other, and the blocks' edges.
    data=st.lists(st.sampled_from(b"\0\0\0A"), max_size=200).map(bytes),
    pattern=st.integers(1, 5).flatmap(
        lambda count: st.lists(st.sampled_from(b"\0\0\0A"), min_size=4 * count, max_size=4 * count)
    ),
    step=st.sampled_from([4, 8, 12, 16]),
    block=st.sampled_from([4, 8, 16, 20, 64, 1024]),
    normal=st.booleans(),
)
def test_each_place_is_found(
    data: bytes, pattern: Sequence[int], step: int, block: int, normal: bool
) -> None:
    wanted = bytes(pattern)
    found = list(places(region_of(data, normal), wanted, step=step, block_bytes=block))
    assert found == aligned(data, wanted, step)


@BOTH
@pytest.mark.parametrize("at", range(1004, 1028, 4))
def test_across_the_edge_of_a_block(at: int, normal: bool) -> None:
    data = bytearray(2048)
    data[at : at + 16] = ID
    assert list(places(region_of(data, normal), ID)) == [at]


@BOTH
def test_what_is_not_aligned_is_no_place(normal: bool) -> None:
    data = bytearray(64)
    data[6:22] = ID
    assert not list(places(region_of(data, normal), ID))


@BOTH
def test_the_last_bytes_are_no_word(normal: bool) -> None:
    data = bytes(4) + ID[:15]
    assert not list(places(region_of(data, normal), ID))
    assert not list(places(region_of(b"", True), ID))


def test_each_word_is_read_once() -> None:
    region = Counted(4100)
    assert not list(places(region, ID))
    assert region.reads == [1] * 1025
    assert region.accesses == 5


def test_who_has_found_it_reads_no_further() -> None:
    region = Counted(1 << 16)
    region.write_words(2000, words(ID))
    assert next(places(region, ID)) == 2000
    assert region.accesses == 2
    assert sum(region.reads) == 512


@BOTH
def test_memory_that_changes_meanwhile(normal: bool) -> None:
    """Who goes on is shown what is there by then."""
    region = region_of(bytes(4096), normal)
    region.write_words(0, words(ID))
    found = places(region, ID)
    assert next(found) == 0
    region.write_words(2048, words(ID))
    assert next(found) == 2048


def test_normal_memory_can_be_closed_between_two_places() -> None:
    data = bytearray(ID + ID)
    region = Memory(data)
    found = places(region, ID)
    assert next(found) == 0
    region.close()
    data.clear()  # a BufferError if anything still looked at it
    with pytest.raises(ValueError, match="released"):
        next(found)


def test_what_an_access_raises_comes_out() -> None:
    class Broken(WordsOnly):
        def read_words(self, offset: int, count: int) -> list[int]:
            raise RemoteGone("the probe is gone")

    with pytest.raises(RemoteGone):
        list(places(Broken(64), ID))


@pytest.mark.parametrize(
    "arguments",
    [
        {"pattern": b""},
        {"pattern": b"12345"},
        {"step": 2},
        {"step": 0},
        {"block_bytes": 0},
        {"block_bytes": 6},
    ],
    ids=str,
)
def test_arguments_are_words_and_checked_at_once(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        places(Memory(bytearray(8)), **{"pattern": ID, **arguments})  # type: ignore[arg-type]
