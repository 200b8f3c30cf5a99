"""The openocd region against a server that answers as OpenOCD does, and worse."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Kind, open_region
from mboxio.regions.probes import link
from mboxio.regions.probes.openocd import WORDS_AT_ONCE, OpenOcdRegion
from tests.hardening.support import until
from tests.io.running import FakeOpenOcd, TclError

UNASKED = r"an answer that nothing asked for$"


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[FakeOpenOcd]:
    with FakeOpenOcd(tmp_path) as running:
        yield running


@pytest.fixture
def region(stub: FakeOpenOcd) -> Iterator[OpenOcdRegion]:
    with opened(stub) as region:
        del stub.asked[:]
        yield region


def opened(stub: FakeOpenOcd, more: str = "", size: int = 0x40) -> OpenOcdRegion:
    region = open_region(f"openocd:{stub.path}{more}@0x1000+{size}")
    assert isinstance(region, OpenOcdRegion)
    return region


def test_accesses_are_what_is_asked_for(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    assert region.kind is Kind.REMOTE
    assert region.access_s > 0
    region.write(4, 0x12345678, 4)
    region.write(2, 0xABCD, 2)
    region.write(1, 0xEF, 1)
    assert [region.read(4, 4), region.read(6, 2), region.read(1, 1)] == [0x12345678, 0x1234, 0xEF]
    assert stub.words == {0x1000: 0xABCDEF00, 0x1004: 0x12345678}
    assert stub.asked == [
        "chip.cpu write_memory 0x1004 32 {0x12345678}",
        "chip.cpu write_memory 0x1002 16 {0xabcd}",
        "chip.cpu write_memory 0x1001 8 {0xef}",
        "chip.cpu read_memory 0x1004 32 1",
        "chip.cpu read_memory 0x1006 16 1",
        "chip.cpu read_memory 0x1001 8 1",
    ]


def test_many_words_are_one_command(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    region.write_words(8, [1, 2, 3])
    assert region.read_words(8, 3) == [1, 2, 3]
    region.write_words(0, [])
    assert region.read_words(0, 0) == []
    assert stub.asked == [
        "chip.cpu write_memory 0x1008 32 {0x1 0x2 0x3}",
        "chip.cpu read_memory 0x1008 32 3",
    ]


def test_and_very_many_are_some(stub: FakeOpenOcd) -> None:
    count = 2 * WORDS_AT_ONCE + 1
    with opened(stub, size=4 * count) as region:
        del stub.asked[:]
        region.write_words(0, range(1 << 31, (1 << 31) + count))
        assert region.read_words(0, count) == list(range(1 << 31, (1 << 31) + count))
        assert [each.split("{")[0].split()[1:] for each in stub.asked] == [
            *(["write_memory", f"{0x1000 + 4 * at:#x}", "32"] for at in (0, 1024, 2048)),
            *(["read_memory", "0x1000", "32", "1024"], ["read_memory", "0x2000", "32", "1024"]),
            ["read_memory", "0x3000", "32", "1"],
        ]


def test_no_command_touches_the_processor(stub: FakeOpenOcd) -> None:
    with opened(stub) as region:
        region.read_words(0, 4)
        region.write(0, 1, 4)
        stub.error = "failed"
        with pytest.raises(RemoteError):
            region.read(0, 4)
    verbs = {each.split()[1] for each in stub.asked}
    assert verbs <= {
        *("commands", "names", "cget", "dpreg"),
        *("read_memory", "write_memory", "was_examined", "curstate"),
    }


def test_what_is_no_access_reaches_nobody(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    for wrong in (
        lambda: region.read(2, 4),
        lambda: region.read(0, 3),
        lambda: region.write(0, 256, 1),
        lambda: region.write_words(0, [1 << 32]),
        lambda: region.read_words(2, 1),
    ):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(IndexError):
        region.read_words(0, 17)
    assert stub.asked == []


def test_a_fifo_gives_one_word_for_each_read(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.fifo_at = 0x1000
    stub.fifo.extend([7, 8])
    assert [region.read(0, 4) for _ in range(3)] == [7, 8, 0xF]


def test_opening_touches_no_memory(stub: FakeOpenOcd) -> None:
    with opened(stub):
        assert not [each for each in stub.asked if "_memory 0x" in each]


# -- what OpenOCD says in place of a value


def test_eight_bytes_are_for_openocd_to_do(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    with pytest.raises(RemoteError, match="'read_memory: failed to read memory'"):
        region.read(8, 8)
    stub.value = "0x1122334455667788"
    assert region.read(8, 8) == 0x1122334455667788


@pytest.mark.parametrize(
    "error",
    [
        "failed to read memory",
        "0x1 0x2 failed to read memory",  # newer ones append it to what was read
        "0x5",
        "",
        "0",
        "\x1b[2J{[}$",
        "x" * 5000,
    ],
)
def test_an_access_that_fails_is_an_error_and_the_connection_goes_on(
    stub: FakeOpenOcd, region: OpenOcdRegion, error: str
) -> None:
    stub.error = error or " "
    for access in (lambda: region.read(0, 4), lambda: region.write_words(0, [1, 2])):
        with pytest.raises(RemoteError, match=r"0x1000 32.* failed: '") as caught:
            access()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 700
        assert "takes the target for running" in str(caught.value)
    stub.error = ""
    assert region.read(0, 4) == 0
    assert stub.clients == 1


def test_a_target_that_was_not_examined(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.error, stub.examined = "failed to read memory", False
    with pytest.raises(RemoteError, match="not examined the target: is it connected, and has it"):
        region.read(0, 4)


def test_a_target_that_is_lost_and_comes_back(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.error, stub.state = "failed to read memory", "unknown"
    with pytest.raises(RemoteError, match="takes the target for unknown"):
        region.read(0, 4)
    assert not region.lost
    stub.error, stub.words[0x1000] = "", 5
    assert region.read(0, 4) == 5


def test_an_openocd_that_dies_while_it_explains(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.error = "failed to read memory"
    honest = stub.of_target

    def of_target(words: list[str]) -> str:
        if words == ["was_examined"]:
            stub.hang_up()
        return honest(words)

    stub.of_target = of_target  # type: ignore[method-assign]
    with pytest.raises(RemoteError, match=r"failed: 'read_memory: failed to read memory'$"):
        region.read(0, 4)
    with pytest.raises(RemoteGone):
        region.read(0, 4)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0x1 0x2",
        "5",
        "-0x1",
        "0x",
        "0xg",
        "0X1",
        "0x100000000",
        "0x" + "f" * 17,
        "0x٣",
        "Error",
    ],
)
def test_what_is_no_word_is_an_error(stub: FakeOpenOcd, region: OpenOcdRegion, value: str) -> None:
    stub.value = value
    with pytest.raises(RemoteError, match="gives no 1 numbers of 4 bytes"):
        region.read(0, 4)
    assert not region.lost


@pytest.mark.parametrize(
    "value", ["0x1 0x2", "0x1 0x2 0x3 0x4", "0x1 0x2 what", "0x1 0x2 0x1ffffffff"]
)
def test_words_are_as_many_as_were_asked_for(
    stub: FakeOpenOcd, region: OpenOcdRegion, value: str
) -> None:
    stub.value = value
    with pytest.raises(RemoteError, match="gives no 3 numbers of 4 bytes"):
        region.read_words(0, 3)


def test_a_write_has_no_result(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.value = "0x5"
    with pytest.raises(RemoteError, match=r"'write_memory 0x1000 32' is answered by '0x5'"):
        region.write(0, 5, 4)


# -- answers of other questions, and none


@pytest.mark.parametrize(
    "answer",
    [
        b"\x1a",
        b"0x5\x1a",
        b"0 0 0x5\x1a",
        b"1 0 0x5\x1a",
        b"line too long\n\0\x1a",
        b"99999999 0 0x5\x1a",
    ],
)
def test_an_answer_without_our_number_is_none_of_ours(
    stub: FakeOpenOcd, region: OpenOcdRegion, answer: bytes
) -> None:
    stub.verdict = lambda line: answer  # type: ignore[method-assign]
    with pytest.raises(RemoteGone, match=UNASKED):
        region.read(0, 4)


def test_a_late_answer_ends_the_connection(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.words.update({0x1000: 1, 0x1004: 2})
    stub.twice = True
    assert region.read(0, 4) == 1
    with pytest.raises(RemoteGone, match=UNASKED):
        region.read(4, 4)
    stub.twice = False
    assert region.lost
    region.reopen()
    assert region.read_words(0, 2) == [1, 2]
    assert stub.clients == 2


@pytest.mark.parametrize(
    "idle", [b"\x1a", b"5 0 0x5\x1a", b"5", b"type target_state state halted\r\n\x1a"]
)
def test_it_is_noticed_while_nobody_asks(
    stub: FakeOpenOcd, region: OpenOcdRegion, idle: bytes
) -> None:
    stub.say(idle)
    with pytest.raises(RemoteGone, match=UNASKED):
        region.write(0, 1, 4)
    assert stub.words == {}


def test_numbers_begin_anew(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    region.link.asked = (1 << 16) - 3
    assert [region.read(0, 4) for _ in range(6)] == [0] * 6


@pytest.mark.parametrize("noise", [b"x" * (2 << 20), b"7 " * 20_000])
def test_a_server_that_talks_without_end_is_given_up(
    stub: FakeOpenOcd, region: OpenOcdRegion, noise: bytes
) -> None:
    stub.before = noise
    with pytest.raises(RemoteGone, match="without end"):
        region.read(0, 4)


def test_a_server_that_hangs_is_given_up(
    stub: FakeOpenOcd, region: OpenOcdRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "ANSWER_S", 0.05)
    stub.verdict = lambda line: b""  # type: ignore[method-assign]
    with pytest.raises(RemoteGone, match=r"does not answer within 0\.05 s"):
        region.read(0, 4)


def test_a_server_that_ends(stub: FakeOpenOcd, region: OpenOcdRegion) -> None:
    stub.hang_up()
    with pytest.raises(RemoteGone, match="is gone"):
        region.read(0, 4)
    assert region.lost
    until(lambda: stub.peer is None)
    stub.targets = "chip.cpu chip.other"
    with pytest.raises(AddressError, match="say which target"):
        region.reopen()
    assert region.lost
    stub.targets = "chip.cpu"
    region.reopen()
    assert region.read(0, 4) == 0


# -- which target


def test_one_of_several_targets(stub: FakeOpenOcd) -> None:
    stub.targets = "chip.a chip.b"
    with pytest.raises(AddressError, match="say which target: ,target=NAME; there are: chip"):
        opened(stub)
    with pytest.raises(AddressError, match=r"no target 'chip\.c'; there are: chip\.a chip\.b$"):
        opened(stub, ",target=chip.c")
    with opened(stub, ",target=chip.b") as first, opened(stub, ",target=chip.b") as second:
        del stub.asked[:]
        first.write(0, 1, 4)
        assert stub.asked == ["chip.b write_memory 0x1000 32 {0x1}"]
        assert first.link is second.link
    with opened(stub, ",target=chip.a") as other:
        assert other.place != first.place
        assert other.read(0, 4) == 1
        assert stub.asked[-1] == "chip.a read_memory 0x1000 32 1"


def test_the_only_target_is_the_same_with_its_name(stub: FakeOpenOcd) -> None:
    with opened(stub) as first:
        assert first.place == ("", ("openocd", stub.path, "chip.cpu"), 0x1000)
        first.close()
        with opened(stub, ",target=chip.cpu") as second:
            assert second.place == first.place


@pytest.mark.parametrize(
    "name", ["[exec reboot]", "a;shutdown", "$x", "a b", "{a", "a\\", "", "-x"]
)
def test_a_name_that_would_be_a_command_reaches_nobody(stub: FakeOpenOcd, name: str) -> None:
    with pytest.raises(AddressError, match=r"is no name of a target"):
        opened(stub, f",target={name}")
    assert stub.clients == 0


@pytest.mark.parametrize("name", ["[shutdown]", "$x", "a;b", "\x1b[2J"])
def test_nor_does_one_that_the_server_says(stub: FakeOpenOcd, name: str) -> None:
    stub.targets = name
    with pytest.raises(AddressError, match="is no plain name for a target") as caught:
        opened(stub)
    assert str(caught.value).isprintable()
    assert stub.asked == ["info commands read_memory", "target names"]


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("targets", "", "say which target: ,target=NAME; it has none"),
        ("endian", "big", "chip.cpu is big-endian, not little"),
        ("commands", "", "older than 0.12"),
    ],
)
def test_what_cannot_be_used_is_refused(
    stub: FakeOpenOcd, setting: str, value: str, text: str
) -> None:
    setattr(stub, setting, value)
    with pytest.raises(AddressError, match=text):
        opened(stub)
    until(lambda: stub.peer is None)


@pytest.mark.parametrize("dap", ["", "[shutdown]"])
def test_a_target_without_a_debug_port_of_arm(stub: FakeOpenOcd, dap: str) -> None:
    stub.dap = dap
    with opened(stub) as region:
        assert stub.asked[-1] == "chip.cpu arp_poll"
        assert region.read(0, 4) == 0


def test_a_debug_port_that_is_off_does_not_hinder_opening(stub: FakeOpenOcd) -> None:
    honest = stub.answer

    def answer(command: str) -> str:
        if "dpreg" in command:
            raise TclError("failed")
        return honest(command)

    stub.answer = answer  # type: ignore[method-assign]
    with opened(stub) as region:
        assert region.access_s > 0


def test_the_port_for_people_is_another_one(stub: FakeOpenOcd) -> None:
    stub.verdict = lambda line: b"Open On-Chip Debugger\r\n> "  # type: ignore[method-assign]
    stub.after = b"\x1a"
    with pytest.raises(RemoteGone, match=r"nothing asked for; start OpenOCD; its Tcl port is 6666"):
        opened(stub)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("openocd:localhost:1@0+4", "nobody answers at openocd:localhost:1"),
        ("openocd:localhost@0+4", "neither the path of a socket"),
        ("openocd:localhost:6666", "how large"),
        ("openocd:localhost:6666,halt=yes@0+4", "no option 'halt=yes'; there are: target"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(name: str, text: str) -> None:
    with pytest.raises((AddressError, RemoteGone), match=text):
        open_region(name)


def test_it_listens_on_tcp() -> None:
    with FakeOpenOcd(None) as stub, opened(stub) as region:
        region.write(0, 5, 4)
        assert region.read(0, 4) == 5
