"""A recording while things go wrong: killed, full, blocked, forked, rotated, closed anyhow."""

import errno
import gc
import os
import select
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mboxio import Connection, WrongMessage, connect, open
from mboxio.capture.event import Event, Kind
from mboxio.capture.output import Output
from mboxio.capture.reading import CaptureError, read
from mboxio.capture.writing import register
from mboxio.controllers.loopback import Loopback
from mboxio.recording import program
from mboxio.recording.recorder import Recorder, record
from tests.race.manual import Manual
from tests.tools import fork

PATIENCE_S = 30


def ask(connection: Connection, count: int, size: int = 4) -> None:
    """Have requests answered."""
    client = connection.client(0, timeout_s=PATIENCE_S)
    for number in range(count):
        client.request(number.to_bytes(size, "big"))


def read_all(path: Path) -> list[Event]:
    """Return the events of a file in which nothing is wrong."""
    with read(path) as capture:
        events = list(capture)
    assert capture.warnings == []
    return events


def read_whole(path: Path) -> list[Event]:
    """Return the events of a file that is being written, or whose writer was killed meanwhile."""
    with read(path) as capture:
        events = list(capture)
    assert all("cut short" in each for each in capture.warnings)
    return events


def asked(events: list[Event]) -> list[int]:
    """Return the messages of the requests."""
    return [int.from_bytes(each.message, "big") for each in events if each.kind is Kind.REQUEST]


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_connection_is_recorded_until_it_is_closed(
    tmp_path: Path, suffix: str, inside: bool
) -> None:
    path = tmp_path / f"x{suffix}"
    connection = connect("loopback:", record=path)
    with connection:
        ask(connection, 3)
        if inside:
            connection.close()
    assert asked(read_all(path)) == [0, 1, 2]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open("loopback:", record=path) as client:
        client.request(b"\x09")
    assert asked(read_all(path)) == [9]


def test_a_block_within_a_connection_and_around_it(tmp_path: Path) -> None:
    path, other = tmp_path / "x.pcapng", tmp_path / "y.pcapng"
    with connect("loopback:") as connection:
        with record(connection, path, snap=1):
            ask(connection, 2)
        ask(connection, 1)
        with record(connection.client(0), other):
            connection.close()
    events = read_all(path)
    assert [each.length for each in events if each.kind is Kind.REPLY] == [4, 4]
    assert all(each.is_cut for each in events if each.message)
    assert [each.kind for each in read_all(other)] == [Kind.LINK] * 4


def test_what_a_driver_refuses_is_told(tmp_path: Path) -> None:
    """Also at a connection that was made without an address."""

    class Picky(Manual):
        def check(self, channel: object, message: bytes) -> None:
            raise WrongMessage("no odd ones")

    path = tmp_path / "x.pcapng"
    with Connection(Picky(), record=path) as connection, pytest.raises(WrongMessage):
        connection.client(0).submit(b"1")
    (refused,) = [each for each in read_all(path) if each.kind is Kind.REFUSED]
    assert b"no odd ones" in refused.message


@pytest.mark.parametrize("bad", ["x.txt", "nowhere/x.pcapng", "folder.pcapng"])
def test_a_recording_that_cannot_be_leaves_no_connection(tmp_path: Path, bad: str) -> None:
    (tmp_path / "folder.pcapng").mkdir()
    with pytest.raises((CaptureError, OSError)):
        connect("loopback:", record=tmp_path / bad)
    with pytest.raises((CaptureError, OSError)):
        open("loopback:", record=tmp_path / bad)
    assert not (tmp_path / "x.txt").exists()


@pytest.mark.parametrize("settings", [{"snap": -1}, {"rotate_bytes": 0}, {"ring_bytes": 0}])
def test_numbers_that_cannot_be(tmp_path: Path, settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="0"):
        Recorder(tmp_path / "x.pcapng", **settings)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_many_connections_and_channels_in_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    with (
        Recorder(path, channels=["1"]) as recorder,
        connect("loopback:?channels=2", record=recorder) as one,
        connect("loopback:?channels=2", record=recorder) as other,
    ):
        for number, connection in enumerate((one, other, one)):
            connection.client(1).request(bytes([number]))
            connection.client(0).request(b"not this one")
    events = read_all(path)
    assert asked(events) == [0, 1, 2]
    assert {each.source.channel for each in events} == {"1"}
    assert recorder.close()


