"""Every failure is one line on stderr and an exit code, never a traceback."""

import os
import signal
import subprocess
import sys

import pytest

from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start, one_line

FAILED, WRONG = 1, 2


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ("request shm:t/echo --frobnicate", WRONG, "No such option '--frobnicate'"),
        ("frobnicate", WRONG, "No such command 'frobnicate'"),
        ("request", WRONG, "Missing argument 'ADDRESS'"),
        ("request shm:t/echo 0g --hex", WRONG, "'0g' is no hex: write pairs of digits"),
        ("request shm:t/echo 012 --hex", WRONG, "'012' is no hex"),
        ("request shm:t/echo x --file -", WRONG, "PAYLOAD and --file exclude each other"),
        ("request shm:t/echo --file /nowhere", WRONG, "'/nowhere': No such file"),
        ("request shm:t/echo --file /", WRONG, "'/': Is a directory"),
        ("request shm:t/echo --timeout-s -1", WRONG, "'-1' is no time: write seconds"),
        ("request shm:t/echo --timeout-s nan", WRONG, "'nan' is no time"),
        ("request shm:t/echo --repeat 0", WRONG, "'--repeat': 0 is not in the range"),
        ("request nonsense", WRONG, "'nonsense' is no address: write controller:name/channel"),
        ("request warp:t", WRONG, "no controller 'warp'; there are: "),
        ("request shm:t/nothing", WRONG, "no channel 'nothing'; there are: 0=echo, 1=small"),
        ("request shm:t/echo?depth=1", WRONG, "shm: no option 'depth'; there are:"),
        ("request shm:a+b/t", WRONG, "shm:a+b is no name"),
        ("request shm:t/talk", WRONG, "channel 'talk' is listen-only"),
        ("listen shm:t/sink", WRONG, "channel 'sink' is send-only"),
        ("request shm:nobody x", FAILED, "nobody serves shm:nobody; start the remote"),
        ("list shm:nobody", FAILED, "nobody serves shm:nobody"),
        ("bench shm:nobody", FAILED, "nobody serves shm:nobody"),
        ("request shm:t/mute --timeout-s 0.01", FAILED, "timed out (waiting for the reply; hand"),
        ("request shm:t/small 123456789", FAILED, "has 9 bytes, the channel carries 8"),
        ("request shm:t/small x", FAILED, "the remote answered with error 95: chan (wai"),
        ("listen shm:t/talk --timeout-s 0.01", FAILED, "no message in 0.01 s"),
        ("bench shm:t/echo --in-flight 1,x", WRONG, "'1,x' is no list of numbers"),
        ("bench shm:t/echo --in-flight 0", WRONG, "'0' is no list of numbers"),
        ("bench shm:t/small --size 9 --in-flight 1", FAILED, "has 9 bytes, the channel carries 8"),
        ("serve shm:u", WRONG, "Say what to serve: a FILE, or --echo"),
        ("serve loopback:u --echo", WRONG, "'loopback:u' cannot be served: write shm:NAME"),
        ("serve shm:u/channel --echo", WRONG, "cannot be served"),
        ("serve shm:u --echo --channels a,,b", WRONG, "channel"),
        ("serve shm:u /nowhere.py", WRONG, "'/nowhere.py' does not exist"),
        ("serve shm:u --echo --latency-us -1", WRONG, "-1.0 is not in the range"),
    ],
)
def test_one_line(remote: Remote, invoke: Invoke, args: str, code: int, told: str) -> None:
    result = invoke(*args.split())
    assert told in one_line(result.stderr_bytes)
    assert (result.exit_code, result.stdout) == (code, "")


def test_as_a_process(run: Run) -> None:
    result = run("request", "shm:nobody", "x")
    assert "nobody serves shm:nobody" in one_line(result.stderr)
    assert result.returncode == FAILED


def test_no_command_shows_the_help(run: Run) -> None:
    result = run()
    assert result.returncode == WRONG
    assert result.stderr.startswith(b"Usage: mboxio ")


def test_permission_refused(remote: Remote, sockets: str, invoke: Invoke) -> None:
    os.chmod(sockets, 0o755)
    result = invoke("request", "shm:t/echo", "x")
    assert "is accessible by others" in one_line(result.stderr_bytes)
    assert result.exit_code == WRONG


def test_a_full_disk(remote: Remote, start: Start) -> None:
    with open("/dev/full", "wb") as full:
        process = start("request", "shm:t/echo", "x", stdout=full)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert "No space left on device" in one_line(stderr)
    assert process.returncode == FAILED


def test_a_remote_that_is_killed(start: Start) -> None:
    remote = start("serve", "shm:u", "--echo", "--latency-us", "30000000")
    assert remote.stdout is not None
    assert remote.stdout.readline().startswith(b"serving shm:u")
    process = start("request", "shm:u", "x", "--timeout-s", "none")
    while not connected(process.pid):
        assert process.poll() is None
    remote.kill()
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert "the remote is gone" in one_line(stderr)
    assert process.returncode == FAILED


def connected(pid: int) -> bool:
    """Tell whether a process has mapped the memory of a connection."""
    with open(f"/proc/{pid}/maps") as maps:
        return "/memfd:mboxio" in maps.read()


def test_a_name_that_is_taken(remote: Remote, run: Run) -> None:
    result = run("serve", "shm:t", "--echo")
    assert f"somebody serves shm:t already (pid {os.getpid()})" in one_line(result.stderr)
    assert result.returncode == WRONG


@pytest.mark.parametrize("command", ["request shm:t/mute --timeout-s none", "bench shm:t/mute"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(remote: Remote, start: Start, command: str, number: signal.Signals) -> None:
    process = start(*command.split())
    while not remote.stats().requests:
        assert process.poll() is None
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout, stderr) == (128 + number, b"", b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
@pytest.mark.parametrize("command", ["info", "list loopback:", "request loopback: x"])
def test_closed_streams(closed: str, command: str) -> None:
    shell = f"exec {sys.executable} -m mboxio {command} {closed}"
    result = subprocess.run(shell, shell=True, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from mboxio.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert one_line(result.stderr) == 'the command line needs: pip install "mboxio[cli]"'
    assert (result.returncode, result.stdout) == (WRONG, b"")
