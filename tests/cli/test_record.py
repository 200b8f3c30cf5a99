"""mboxio record: a command with its processes, or running programs, until whatever ends first."""

import io
import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from mboxio import open
from mboxio.capture.event import Event, Kind
from mboxio.capture.reading import read
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start, one_line

pytestmark = pytest.mark.once

BOTH = """
import os, subprocess, sys, mboxio
from mboxio.remote import Remote
HOST = '''
import sys, mboxio
with mboxio.open(sys.argv[1]) as client:
    for number in range(int(sys.argv[2])):
        client.request(bytes([number]))
'''
remote = Remote("both")
remote.handler("a")(bytes)
remote.handler("b")(bytes)
with remote:
    hosts = [
        subprocess.Popen([sys.executable, "-c", HOST, f"shm:both/{name}", count])
        for name, count in (("a", "3"), ("b", "5"))
    ]
    print(sorted(host.wait() for host in hosts), flush=True)
sys.exit(7)
"""
PYTHON = ("--", sys.executable, "-c")
ONE = "import mboxio; c = mboxio.open('loopback:'); c.request(b'hello'); c.close(); "


def events_of(path: Path) -> list[Event]:
    """Return the events of a capture in which nothing is wrong."""
    with read(path) as capture:
        events = list(capture)
    assert capture.warnings == []
    return events