KILLED = """
import sys, os, mboxio
with mboxio.connect("loopback:", record=sys.argv[1]) as connection:
    client = connection.client(0)
    for number in range(200):
        client.request(number.to_bytes(4, "big"))
    print("done", flush=True)
    sys.stdin.readline()
    while True:
        client.request(b"more")
"""


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
def test_a_process_that_is_killed_loses_no_more_than_its_last_batch(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        while len(asked(read_whole(path))) < 200:  # nobody flushes: it is written by itself
            assert process.poll() is None
        process.stdin.write(b"\n")
        process.stdin.flush()
        size = path.stat().st_size
        while path.stat().st_size < size + 100_000:
            assert process.poll() is None
        process.kill()
    events = read_whole(path)
    assert asked(events)[:200] == list(range(200))
    assert all(each.lost == 0 for each in events)


def test_a_full_disk_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full(Output):
        """Has room for the head."""

        def write(self, data: bytes | memoryview) -> None:
            if self.written:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write(data)

    with connect("loopback:") as connection:
        output = Full(os.open(tmp_path / "x.pcapng", os.O_WRONLY | os.O_CREAT), "x.pcapng")
        with record(connection, output) as recorder:
            while recorder.error is None:
                ask(connection, 10)
            ask(connection, 100)
    assert isinstance(recorder.error, OSError)
    assert recorder.error.errno == errno.ENOSPC
    assert [each.message for each in caplog.records] == [
        f"recording stopped after {caplog.records[0].args[0]} events: "  # type: ignore[index]
        "[Errno 28] No space left on device"
    ]
    with pytest.raises(OSError, match="No space"):
        connect("loopback:", record=full_device(tmp_path))


def full_device(folder: Path) -> Path:
    """Return the path of a recording that finds no room from the first byte on."""
    path = folder / "full.pcapng"
    path.symlink_to("/dev/full")
    return path


def test_a_reader_that_goes_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    inward, outward = os.pipe()
    with (
        connect("loopback:") as connection,
        record(connection, Output(outward, "a pipe")) as recorder,
    ):
        os.close(inward)
        while recorder.error is None:
            ask(connection, 10)
        ask(connection, 10)
    assert isinstance(recorder.error, BrokenPipeError)
    assert caplog.records == []


def test_what_cannot_be_written_in_time_is_counted() -> None:
    """A reader that sleeps costs events, and no time of the traffic; each is there or counted."""
    inward, outward = os.pipe()
    found: list[Event] = []
    count = 0
    with (
        Recorder(Output(outward, "a pipe"), ring_bytes=8192) as recorder,
    ):
        with connect("loopback:", record=recorder) as connection:
            client = connection.client(0)
            while not recorder.lost or select.select([], [outward], [], 0)[1]:
                client.request(count.to_bytes(4, "big"))
                count += 1
            for _ in range(500):  # more than the ring takes, while the pipe takes nothing
                client.request(count.to_bytes(4, "big"))
                count += 1
        assert not recorder.close(0)

        def drain() -> None:
            with os.fdopen(inward, "rb") as stream:
                found.extend(read(stream))

        thread = threading.Thread(target=drain)
        thread.start()
        assert recorder.close()
        thread.join()
    assert len([each for each in found if each.kind is not Kind.LOST]) == recorder.events - (
        found[-1].kind is Kind.LOST
    )
    assert sum(each.lost for each in found) == recorder.lost
    numbers = asked(found)
    assert numbers == sorted(set(numbers))
    told = [each for each in found if each.kind is not Kind.LOST]
    assert len(told) + recorder.lost == 3 * count + 4  # with TX done, and the links


@pytest.mark.parametrize("suffix", [".pcapng", ".jsonl"])
def test_each_file_of_a_rotated_recording_can_be_read_by_itself(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    with (
        Recorder(path, rotate_bytes=4000) as recorder,
        connect("loopback:?channels=2", record=recorder) as connection,
    ):
        for number in range(200):
            connection.client(number % 2).request(number.to_bytes(40, "big"))
            if number % 20 == 0:
                written = recorder.events
                while recorder._ring.waiting and recorder.events == written:
                    pass
    names = [f"x{suffix}", *(f"x.{n}{suffix}" for n in range(1, len(os.listdir(tmp_path))))]
    assert sorted(names) == sorted(os.listdir(tmp_path))
    assert len(names) > 3
    numbers: list[int] = []
    for name in names:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        events = read_all(tmp_path / name)
        assert events
        assert all(each.source.address == "loopback:?channels=2" for each in events)
        assert all(int(each.source.channel) == each.source.number for each in events)
        numbers += asked(events)
    assert numbers == list(range(200))


def test_a_further_file_that_cannot_be_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "x.1.pcapng").mkdir()
    with (
        Recorder(tmp_path / "x.pcapng", rotate_bytes=500) as recorder,
        connect("loopback:", record=recorder) as connection,
    ):
        while recorder.error is None:
            ask(connection, 10)
        ask(connection, 10)
    assert "recording stopped after" in caplog.text


def test_a_recording_keeps_no_connection_alive(tmp_path: Path) -> None:
    """Who forgets a connection is told so, recorded or not."""
    with Recorder(tmp_path / "x.pcapng") as recorder:
        connection = Connection(Loopback())
        connection._host.add_tap(recorder.tap_for(connection._host))
        ask(connection, 1)
        del connection
        with pytest.warns(ResourceWarning, match="unclosed connection"):
            gc.collect()
    assert asked(read_all(tmp_path / "x.pcapng")) == [0]


def in_child(act: Callable[[], object]) -> int:
    """Act in a forked child; return its exit code."""
    pid = fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_leaves_the_recording_alone(tmp_path: Path) -> None:
    inward, outward = os.pipe()
    path = tmp_path / "x.jsonl"
    with (
        Recorder(path) as recorder,
        Recorder(Output(outward, "a pipe")) as piped,
        connect("loopback:", record=recorder) as connection,
    ):
        connection._host.add_tap(piped.tap_for(connection._host))
        ask(connection, 5)

        def act() -> None:
            with connect("loopback:", record=recorder) as mine:
                ask(mine, 7)
            connection.close()
            recorder.close()
            with pytest.raises(OSError, match="Bad file"):
                os.fstat(outward)  # else its reader would wait for the child

        assert in_child(act) == 0
        ask(connection, 3)
    assert asked(read_all(path)) == [0, 1, 2, 3, 4, 0, 1, 2]
    os.close(inward)


BY_ENVIRONMENT = """
import os, sys, mboxio
from multiprocessing import get_context
def work(number):
    with mboxio.open("loopback:") as client:
        client.request(bytes([number]))
work(1)
pid = os.fork()
if not pid:
    work(2)
    sys.exit()
os.waitpid(pid, 0)
process = get_context("fork").Process(target=work, args=(3,))
process.start()
process.join()
work(4)
"""


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "expected", "said"),
    [
        ("%p.pcapng", {(1, 4), (2,), (3,)}, 0),
        ("x.pcapng", {(1, 4)}, 2),
        ("x.txt", set(), 3),
        ("nowhere/x.jsonl", set(), 3),
    ],
)
def test_what_the_environment_says(
    tmp_path: Path, name: str, expected: set[tuple[int, ...]], said: int
) -> None:
    """Each process has a file of its own, or none; and none fails for want of it."""
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BY_ENVIRONMENT],
        env={**os.environ, "MBOXIO_RECORD": str(tmp_path / name)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert {tuple(asked(read_all(each))) for each in tmp_path.iterdir()} == expected
    assert found.stderr.count("this program is not recorded") == said
    assert ("write %p into the name" in found.stderr) == (name == "x.pcapng")


@pytest.mark.once
def test_streams_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO waits for its reader, who gets it all; a symbolic link is not followed."""
    fifo = tmp_path / "x"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", BY_ENVIRONMENT.split("pid = ")[0]],
        env={**os.environ, "MBOXIO_RECORD": str(fifo)},
        stderr=subprocess.PIPE,
    ) as process:
        assert asked(read_all(fifo)) == [1]
        assert process.stderr is not None
        assert process.stderr.read() == b""
    link = tmp_path / "x.pcapng"
    link.symlink_to(tmp_path / "y.pcapng")
    with pytest.raises(CaptureError, match="is a symbolic link: name the file itself"):
        program._make(str(link))
    assert not (tmp_path / "y.pcapng").exists()


def test_a_signal_while_it_closes(tmp_path: Path) -> None:
    """Ctrl-C in the middle of closing is raised, and the recording is closed nevertheless."""

    def act() -> None:
        with Recorder(tmp_path / "x.pcapng") as recorder:
            with connect("loopback:", record=recorder) as connection:
                ask(connection, 3)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        act()
    assert asked(read_all(tmp_path / "x.pcapng")) == [0, 1, 2]


def test_a_format_of_another_package_that_raises(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def __init__(self, output: Output) -> None:
            self.output = output

        def write(self, event: Event, comment: str = "") -> None:
            raise OSError(errno.EIO, "I/O error")

        def close(self) -> None:
            self.output.close()

    register(".broken", lambda output, snap: Broken(output))
    with connect("loopback:", record=tmp_path / "x.broken") as connection:
        ask(connection, 1)
    assert "recording stopped after 7 events: [Errno 5] I/O error" in caplog.text
