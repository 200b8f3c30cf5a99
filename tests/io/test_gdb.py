"""The gdb region against a stub with the traps that real ones have."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Kind, Region, open_region
from tests.io.stubs import FakeGdb, framed


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[FakeGdb]:
    with FakeGdb(tmp_path) as running:
        yield running


def opened(stub: FakeGdb, more: str = "") -> Region:
    return open_region(f"gdb:{stub.path}{more}@0x1000+0x40")


def test_accesses_are_words_whatever_is_asked_for(stub: FakeGdb) -> None:
    with opened(stub) as region:
        assert region.kind is Kind.REMOTE
        assert region.access_s > 0
        del stub.asked[:]
        region.write(4, 0x12345678, 4)
        region.write_words(8, [1, 2])
        assert region.read_words(4, 3) == [0x12345678, 1, 2]
        assert stub.asked == [
            "M1004,4:78563412",
            "M1008,4:01000000",
            "M100c,4:02000000",
            "m1004,4",
            "m1008,4",
            "m100c,4",
        ]


@pytest.mark.parametrize("width", [1, 2, 8])
def test_other_widths_are_refused_before_they_are_lost(stub: FakeGdb, width: int) -> None:
    with opened(stub) as region:
        del stub.asked[:]
        with pytest.raises(ValueError, match=f"accesses of 4 bytes, not of {width}"):
            region.read(0, width)
        with pytest.raises(ValueError, match="accesses of 4 bytes"):
            region.write(0, 0, width)
        assert stub.asked == []


def test_a_fifo_gives_one_word_for_each_read(stub: FakeGdb) -> None:
    stub.fifo_at = 0x1000
    stub.fifo.extend([7, 8])
    with opened(stub) as region:
        assert [region.read(0, 4) for _ in range(3)] == [7, 8, 0xF]


def test_physical_addresses_are_chosen_where_writes_would_be_dropped(stub: FakeGdb) -> None:
    with opened(stub) as region:
        region.write(0, 5, 4)
        assert stub.words == {0x1000: 5}
        assert "Qqemu.PhyMemMode:1" in stub.asked


def test_a_stub_that_offers_the_mode_and_stays_in_the_other_is_refused(stub: FakeGdb) -> None:
    stub.physical_works = False
    with pytest.raises(AddressError, match="might be dropped"):
        opened(stub)


def test_a_stub_without_that_mode_is_believed(stub: FakeGdb) -> None:
    stub.physical_offered = stub.drops_writes = False
    with opened(stub) as region:
        region.write(0, 5, 4)
        assert region.read(0, 4) == 5


def test_dropped_writes_are_found_when_asked_for(stub: FakeGdb) -> None:
    stub.physical_offered = False
    with opened(stub, ",verify=yes") as region:
        with pytest.raises(RemoteError, match="0x5 was written to offset 0x0 and 0x0 is there"):
            region.write(0, 5, 4)
        with pytest.raises(RemoteError, match="to offset 0xc and 0x0 is there"):
            region.write_words(8, (0, 1))
        stub.drops_writes = False
        region.write(0, 5, 4)
        region.write_words(8, (0, 1))
        assert stub.words == {0x1000: 5, 0x1008: 0, 0x100C: 1}


def test_acknowledgements_are_left_out_where_the_stub_agrees(stub: FakeGdb) -> None:
    with opened(stub) as region:
        assert region.link.acks is False  # type: ignore[attr-defined]


def no_acks(stub: FakeGdb) -> None:
    stub.no_ack = False


def damaged_answers(stub: FakeGdb) -> None:
    stub.no_ack, stub.garble = False, 2


def damaged_questions(stub: FakeGdb) -> None:
    stub.no_ack, stub.refuse = False, 2


def console_output(stub: FakeGdb) -> None:
    stub.chatter = framed(b"O48690a") + framed(b"T05thread:01;")


def run_lengths(stub: FakeGdb) -> None:
    stub.run_length = True


@pytest.mark.parametrize(
    "habit", [no_acks, damaged_answers, damaged_questions, console_output, run_lengths]
)
def test_stubs_have_habits(stub: FakeGdb, habit: Callable[[FakeGdb], None]) -> None:
    habit(stub)
    stub.words[0x1008] = 0x0000_12F0
    with opened(stub) as region:
        region.write(4, 0xCAFE, 4)
        assert region.read_words(0, 3) == [0, 0xCAFE, 0x12F0]


@pytest.mark.parametrize(
    ("error", "text"),
    [(b"E01", "'E01'"), (b"", "does not know how"), (b"0000", "'0000'"), (b"E.no", "'E.no'")],
)
def test_a_refused_access_is_an_error_and_the_connection_goes_on(
    stub: FakeGdb, error: bytes, text: str
) -> None:
    with opened(stub) as region:
        stub.error = error
        if error:
            with pytest.raises(RemoteError, match=text):
                region.read(0, 4)
            with pytest.raises(RemoteError, match=text):
                region.write(0, 1, 4)
        stub.error = b""
        stub.words[0x1000] = 3
        assert region.read(0, 4) == 3


def test_a_stub_that_cannot_access_memory_says_so(stub: FakeGdb) -> None:
    with opened(stub) as region:
        stub.answer = lambda question: b""  # type: ignore[method-assign]
        with pytest.raises(RemoteError, match="it does not know how"):
            region.read(0, 4)


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("garble", 99, "garbles packets"),
        ("chatter", b"x" * (2 << 20), "without end"),
    ],
)
def test_a_stub_that_talks_nonsense_is_given_up(
    stub: FakeGdb, setting: str, value: object, text: str
) -> None:
    with opened(stub) as region:
        setattr(stub, setting, value)
        with pytest.raises(RemoteGone, match=text):
            region.read(0, 4)
        with pytest.raises(RemoteGone, match=text):
            region.write(0, 1, 4)


def test_a_stub_that_dies_is_noticed(stub: FakeGdb) -> None:
    with opened(stub) as region:
        stub.hang_up()
        with pytest.raises(RemoteGone, match="is gone"):
            region.read(0, 4)


def test_regions_share_one_connection(stub: FakeGdb) -> None:
    with opened(stub) as first, opened(stub) as second:
        first.write(0, 1, 4)
        assert second.read(0, 4) == 1
        assert stub.clients == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gdb:localhost:1@0+4", "nobody answers at gdb:localhost:1"),
        ("gdb:localhost@0+4", "neither the path of a socket"),
        ("gdb::x@0+4", "neither the path of a socket"),
        ("gdb:localhost:99999@0+4", "a port is 1 to 65535"),
        ("gdb:localhost:1234", "how large"),
        ("gdb:localhost:1234,verify=perhaps@0+4", "verify is yes or no"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(name: str, text: str) -> None:
    with pytest.raises((AddressError, RemoteGone), match=text):
        open_region(name)


def test_stubs_mostly_listen_on_tcp() -> None:
    with FakeGdb(None) as stub, opened(stub) as region:
        region.write(0, 5, 4)
        assert region.read(0, 4) == 5
    assert stub.path.startswith("127.0.0.1:")
