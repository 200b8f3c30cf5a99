"""What was recorded is sent again, and answered again, byte for byte; differences are found."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import Connection, RemoteGone, RequestTimeout
from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.reading import read
from mboxio.protocols.rpi_buffer import FAILURE, Ask, encode
from mboxio.recording.recorder import record
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from mboxio.see.replay import Pace, Player, Rerun, select
from mboxio.see.replay.conversation import conversations
from mboxio.see.replay.wire import correlator_of, untagged
from mboxio.sim.videocore import VideoCore
from tests.rpi.bench import driver

PMIC = Source("shm:t", "pmic")
PATIENCE_S = 20
MS = 1_000_000
AT_ONCE = Pace(gaps=False)


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", os.path.join(parent, "sockets"))
        yield


def pmic(message: bytes) -> bytes | None:
    if message == b"fail":
        raise mboxio.RemoteError("no power", status=5)
    return None if message == b"mute" else message[::-1]


def slot(text: bytes) -> bytes:
    return bytes(4) + text.ljust(12)


def board(name: str) -> Remote:
    remote = Remote(name)
    remote.handler("pmic")(pmic)
    remote.handler("echo", latency_s=0.002, workers=4)(bytes)
    return remote


def firmware(name: str) -> AcpmRemote:
    remote = AcpmRemote(f"peer:{name}")
    remote.channel(lambda message: None)
    remote.channel(
        lambda message: None if b"mute" in message else message[:4] + message[:3:-1],
        latency_s=0.001,
        workers=4,
    )
    return remote


def talk_to_board(connection: Connection, remote: Any) -> None:
    with (
        connection.client("pmic") as client,
        connection.client("echo") as echo,
        client.subscribe() as messages,
    ):
        client.on_request(bytes.upper)
        client.request(b"abc")
        remote.notify("pmic", b"hot")
        messages.get(PATIENCE_S)
        pending = [echo.submit(bytes([number])) for number in range(6)]
        assert [each.result() for each in pending] == [bytes([number]) for number in range(6)]
        assert isinstance(client.submit(b"fail").exception(), mboxio.RemoteError)
        assert isinstance(client.submit(b"mute", timeout_s=0.05).exception(), RequestTimeout)
        client.send(b"one way")
        assert remote.ask_wait("pmic", b"who?", PATIENCE_S) == b"WHO?"
        client.request(b"abc")


def talk_to_firmware(connection: Connection, remote: Any) -> None:
    client = connection.client("1")
    with client.subscribe() as messages:
        pending = [client.submit(slot(bytes([number]))) for number in range(6)]
        assert all(each.exception() is None for each in pending)
        failed = client.submit(slot(b"mute"), timeout_s=0.05)
        assert isinstance(failed.exception(), RequestTimeout)
        remote.notify(1, slot(b"hot"))
        messages.get(PATIENCE_S)
        client.send(slot(b"one way"))
        client.request(slot(b"0"))


def said(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What was said on each channel, without tags and times."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for each in conversations(read(path)):
        correlator = correlator_of(each.source.address)

        def plain(message: bytes | None, correlator: Any = correlator) -> bytes | None:
            return None if message is None else untagged(message, correlator)

        found[each.source.channel] = [
            (one.kind, plain(one.message), one.end, plain(one.reply), one.status)
            for one in each.exchanges
        ]
    return {channel: each for channel, each in found.items() if each}


@pytest.mark.parametrize(
    ("make", "talk", "address"),
    [
        (board, talk_to_board, "shm:{}"),
        (firmware, talk_to_firmware, "acpm:?at=peer:{}"),
    ],
    ids=["shm", "acpm"],
)
def test_a_conversation_comes_back_byte_for_byte(
    make: Callable[[str], Any],
    talk: Callable[[Connection, Any], None],
    address: str,
    tmp_path: Path,
) -> None:
    first, far = tmp_path / "first.pcapng", tmp_path / "far.pcapng"
    again = tmp_path / "again.jsonl"
    with make("t") as remote, record(remote, far):
        with mboxio.connect(address.format("t"), record=first) as connection:
            talk(connection, remote)
        with (
            mboxio.connect(address.format("t")) as connection,
            Rerun(select(first), connection, pace=AT_ONCE) as rerun,
        ):
            assert list(rerun) == []
            assert rerun.same == rerun.sent == rerun.count > 8
    with Player(first, address.format("u")) as player:
        with (
            mboxio.connect(player.address, record=again) as connection,
            Rerun(select(first), connection, grace_s=PATIENCE_S) as rerun,
        ):
            assert list(rerun) == []
            assert (rerun.said, rerun.heard) == (1, 1)
        assert (player.notes, player.unasked()) == ([], [])
    assert said(first) == said(again)
    # The remote knows neither who waits for a reply nor for how long; what it said is the same.
    for channel, each in said(first).items():
        seen = said(far)[channel]
        assert [one for one in each if one[3] is not None and one not in seen] == []


def test_a_videocore_comes_back_byte_for_byte(tmp_path: Path) -> None:
    first, again = tmp_path / "first.pcapng", tmp_path / "again.jsonl"
    asked = [encode([Ask(tag, b"", 8)]) for tag in (0x00001, 0x10003, 0x99999)]

    def connected(stack: ExitStack, core: VideoCore) -> Connection:
        stack.callback(core.close)
        return stack.enter_context(Connection(driver(core), address="bcm2835:"))

    with ExitStack() as stack:
        core = VideoCore()
        core.on_word = lambda word: word
        connection = connected(stack, core)
        with record(connection, first):
            client = connection.client("property")
            pending = [client.submit(each) for each in asked]
            assert all(each.exception() is None for each in pending)
            words = connection.client(3)
            with words.subscribe() as messages:
                assert words.request(b"\x43\x33\x22\x11") == b"\x40\x33\x22\x11"
                core.say(0x77777773)
                messages.get(PATIENCE_S)
        with Rerun(select(first), connection, pace=AT_ONCE) as rerun:
            assert list(rerun) == []
    with ExitStack() as stack:
        player = stack.enter_context(Player(first, pace=AT_ONCE))
        connection = connected(stack, player.videocore())
        with (
            record(connection, again),
            Rerun(select(first), connection, pace=AT_ONCE, grace_s=PATIENCE_S) as rerun,
        ):
            assert list(rerun) == []
        assert player.notes == []
        unknown = connection.client("property").request(encode([Ask(0x30002, b"", 8)]))
        assert int.from_bytes(unknown[4:8], "little") == FAILURE
        assert "was never recorded" in player.notes[0]
    assert said(first) == said(again)


def exchange(
    number: int, message: bytes, reply: bytes | None, status: int = 0, at_ms: int = 0
) -> list[Event]:
    """A request, and its reply or its time-out."""
    at_ns = (at_ms or 10 * number) * MS
    asked = Event(at_ns, Kind.REQUEST, PMIC, number, number, 0, 3, 1, True, message)
    end_ns = at_ns + 5 * MS
    if reply is None:
        end = Event(end_ns, Kind.ENDED, PMIC, number, number, errno.ETIMEDOUT, 7, 1, True, b"slow")
        return [asked, end]
    outcome = 4 if status else 5
    return [asked, Event(end_ns, Kind.REPLY, PMIC, number, number, status, outcome, 1, True, reply)]


def test_each_kind_of_difference_is_found() -> None:
    events = [
        *exchange(1, b"same", b"emas"),
        *exchange(2, b"abcd", b"dxxa"),
        *exchange(3, b"quick", None),
        *exchange(4, b"mute", b"etum"),
        *exchange(5, b"fail", b"no power", status=7),
        *exchange(6, b"fail", b"any words", status=5),
        *exchange(7, b"longer", b"regnol!"),
        *exchange(8, bytes(300), b""),
    ]
    with board("t"), mboxio.connect("shm:t") as connection:
        with Rerun(select(events), connection, pace=AT_ONCE, timeout_s=1) as rerun:
            found = {each.number: each for each in rerun}
        assert (rerun.sent, rerun.same, rerun.different) == (8, 2, 6)
    assert [*found] == [2, 3, 4, 5, 7, 8]
    assert found[2].differing == [1, 2]
    assert str(found[3].recorded) == "timed out: slow"
    assert str(found[3].received) == "a reply of 5 bytes"
    assert found[4].received.end == "timed out"
    assert str(found[5].recorded).startswith("error 7 (E2BIG): no power")
    assert found[5].received.status == 5
    assert found[7].differing == [6]
    assert "300 bytes" in str(found[8].received)


@pytest.mark.once
def test_one_in_flight_is_one(tmp_path: Path) -> None:
    events = [each for number in range(1, 6) for each in exchange(number, b"abc", b"cba", at_ms=1)]
    path = tmp_path / "again.jsonl"
    with board("t"), mboxio.connect("shm:t") as connection:
        with (
            record(connection, path),
            Rerun(select(events), connection, in_flight=1) as rerun,
        ):
            assert list(rerun) == []
        with pytest.raises(ValueError, match="in_flight=0"):
            Rerun(select(events), connection, in_flight=0)
    kinds = [each.kind for each in read(path) if each.kind in (Kind.REQUEST, Kind.REPLY)]
    assert kinds == [Kind.REQUEST, Kind.REPLY] * 5


@pytest.mark.once
def test_a_message_that_a_channel_cannot_carry_is_a_difference() -> None:
    with firmware("t"), mboxio.connect("acpm:?at=peer:t") as connection:
        selection = select([*exchange(1, b"abc", b"cba"), *exchange(2, bytes(99), b"")])
        with Rerun(selection, connection, channels={"pmic": "1"}, pace=AT_ONCE) as rerun:
            found = [str(each.received) for each in rerun]
    assert "the tag needs a message of 4 bytes" in found[0]
    assert "99" in found[1]


@pytest.mark.once
def test_a_remote_that_dies_ends_the_replay() -> None:
    events = [*exchange(1, b"abc", b"cba"), *exchange(2, b"mute", b""), *exchange(3, b"x", b"x")]
    with board("t") as remote, mboxio.connect("shm:t") as connection:

        def check() -> None:
            if remote.stats().requests == 2:  # the second one is under way
                remote.stop()

        with Rerun(
            select(events), connection, pace=AT_ONCE, timeout_s=PATIENCE_S, check=check
        ) as rerun:
            found = list(rerun)
    assert [each.received.end for each in found] == ["failed", "failed"]
    assert (rerun.sent, rerun.count) == (2, 3)
    assert "gone" in rerun.stopped


# -- as the remote


@pytest.mark.once
def test_what_was_not_recorded_is_refused() -> None:
    told: list[str] = []
    events = [*exchange(1, b"abc", b"one"), *exchange(2, b"abc", b"two"), *exchange(3, b"x", b"y")]
    with (
        Player(events, "shm:t", pace=AT_ONCE, told=told.append) as player,
        mboxio.open("shm:t/pmic") as client,
    ):
        # By its bytes, then in order, and then the last again.
        assert [client.request(b"abc") for _ in range(3)] == [b"one", b"two", b"two"]
        with pytest.raises(mboxio.RemoteError, match="was never recorded: 6e 6f") as caught:
            client.request(b"no")
        assert caught.value.status == errno.ENODATA
        assert player.unasked() == [("pmic", b"x")]
        assert (player.answered, player.refused) == (3, 1)
    assert told == player.notes == ["channel pmic: a message of 2 bytes was never recorded: 6e 6f"]


@pytest.mark.once
def test_answers_take_as_long_as_they_took() -> None:
    late = [*exchange(3, b"late", None), Event(50 * MS, Kind.LATE, PMIC, 3, 3, message=b"now")]
    unknown = exchange(4, b"lost", b"")[:1]
    events = [*exchange(1, b"a", b"A"), *exchange(2, b"mute", None), *late, *unknown]
    kept, fast, none = (Player(events, pace=pace) for pace in (Pace(), Pace(5), AT_ONCE))
    assert [each.answer("pmic", b"a").after_ns for each in (kept, fast, none)] == [5 * MS, MS, 0]
    assert kept.answer("pmic", b"mute").reply is None
    answer = kept.answer("pmic", b"late")
    assert (answer.reply, answer.after_ns) == (b"now", 20 * MS)
    assert none.answer("pmic", b"late").reply is None  # it came after its host had given up
    assert not kept.answer("pmic", b"lost").known
    assert kept.notes[0].startswith("channel pmic: a message of 4 bytes has no end in the rec")


@pytest.mark.once
def test_what_the_remote_said_has_its_place() -> None:
    def hint(at_ms: int, message: bytes) -> Event:
        return Event(at_ms * MS, Kind.NOTIFICATION, PMIC, message=message)

    events = [
        hint(1, b"first"),
        *exchange(1, b"a", b"A"),
        hint(12, b"before its reply"),
        hint(16, b"after it"),
        Event(17 * MS, Kind.REMOTE_REQUEST, PMIC, tag=9, message=b"who?"),
        Event(18 * MS, Kind.ANSWER, PMIC, 50, 9, 0, 5, 1, message=b"me"),
        *exchange(2, b"b", b"B"),
    ]
    events.sort(key=lambda each: each.time_ns)
    with (
        Player(events, "shm:t", pace=AT_ONCE, settle_s=60) as player,
        mboxio.open("shm:t/pmic") as client,
        client.subscribe() as messages,
    ):
        client.on_request(lambda message: b"you")
        assert client.request(b"a") == b"A"
        assert [messages.get(0), messages.get(0)] == [b"first", b"before its reply"]
        assert client.request(b"b") == b"B"
        assert messages.get(PATIENCE_S) == b"after it"
        while not player.notes:
            client.request(b"b")
    assert player.notes == ["channel pmic: the host answered 79 6f 75, recorded was 6d 65"]


@pytest.mark.once
def test_a_death_and_a_late_reply_are_played() -> None:
    late = exchange(1, b"late", None)
    late.append(Event(30 * MS, Kind.LATE, PMIC, 1, 1, message=b"at last"))
    dies = exchange(2, b"die", None, at_ms=40)[:1]
    dies += [
        Event(41 * MS, Kind.LINK, PMIC, message=b"killed"),
        Event(41 * MS, Kind.ENDED, PMIC, 2, 2, errno.EPIPE, 6, 1, True, b"gone"),
        Event(42 * MS, Kind.LINK, PMIC, status=2, outcome=1),
    ]
    events = [*late, *dies, *exchange(3, b"on", b"no", at_ms=50)]
    with (
        Player(events, "shm:t") as player,
        mboxio.open("shm:t/pmic", timeout_s=PATIENCE_S, queue_timeout_s=PATIENCE_S) as client,
    ):
        assert client.request(b"late") == b"at last"  # a host that waits longer gets it
        with pytest.raises(RemoteGone):
            client.request(b"die")
        assert client.request(b"on") == b"no"
    assert player.notes == []
