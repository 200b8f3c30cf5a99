"""A program that shows its traffic: readers that come, go, sleep, lie or are other users."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio import AddressError, Connection, connect
from mboxio.capture.event import Event, Kind
from mboxio.capture.pieces import CaptureError
from mboxio.capture.reading import read
from mboxio.recording import live as module
from mboxio.recording import program
from mboxio.recording.live import Live, attach
from mboxio.recording.wanted import Wanted
from mboxio.remote import Remote
from tests.tools import fork

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sockets, of this test alone."""
    folder = tmp_path / "sockets"
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """This program shows its traffic."""
    monkeypatch.setenv("MBOXIO_RECORD", "live")
    monkeypatch.setattr(program, "_found", {})
    made = Live()
    program._found[os.getpid()] = made
    yield made
    made.close()
    made.close()
    its_threads_end()


def its_threads_end() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("mboxio live"):
            thread.join()


class Reader:
    """Somebody who attached."""

    def __init__(self, **wanted: object) -> None:
        (self.link,) = attach(Wanted(**wanted))  # type: ignore[arg-type]
        self.stream = self.link.makefile("rb")
        self.events: Iterator[Event] = iter(read(self.stream))

    def next(self, kind: Kind = Kind.REQUEST) -> Event:
        """Return the next event of a kind."""
        return next(each for each in self.events if each.kind is kind)

    def leave(self) -> None:
        """Read nothing more."""
        self.stream.close()
        self.link.close()


def wait_until_silent(connection: Connection) -> None:
    """Wait until nobody listens."""
    while connection._host.gate.tap is not None:
        connection._host.stats()
    assert connection._host.gate.taps == []


def test_readers_come_and_go(live: Live) -> None:
    with connect("loopback:") as connection:
        client = connection.client(0)
        client.request(b"nobody sees it")
        assert connection._host.gate.tap is None
        one, two = Reader(), Reader(address="loopback:", channels=["0"], snap=2)
        one.next(Kind.LINK)
        two.next(Kind.LINK)
        client.request(b"seen")
        assert one.next().message == b"seen"
        assert two.next().message == b"se"
        one.leave()
        while len(connection._host.gate.taps) == 2:
            connection._host.stats()
        client.request(b"by one")
        assert two.next().message == b"by"
        with connect("loopback:") as later:
            later.client(1).request(b"of a channel that is not wanted")
            later.client(0).request(b"new")
            assert two.next().message == b"ne"
        two.leave()
        wait_until_silent(connection)
        client.request(b"nobody sees it")


def test_a_remote_is_seen_as_well(live: Live) -> None:
    remote = Remote("t")
    remote.handler("echo")(bytes)
    with remote, connect("shm:t?spin_s=0") as connection:
        reader = Reader(address="shm:t")
        connection.client("echo").request(b"both")
        sides = {reader.next().source.side, reader.next().source.side}
        assert sides == {"host", "remote"}
        reader.leave()
        wait_until_silent(connection)
        while remote._taps:
            connection._host.stats()


def test_the_end_of_a_program_ends_the_stream(live: Live, folder: Path) -> None:
    """Its readers have everything until then; nobody waits long for one who does not read."""
    with connect("loopback:") as connection:
        reader, sleeper = Reader(), Reader()
        sleeper.next(Kind.LINK)
        for number in range(3000):  # more than a socket takes
            connection.client(0).request(bytes(1000 + number % 2))
        found: list[Event] = []
        thread = threading.Thread(target=lambda: found.extend(reader.events))
        thread.start()
        live.close()
        thread.join()
    assert len([each for each in found if each.kind is Kind.REPLY]) == 3000
    assert os.listdir(folder) == []
    reader.leave()
    sleeper.leave()


def test_a_reader_that_sleeps_costs_events_and_no_time(live: Live) -> None:
    with connect("loopback:") as connection:
        sleeper = Reader()
        sleeper.next(Kind.LINK)
        (watched,) = live._watched
        while not watched.lost:
            connection.client(0).request(bytes(4096))
        connection.client(0).request(b"as if nothing was")
        sleeper.leave()
        wait_until_silent(connection)


