"""``mboxio monitor``: its sources, and what it prints."""

import json
import os
import select
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.reading import read
from mboxio.capture.writing import open_writer
from mboxio.cli.app import app
from mboxio.cli.see import monitor as command
from mboxio.see.monitor.feed import Feed
from mboxio.see.monitor.model import Model
from mboxio.see.monitor.sources import Stream

pytestmark = pytest.mark.once

PATIENCE_S = 30
PMIC = Source("shm:demo", "pmic", depth=4)
EVENTS = [
    Event(1_000, Kind.LINK, PMIC, outcome=1, status=1),
    Event(2_000, Kind.REQUEST, PMIC, 1, 7, 0, 3, 1, True, b"ask"),
    Event(5_000, Kind.REPLY, PMIC, 1, 7, 0, 5, 1, True, b"\x1b[2J"),
    Event(6_000, Kind.REQUEST, PMIC, 2, 8, 0, 3, 1, True, b"again"),
    Event(2_006_000, Kind.NOTIFICATION, PMIC, message=b"hot", lost=3),
]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "a.pcapng"
    writer = open_writer(path)
    for each in EVENTS:
        writer.write(each)
    writer.close()
    return path


@pytest.fixture
def pipe() -> Iterator[tuple[Stream, int]]:
    """A stream, and the end to write to."""
    reading, writing = os.pipe()
    with Stream(open(reading, "rb", buffering=0), "a pipe") as stream:
        yield stream, writing


def invoke(*args: object) -> Result:
    return CliRunner().invoke(app, ["monitor", *map(str, args)], catch_exceptions=False)


def fed_by(stream: Stream) -> Feed:
    feed = Feed(lambda: read(stream.bytes), Model(10**10), live=True, wake=stream.wake)
    feed.start()
    return feed


# -- the thread


def test_a_producer_that_dies_within_an_event(pipe: tuple[Stream, int], capture: Path) -> None:
    stream, writing = pipe
    feed = fed_by(stream)
    data = capture.read_bytes()
    os.write(writing, data[:-5])
    assert not feed.ended.is_set()
    os.close(writing)
    assert feed.ended.wait(PATIENCE_S)
    feed.stop()
    assert feed.failure == ""
    assert "cut short" in feed.warnings[0]
    assert feed.model.events == len(EVENTS) - 1


def test_garbage_is_a_failure_and_nothing_more(pipe: tuple[Stream, int]) -> None:
    stream, writing = pipe
    feed = fed_by(stream)
    os.write(writing, b"GET / HTTP/1.1\r\n\x1b[2J")
    os.close(writing)
    assert feed.ended.wait(PATIENCE_S)
    feed.stop()
    assert "no capture" in feed.failure
    assert feed.failure.isprintable()


def test_it_stops_while_a_silent_producer_lives(pipe: tuple[Stream, int]) -> None:
    stream, writing = pipe
    feed = fed_by(stream)
    feed.stop()
    assert not [each for each in threading.enumerate() if each.name == "mboxio-monitor"]
    os.close(writing)


def test_time_goes_on_while_a_live_source_is_silent() -> None:
    """Else a request would never look stuck."""
    more = threading.Event()

    def events() -> Iterator[Event]:
        yield from EVENTS
        more.wait(PATIENCE_S)

    feed = Feed(events, Model(), live=True, wake=more.set)
    feed.start()
    while feed.model.events < len(EVENTS):
        feed.flush()
    with feed.lock:
        earlier_ns = feed.now_ns()
        assert earlier_ns >= EVENTS[-1].time_ns
        while feed.now_ns() == earlier_ns:
            pass
    feed.stop()
    assert feed.now_ns() == EVENTS[-1].time_ns


def test_playing_can_be_paused_and_stopped() -> None:
    hour_ns = 3600 * 10**9
    events = [Event(n * hour_ns, Kind.DOORBELL, PMIC) for n in range(3)]
    feed = Feed(lambda: events, Model(), speed=1e6)
    feed.start()
    assert feed.ended.wait(PATIENCE_S)  # two hours in some milliseconds
    assert feed.model.events == 3
    feed.stop()
    feed = Feed(lambda: events, Model(), speed=1.0)
    feed.start()
    while not feed.model.events:
        feed.flush()
    feed.pause(True)
    with feed.lock:
        assert feed.now_ns() == feed.now_ns() < hour_ns
    feed.stop()
    assert feed.model.events == 1


# -- the command


def test_a_table(capture: Path) -> None:
    result = invoke(capture)
    assert (result.exit_code, result.stderr) == (0, "")
    header, pmic, _, *stuck = result.stdout.splitlines()
    assert header.split()[:4] == ["channel", "link", "oldest", "slots"]
    assert pmic.split()[:6] == ["shm:demo/pmic", "up", "1", "2.00", "ms", "TX"]
    assert stuck[1].startswith("  shm:demo/pmic #2: to TX done for 2.00 ms: handed over")
    assert stuck[1].endswith("events were lost since then, so this may be wrong")