def test_all_processes_of_a_command(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    found = run("record", "-o", str(path), *PYTHON, BOTH)
    assert (found.returncode, found.stdout) == (7, b"[0, 0]\n")
    events = events_of(path)
    assert one_line(found.stderr) == f"{len(events)} events"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    asked = Counter(
        (str(each.source), each.source.side) for each in events if each.kind is Kind.REQUEST
    )
    assert asked == {
        (f"shm:both/{name}", side): count
        for name, count in (("a", 3), ("b", 5))
        for side in ("host", "remote")
    }
    for each in events:
        assert each.source.number == "ab".index(each.source.channel)
    assert {each.lost for each in events} == {0}


def test_where_temporary_files_have_long_paths(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / (90 * "x")
    far.mkdir()
    monkeypatch.setenv("TMPDIR", str(far))
    path = tmp_path / "x.pcapng"
    found = run("record", "-o", str(path), *PYTHON, ONE)
    assert (found.returncode, one_line(found.stderr)) == (0, f"{len(events_of(path))} events")


def test_what_is_kept_of_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    args = ("--channel", "b", "--snap", "0", "--rotate", "1k")
    assert run("record", "-o", str(path), *args, *PYTHON, BOTH).returncode == 7
    files = sorted(tmp_path.iterdir())
    assert len(files) > 1
    events = [each for file in files for each in events_of(file)]
    assert {each.source.channel for each in events} == {"b"}
    assert [each.kind for each in events].count(Kind.REQUEST) == 10
    assert not any(each.message for each in events)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_it_ends_as_the_command_does(run: Run, tmp_path: Path, code: str, expected: int) -> None:
    path = tmp_path / "x.pcapng"
    found = run("record", "-o", str(path), *PYTHON, ONE + code)
    assert found.returncode == expected
    assert len(events_of(path)) == int(one_line(found.stderr).split()[0])


def test_a_signal_that_ends_it(start: Start, tmp_path: Path) -> None:
    """Ctrl-C reaches the command by itself; SIGTERM is passed on; what it did is in the file."""
    code = ONE + (
        "import select, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "try:\n"
        "    print(flush=True)\n"
        # Not a read: a signal right before that is told to Python after it only.
        "    while not select.select([0], [], [], 0.05)[0]: pass\n"
        "except KeyboardInterrupt: sys.exit(6)"
    )
    for number, expected in ((signal.SIGTERM, 5), (signal.SIGINT, 6)):
        path = tmp_path / f"{number}.pcapng"
        process = start("record", "-o", str(path), *PYTHON, code, session=True)
        assert process.stdout is not None
        process.stdout.readline()
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        # Before its stdin is closed, which would end the command as well.
        assert process.wait(PATIENCE_S) == expected
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert one_line(stderr).endswith(" events")
        assert [each.message for each in events_of(path) if each.kind is Kind.REPLY] == [b"hello"]


def test_a_grandchild_that_runs_on(start: Start, tmp_path: Path) -> None:
    """The recording ends with the command; who is left is not disturbed."""
    path = tmp_path / "x.pcapng"
    grandchild = ONE.replace("c.close(); ", "") + (
        "import os, sys; os.write(int(sys.argv[1]), b'!'); sys.stdin.read(); "
        "c.request(b'more'); c.close(); print('well', flush=True)"
    )
    child = (
        "import os, subprocess, sys; there, tell = os.pipe(); "
        f"command = [sys.executable, '-c', {grandchild!r}, str(tell)]; "
        "subprocess.Popen(command, pass_fds=[tell]); os.read(there, 1)"
    )
    process = start("record", "-o", str(path), *PYTHON, child)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    assert process.wait(PATIENCE_S) == 0
    assert b"a process that the command left behind goes on" in process.stderr.readline()
    process.stdin.close()
    process.stdin = None
    assert process.stdout.read() == b"well\n"
    assert [each.message for each in events_of(path) if each.kind is Kind.REPLY] == [b"hello"]


def test_a_command_that_connects_to_nothing(run: Run, tmp_path: Path) -> None:
    found = run("record", "-o", str(tmp_path / "x.pcapng"), "--", "sh", "-c", "echo out; exit 4")
    assert (found.returncode, found.stdout) == (4, b"out\n")
    assert b"no process of the command connected by mboxio" in found.stderr
    assert b"0 events" in found.stderr


def test_a_stream_and_its_reader(run: Run, start: Start) -> None:
    """On stdout is the capture alone; a reader that has seen enough is no error."""
    found = run("record", "-o", "-", *PYTHON, ONE + "print('in between')")
    kinds = [each.kind for each in read(io.BytesIO(found.stdout))]
    assert kinds.count(Kind.REPLY) == 1
    assert b"in between\n" in found.stderr
    loop = ONE.partition("c.request")[0] + "[c.request(b'?') for _ in range(3000)]; c.close()"
    process = start("record", "-o", "-", *PYTHON, loop)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(4) == b"\n\r\r\n"
    process.stdout.close()
    assert process.wait(PATIENCE_S) == 0
    assert b"Traceback" not in process.stderr.read()


BAD = {
    "a program": (["-o", "{}/x.pcapng", "--", "no-such-program"], 127, "no such program"),
    "no right": (["-o", "{}/x.pcapng", "--", "{}/plain"], 126, "it cannot be executed"),
    "a format": (["-o", "{}/x.pcapng", "--", "{}/odd"], 126, "cannot be started: Exec format"),
    "a suffix": (["-o", "{}/x.txt", "--", "true"], 2, "the suffix says how"),
    "a folder": (["-o", "{}/none/x.pcapng", "--", "true"], 1, "none/x.pcapng"),
    "a full disk": (["-o", "{}/full.pcapng", "--", "true"], 1, "No space left"),
    "a device that rotates": (["-o", "-", "--rotate", "1k", "--", "true"], 2, "only files can"),
    "nobody": (["-o", "{}/x.pcapng", "shm:nobody"], 1, "no running program shows shm:nobody"),
    "a size": (["-o", "{}/x.pcapng", "--rotate", "much", "--", "true"], 2, "is no size"),
    "snap": (["-o", "{}/x.pcapng", "--snap", "-1", "--", "true"], 2, "-1"),
    "nothing": (["-o", "{}/x.pcapng"], 2, "Missing argument"),
}


@pytest.mark.parametrize(("args", "code", "text"), BAD.values(), ids=BAD)
def test_what_cannot_be(run: Run, tmp_path: Path, args: list[str], code: int, text: str) -> None:
    (tmp_path / "plain").write_text("")
    (tmp_path / "odd").write_bytes(b"\0\1\2")
    (tmp_path / "odd").chmod(0o700)
    (tmp_path / "full.pcapng").symlink_to("/dev/full")
    (tmp_path / "x.pcapng").write_bytes(b"kept")
    found = run("record", *(each.format(tmp_path) for each in args))
    assert found.returncode == code
    assert text in found.stderr.decode()
    assert b"Traceback" not in found.stderr
    if code != 126 or text.startswith("it cannot"):  # refused before anything is overwritten
        assert (tmp_path / "x.pcapng").read_bytes() == b"kept"


LIVE = """
import sys, mboxio
with mboxio.connect("loopback:?channels=2") as connection:
    print(flush=True)
    for line in sys.stdin:
        for number in range(2):
            connection.client(number).request(line.encode())
        print(flush=True)
"""


@pytest.mark.parametrize("end", ["Ctrl-C", "exit"])
def test_a_running_program(start: Start, tmp_path: Path, end: str) -> None:
    """All that was answered before Ctrl-C is in the file, whatever was not written yet."""
    path = tmp_path / "x.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", LIVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "MBOXIO_RECORD": "live"},
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdout.readline()
        process = start("record", "-o", str(path), "--snap", "3", "loopback:/1")
        assert process.stderr is not None
        assert b"recording a program; Ctrl-C ends it" in process.stderr.readline()
        program.stdin.write(b"seen\n")
        program.stdin.flush()
        program.stdout.readline()
        if end == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            program.stdin.close()
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        program.stdin.close()
    events = events_of(path)
    assert one_line(stderr) == f"{len(events)} events"
    assert {each.source.channel for each in events} == {"1"}
    assert [each.message for each in events if each.kind is Kind.REPLY] == [b"see"]


def test_a_remote_that_is_served(start: Start, tmp_path: Path, invoke: Invoke) -> None:
    path = tmp_path / "x.pcapng"
    process = start("serve", "shm:s", "--echo", "--record", str(path))
    assert process.stdout is not None
    process.stdout.readline()
    with open("shm:s/echo", wait_s=PATIENCE_S) as client:
        client.request(b"hello")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert [(each.kind, each.source.side, each.message) for each in events_of(path)] == [
        (Kind.REQUEST, "remote", b"hello"),
        (Kind.REPLY, "remote", b"hello"),
    ]
    found = invoke("serve", "shm:s", "--echo", "--record", str(tmp_path / "x.txt"))
    assert found.exit_code == 2
    assert "the suffix says how" in found.stderr