QUESTIONS = {
    "garbage": b"\x00\xff\n",
    "deep": b"[" * 60000 + b"\n",
    "long": b"x" * 70000,
    "none": b"",
    "list": b"[]\n",
    "address": b'{"address": 5}\n',
    "channels": b'{"address": "", "channels": [5]}\n',
    "negative": b'{"address": "", "snap": -1}\n',
    "huge": b'{"address": "", "snap": 99999999999999999999}\n',
    "truth": b'{"address": "", "snap": true}\n',
    "time": b'{"address": "", "offset_ns": -99999999999999999999}\n',
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_whoever_asks_nonsense_gets_nothing(
    live: Live, question: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with connect("loopback:") as connection, socket.socket(socket.AF_UNIX) as link:
        link.connect(live.path)
        try:
            link.sendall(question)
            link.shutdown(socket.SHUT_WR)
            assert link.recv(1) == b""
        except OSError:  # it closed before all was sent
            pass
        reader = Reader()  # who asks well is answered
        reader.next(Kind.LINK)
        reader.leave()
        wait_until_silent(connection)
    assert "somebody asked for a capture" in caplog.text


def test_one_that_says_nothing_and_one_that_is_gone(live: Live) -> None:
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as gone:
        silent.connect(live.path)
        gone.connect(live.path)
        gone.sendall(Wanted().line())
        gone.close()
        reader = Reader()
        reader.leave()
        live.close()
        assert silent.recv(1) == b""


def test_other_users_are_refused(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = module.CREDENTIALS.pack(1, os.geteuid() + 4711, 1)
    asked = threading.Event()

    class Stranger(socket.socket):
        def getsockopt(self, *args: object) -> bytes:  # type: ignore[override]
            asked.set()
            return stranger

    def accept(listener: socket.socket) -> tuple[socket.socket, str]:
        descriptor, address = listener._accept()  # type: ignore[attr-defined]
        return Stranger(fileno=descriptor), address

    monkeypatch.setattr(socket.socket, "accept", accept)
    # The listener sleeps in the accept that it called before.
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(live.path)
        first.shutdown(socket.SHUT_WR)
        assert first.recv(1) == b""
        second.connect(live.path)
        second.shutdown(socket.SHUT_WR)
        assert second.recv(1) == b""
    assert asked.is_set()
    assert "may not see what user" in caplog.text


def test_nobody_shows_it(folder: Path, live: Live) -> None:
    with pytest.raises(CaptureError, match=r"shows shm:none \(1 that can be watched have no"):
        attach(Wanted("shm:none"))
    live.close()
    with pytest.raises(CaptureError, match=r"no running program shows anything \(none can\)"):
        attach(Wanted())
    folder.rmdir()
    with pytest.raises(CaptureError, match="MBOXIO_RECORD=live"):
        attach(Wanted())
    folder.mkdir(0o777)
    folder.chmod(0o777)
    with pytest.raises(AddressError, match="can be used by others"):
        attach(Wanted())


def test_what_killed_programs_left_is_cleared_away(folder: Path) -> None:
    folder.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(folder / "record-1"))
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(folder / f"record-{os.getpid()}"))
    made = Live()  # in the place of a process that had the same number
    try:
        links = attach(Wanted())
        assert len(links) == 1
        links[0].close()
        assert os.listdir(folder) == [f"record-{os.getpid()}"]
        with pytest.raises(CaptureError):
            attach(Wanted(), pid=1)
    finally:
        made.close()


def test_it_listens_before_it_can_be_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is refused at a socket takes its program for dead, and deletes it."""
    rename = os.rename
    reached: list[str] = []

    def reach_and_rename(before: str, after: str) -> None:
        assert not os.path.exists(after)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.connect(before)
        reached.append(after)
        rename(before, after)

    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "rename", reach_and_rename)
    made = Live()
    assert reached == [made.path]
    assert os.listdir(folder) == [os.path.basename(made.path)]
    made.close()
    its_threads_end()


def test_a_child_shows_itself_and_not_its_parent(live: Live, folder: Path) -> None:
    with connect("loopback:") as connection:
        reader = Reader()
        reader.next(Kind.LINK)
        inward, outward = os.pipe()
        pid = fork()
        if pid == 0:
            code = 1
            try:
                with connect("loopback:") as mine:
                    os.read(inward, 1)
                    mine.client(0).request(b"child")
                    program._found[os.getpid()].close()  # type: ignore[union-attr]
                code = 0
            finally:
                os._exit(code)
        while not (folder / f"record-{pid}").exists():
            connection._host.stats()
        child = Reader.__new__(Reader)
        (child.link,) = attach(Wanted(), pid=pid)
        child.stream = child.link.makefile("rb")
        child.events = iter(read(child.stream))
        child.next(Kind.LINK)
        os.write(outward, b"!")
        assert [each.message for each in child.events if each.kind is Kind.REQUEST] == [b"child"]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        connection.client(0).request(b"parent")
        assert reader.next().message == b"parent"
        child.leave()
        reader.leave()
        os.close(inward)
        os.close(outward)


PROGRAM = """
import sys, mboxio
with mboxio.connect("loopback:") as connection:
    client = connection.client(0)
    print(flush=True)
    for line in sys.stdin:
        client.request(line.encode())
"""


@pytest.mark.once
@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_a_program_by_its_environment(end: signal.Signals | None) -> None:
    environment = {**os.environ, "MBOXIO_RECORD": "live"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        reader = Reader()
        reader.next(Kind.LINK)
        process.stdin.write("hello\n")
        process.stdin.flush()
        assert reader.next().message == b"hello\n"
        if end is not None:
            process.send_signal(end)
        process.stdin.close()
        assert list(reader.events)[-1].kind is Kind.REPLY
        reader.leave()
    with pytest.raises(CaptureError):
        attach(Wanted())