def test_json(capture: Path) -> None:
    result = invoke(capture, "--json")
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert (found["ended"], found["warnings"], found["events_lost"]) == (True, [], 3)
    (channel,) = found["channels"]
    assert (channel["done"], channel["slots_used"], channel["depth"]) == (1, 1, 4)
    assert channel["latency"]["p50_ns"] == pytest.approx(3000, rel=1 / 32)
    (waiting,) = channel["not_over"]
    assert (waiting["number"], waiting["stage"]) == (2, "to TX done")
    assert channel["over"][0]["received"] == b"\x1b[2J".hex()


def test_a_capture_that_plays(capture: Path) -> None:
    result = invoke(capture, "--speed", 1000, "--json")
    last = json.loads(result.stdout.splitlines()[-1])
    assert (last["ended"], last["events"]) == (True, len(EVENTS))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nothing.pcapng"], "nothing.pcapng: No such file or directory"),
        (["."], ".: Is a directory"),
        (["a.pcapng", "--speed", "0"], "'0' is not a speed"),
        (["a.pcapng", "--speed", "nan"], "'nan' is not a speed"),
        (["a.pcapng", "--speed", "1", "--follow"], "--speed plays a FILE that is complete"),
    ],
)
def test_what_is_wrong_is_one_line(
    args: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x1b]0;title\x07")
    result = invoke(path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is no capture" in result.stderr
    assert result.stderr.count("\n") == 1
    path.write_bytes(b"")
    result = invoke(path)
    assert (result.exit_code, result.stdout) == (0, "no event\n")
    assert "empty" in result.stderr


def test_a_file_that_grows_is_followed_for_a_while(capture: Path) -> None:
    result = invoke(capture, "--follow", "--json", "--for", "0.2")
    last = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, last["ended"], last["events"]) == (0, False, len(EVENTS))


def test_a_command_is_run_and_watched() -> None:
    program = """if True:
        import mboxio
        with mboxio.open("loopback:") as client:
            for n in range(3):
                client.request(b"hello")
        print("said")
        raise SystemExit(3)
    """
    args = ["monitor", "--once", "--json", "--", sys.executable, "-c", program]
    result = subprocess.run(
        [sys.executable, "-m", "mboxio", *args], capture_output=True, timeout=PATIENCE_S
    )
    assert (result.returncode, result.stderr) == (3, b"said\n")
    found = json.loads(result.stdout)
    done = {each["address"]: each["done"] for each in found["channels"] if each["done"]}
    assert (done, found["ended"]) == ({"loopback:": 3}, True)


def test_running_programs_are_watched_at_an_address() -> None:
    """Until they end; and what runs with a command ends with the monitor."""
    program = """if True:
        import mboxio, sys
        with mboxio.open("loopback:x") as client:
            print("here", flush=True)
            while sys.stdin.readline():
                client.request(b"hello")
                print("done", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "MBOXIO_RECORD": "live"},
    ) as watched:
        assert watched.stdin is not None
        assert watched.stdout is not None
        watched.stdout.readline()
        with subprocess.Popen(
            [sys.executable, "-m", "mboxio", "monitor", "loopback:x", "--json"],
            stdout=subprocess.PIPE,
        ) as monitor:
            assert monitor.stdout is not None
            assert json.loads(monitor.stdout.readline())["source"] == "loopback:x"
            watched.stdin.write(b"\n")
            watched.stdin.close()
            last = json.loads(monitor.stdout.readlines()[-1])
    assert (last["ended"], sum(each["done"] for each in last["channels"])) == (True, 1)
    assert monitor.returncode == 0


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--", "no-such-program"], 127, "no-such-program: there is no such program"),
        (["loopback:x"], 1, "no running program shows loopback:x"),
        ([], 2, "Give a FILE"),
        (["a", "--", "true"], 2, "Give a FILE"),
    ],
)
def test_what_cannot_be_watched(args: list[str], code: int, said: str) -> None:
    result = invoke(*args)
    assert result.exit_code == code
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_its_screen_needs_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mboxio.see.monitor.screen", raising=False)
    monkeypatch.setitem(sys.modules, "textual.app", None)
    monkeypatch.setitem(sys.modules, "textual", None)
    with pytest.raises(click.UsageError, match=r"needs textual .*--once does without"):
        command._screen()


def test_stdin_is_read_as_it_comes_until_ctrl_c(capture: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mboxio", "monitor", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(capture.read_bytes())
    process.stdin.flush()
    while json.loads(process.stdout.readline())["events"] < len(EVENTS):
        pass
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stderr) == (130, b"")


def test_the_terminal_is_left_as_it_was(capture: Path) -> None:
    if os.environ.get("MBOXIO_EXPECT_TOOLS") != "1":
        pytest.importorskip("textual")
    own, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    before = termios.tcgetattr(terminal)
    process = subprocess.Popen(
        [sys.executable, "-m", "mboxio", "monitor", str(capture)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    shown = b""
    while b"pmic" not in shown:
        assert select.select([own], [], [], PATIENCE_S)[0], shown
        shown += os.read(own, 65536)
    process.send_signal(signal.SIGTERM)
    while process.poll() is None:
        if select.select([own], [], [], 0.05)[0]:
            shown += os.read(own, 65536)
    assert process.returncode == 143
    while select.select([own], [], [], 0)[0]:
        shown += os.read(own, 65536)
    assert termios.tcgetattr(terminal) == before
    assert b"Traceback" not in shown
    assert b"\x1b[?1049l" in shown  # the other screen is left
    os.close(own)
    os.close(terminal)
