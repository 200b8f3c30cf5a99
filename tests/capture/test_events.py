"""What a recording says of each thing that can happen to a message, on either side, to many."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mboxio import Connection, RemoteError, connect
from mboxio.capture.event import Kind
from mboxio.capture.reading import read
from mboxio.recording.recorder import record
from mboxio.remote import Remote
from mboxio.testing.tracer import Tracer
from tests.capture.expected import SCENES, TAGGED
from tests.capture.scenes import Scene, late, remote_asks, told
from tests.race.manual import Manual


@pytest.mark.usefixtures("locks_checked")
@pytest.mark.parametrize(
    ("act", "settings", "expected"), SCENES, ids=[each[0].__name__ for each in SCENES]
)
def test_what_is_told(
    act: Callable[[Scene], object],
    settings: dict[str, Any],
    expected: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert Scene(tmp_path / "x.pcapng", **settings).told(act) == expected
    assert not [each for each in caplog.records if "ZeroDivision" not in str(each.exc_info)]


def test_each_kind_is_told_somewhere() -> None:
    kinds = {line.split()[0].strip(":,") for _, _, lines in SCENES for line in lines}
    assert kinds == {each.name for each in Kind} - {"LOST"}  # see test_ring.py


def tags_of(path: Path) -> list[tuple[Kind, int | None]]:
    """Return the tags of a recording."""
    with read(path) as capture:
        return [(each.kind, each.tag) for each in capture if each.kind is not Kind.LINK]


def test_late_replies_have_the_tag_of_their_request(tmp_path: Path) -> None:
    """Also where the hardware's handles have more bits than a tag."""
    path = tmp_path / "x.pcapng"
    scene = Scene(path)
    scene.driver.queue.window.next_seq = (1 << 34) + 5
    scene.told(late)
    (asked, tag), *rest = tags_of(path)
    assert asked is Kind.REQUEST
    assert tag is not None
    assert (Kind.LATE, tag) in rest
    assert [each for kind, each in rest if kind in (Kind.ENDED, Kind.FREED)] == [tag, tag]
    scene = Scene(path, **TAGGED)
    with scene.connection, record(scene.connection, path):
        scene.client.submit(b"\0\0\0\0")
    assert {each for _, each in tags_of(path)} == {scene.driver.sent[0][2][3]}
    Scene(path).told(remote_asks)
    assert tags_of(path) == [
        (kind, tag) for tag in (3, 4) for kind in (Kind.REMOTE_REQUEST, Kind.ANSWER, Kind.TX_DONE)
    ]


def test_a_channel_that_has_the_number_of_another_as_its_name(tmp_path: Path) -> None:
    class Misleading(Manual):
        def open(self) -> None:
            self.queue = self.add_queue(self.capabilities)
            self.channels = [self.add_channel(name, self.queue) for name in ("1", "0")]

    path = tmp_path / "x.pcapng"
    with Connection(Misleading()) as connection, record(connection, path):
        connection.client("0").post(b"to the second")
    with read(path) as capture:
        sources = [each.source for each in capture if each.kind is Kind.MESSAGE]
    assert [(each.channel, each.number) for each in sources] == [("0", 1)]


def broken(message: bytes) -> bytes:
    """Fail to answer."""
    raise ZeroDivisionError("boom")


def ordinary(connection: Connection) -> None:
    """Do what programs do, one after the other and many at once."""
    client = connection.client("echo", timeout_s=20)
    for number in range(20):
        assert client.request(bytes([number])) == bytes([number])
    many = [client.submit(b"many" + bytes([number])) for number in range(20)]
    assert [each.result()[-1] for each in many] == list(range(20))
    assert list(client.map([b"a", b"", bytes(60)] * 10)) == [b"a", b"", bytes(60)] * 10
    with suppress(RemoteError):
        connection.client("bad", timeout_s=20).request(b"ask")


def by_request(path: Path) -> list[list[str]]:
    """Return what is told of each request, in the order of their births.

    Without what depends on who was faster: whether a slot was seen to be free before the reply.
    """
    with read(path) as capture:
        events = [each for each in capture if each.kind is not Kind.TX_DONE]
    assert capture.warnings == []
    numbers = sorted({each.number for each in events if each.number})
    lives = [told([each for each in events if each.number == number]) for number in numbers]
    return [
        [line.replace("awaiting reply", "sent").partition(", status")[0] for line in life]
        for life in lives
    ]


def test_the_short_way_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled requests over rings take a way of their own, which is not to be seen."""
    remote = Remote("t")
    remote.handler("echo")(bytes)
    remote.handler("bad")(broken)
    ways = []
    with remote:
        for way in "01":
            monkeypatch.setenv("MBOXIO_SHORTCUT", way)
            path = tmp_path / f"{way}.pcapng"
            with connect("shm:t", record=path) as connection:
                ordinary(connection)
            ways.append(by_request(path))
    assert ways[0] == ways[1]
    *answered, failed = ways[1]
    assert [[line.split()[0] for line in each] for each in answered] == [["REQUEST", "REPLY"]] * 70
    assert [line.split()[0] for line in failed] == ["REQUEST", "REPLY", "ENDED", "FREED"]


def test_the_remote_s_side(tmp_path: Path) -> None:
    """It tells what came and what left, by the tags by which the host's side knows it."""
    remote = Remote("t")
    remote.handler("echo")(bytes)
    remote.handler("bad")(broken)
    host, far = tmp_path / "host.pcapng", tmp_path / "far.pcapng"
    with record(remote, far), remote, connect("shm:t", record=host) as connection:
        client = connection.client("echo", timeout_s=20)
        assert client.request(b"ask") == b"ask"
        client.send(b"one way")
        client.on_request(lambda message: b"answer")
        assert remote.ask_wait("echo", b"question", 20) == b"answer"
        subscription = client.subscribe()
        assert remote.notify("echo", bytearray(b"note")) == 1  # type: ignore[arg-type]
        assert subscription.get() == b"note"
        with pytest.raises(RemoteError):
            connection.client("bad", timeout_s=20).request(b"boom")
    with read(far) as capture:
        events = list(capture)
    assert {str(each.source) for each in events} == {"shm:t/echo", "shm:t/bad"}
    assert {(each.source.side, each.number) for each in events} == {("remote", 0)}
    assert [each.partition(", ZeroDivision")[0] for each in told(events)] == [
        "REQUEST, 'ask'",
        "REPLY, 'ask'",
        "MESSAGE, 'one way'",
        "REMOTE_REQUEST, 'question'",
        "ANSWER, 'answer'",
        "NOTIFICATION, 'note'",
        "REQUEST, 'boom'",
        "REPLY, \"ZeroDivisionError('boom')\", status 5",
    ]
    assert all(each.expects_reply == (each.kind is Kind.REQUEST) for each in events)
    crossed = {Kind.REQUEST, Kind.REPLY, Kind.REMOTE_REQUEST, Kind.ANSWER}
    with read(host) as capture:
        tags = sorted(
            (each.kind, each.tag or 0, each.message) for each in capture if each.kind in crossed
        )
    assert tags == sorted(
        (each.kind, each.tag or 0, each.message) for each in events if each.kind in crossed
    )


def test_listeners_come_and_go_while_others_are_busy(tmp_path: Path) -> None:
    """From its first event to its last one, each is told everything once, and leaves nothing."""
    remote = Remote("t")
    remote.handler("echo")(bytes)
    stop = threading.Event()
    rounds = 12

    def ask(connection: Connection, name: bytes) -> None:
        client = connection.client("echo", timeout_s=20)
        number = 0
        while not stop.is_set():
            client.request(name + number.to_bytes(4, "big"))
            number += 1

    with remote, connect("shm:t") as connection:
        gate = connection._host.gate
        threads = [threading.Thread(target=ask, args=(connection, name)) for name in (b"a", b"b")]
        for each in threads:
            each.start()
        try:
            for number in range(rounds):
                path = tmp_path / f"{number}.pcapng"
                with record(connection, path) as outer:
                    with record(connection, tmp_path / "inner.pcapng") as inner:
                        while inner.events < 20:
                            connection._host.stats()
                    assert len(gate.taps) == 1
                assert outer.events >= inner.events
                assert gate.tap is None
        finally:
            stop.set()
            for each in threads:
                each.join()
    for number in range(rounds):
        with read(tmp_path / f"{number}.pcapng") as capture:
            events = list(capture)
        assert capture.warnings == []
        assert [each.kind for each in events].count(Kind.LINK) == 1
        for name in (b"a", b"b"):
            for kind in (Kind.REQUEST, Kind.REPLY):
                counted = [
                    int.from_bytes(each.message[1:], "big")
                    for each in events
                    if each.kind is kind and each.message[:1] == name
                ]
                assert counted == list(range(counted[0], counted[0] + len(counted)))


def test_a_listener_that_raises_disturbs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(point: str, request: object) -> None:
        raise ZeroDivisionError(point)

    class Disturbed(Scene):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self.connection._host.add_tap(Tracer(raises))

    assert Disturbed(tmp_path / "x.pcapng").told(late) == Scene(tmp_path / "x.pcapng").told(late)
    assert "the tracer raised at 'request.sent'" in caplog.text
