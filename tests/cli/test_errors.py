"""Every failure is one line on stderr and an exit code, never a traceback."""

import os
import re
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from mboxio.cli.app import COMMANDS, app
from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke, Run, Start, one_line

pytestmark = pytest.mark.once  # the command is never compiled

FAILED, WRONG = 1, 2


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ("request shm:t/echo --frobnicate", WRONG, "No such option '--frobnicate'"),
        ("frobnicate", WRONG, "No such command 'frobnicate'"),
        ("request", WRONG, "Missing argument 'ADDRESS'"),
        ("request shm:t/echo 0g --hex", WRONG, "'0g' is not hex: write pairs of digits"),
        ("request shm:t/echo 012 --hex", WRONG, "'012' is not hex"),
        ("request shm:t/echo x --file -", WRONG, "PAYLOAD and --file exclude each other"),
        ("request shm:t/echo --file /nowhere", WRONG, "'/nowhere': No such file"),
        ("request shm:t/echo --file /", WRONG, "'/': Is a directory"),
        ("request shm:t/echo --timeout-s -1", WRONG, "'-1' is not a time: write seconds"),
        ("request shm:t/echo --timeout-s nan", WRONG, "'nan' is not a time"),
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
        (
            "request shm:t/mute --timeout-s 0.01",
            FAILED,
            "timed out after 0.01 s (waiting for the reply",
        ),
        ("request shm:t/small 123456789", WRONG, "has 9 bytes, the channel carries 8"),
        ("send shm:t/small 123456789", WRONG, "has 9 bytes, the channel carries 8"),
        ("request shm:t/echo 0x --hex", WRONG, "'0x' is not hex"),
        ("request shm:t/echo 0x0g --hex", WRONG, "'0x0g' is not hex"),
        ("request shm:t/echo 1:02 --hex", WRONG, "'1:02' is not hex"),
        (
            "request shm:t/echo 0x100000000 --word",
            WRONG,
            "'0x100000000' is not a 32-bit word: 0 to",
        ),
        ("request shm:t/echo --word=-1", WRONG, "Option '--word' does not take a value"),
        ("send shm:t/echo --word -- -1", WRONG, "'-1' is not a 32-bit word: 0 to 0xffffffff"),
        ("request shm:t/echo 1,x --word", WRONG, "'x' is not a word: write numbers like"),
        ("request shm:t/echo 010 --word", WRONG, "'010' is not a word"),
        ("request shm:t/echo x --out words", WRONG, "'words' is not one of"),
        ("request shm:t/echo x --out hex --raw", WRONG, "--raw and --out hex exclude each other"),
        ("request @ x", WRONG, "'@' means the address that is set: set MBOXIO_ADDRESS"),
        ("listen", WRONG, "Missing argument 'ADDRESS'"),
        ("request shm:t/small x", FAILED, "the remote answered with error 95: chan"),
        ("listen shm:t/talk --timeout-s 0.01", FAILED, "no message in 0.01 s"),
        ("bench shm:t/echo --in-flight 1,x", WRONG, "'1,x' is not a list of numbers"),
        ("bench shm:t/echo --in-flight 0", WRONG, "'0' is not a list of numbers"),
        ("bench shm:t/small --size 9 --in-flight 1", WRONG, "has 9 bytes, the channel carries 8"),
        ("serve shm:u", WRONG, "Say what to serve: a FILE, or --echo"),
        ("serve acpm:?at=peer:u", WRONG, "Say what to serve: a FILE, or --echo"),
        ("serve acpm: --echo", WRONG, "write shm:NAME, or acpm:?at=peer:NAME"),
        ("serve acpm:?at=peer:u&x=1 --echo", WRONG, "write shm:NAME, or acpm:?at=peer:NAME"),
        ("serve acpm:?at=uio:0 --echo", WRONG, "'uio:0' cannot be served"),
        ("serve acpm:?at=peer:u&base=x --echo", WRONG, "'x' is no number"),
        ("serve peer:u --echo", WRONG, "write shm:NAME, or acpm:?at=peer:NAME"),
        ("serve shm:u --echo tests/__init__.py", WRONG, "one of the two: a FILE, or --echo"),
        ("serve shm:u --echo --channels a,b,a", WRONG, "names 'a' more than once"),
        ("serve loopback:u --echo", WRONG, "'loopback:u' cannot be served: write shm:NAME"),
        ("serve shm:u/channel --echo", WRONG, "cannot be served"),
        ("serve shm:u --echo --channels a,,b", WRONG, "'a,,b': a channel needs a name"),
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
    assert "can be used by others" in one_line(result.stderr_bytes)
    assert result.exit_code == WRONG


def test_a_full_disk(remote: Remote, start: Start) -> None:
    with open("/dev/full", "wb") as full:
        process = start("request", "shm:t/echo", "x", stdout=full)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert "No space left on device" in one_line(stderr)
    assert process.returncode == FAILED


@pytest.mark.parametrize("command", ["--help", "request --help", "", "--version"])
def test_a_help_text_that_cannot_be_written(start: Start, command: str) -> None:
    with open("/dev/full", "wb") as full:
        process = start(*command.split(), stdout=full)
        _, stderr = process.communicate(timeout=PATIENCE_S)
    if command:
        assert "No space left on device" in one_line(stderr)
        assert process.returncode == FAILED
    else:
        assert stderr.startswith(b"Usage: ")  # on stderr
        assert process.returncode == WRONG


def test_no_channel_without_a_name(invoke: Invoke) -> None:
    result = invoke("serve", "shm:u", "--echo", "--channels", "")
    assert "--channels '': a channel needs a name" in one_line(result.stderr_bytes)
    assert result.exit_code == WRONG


def test_the_summaries_are_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (40, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = run("--help").stdout.decode()
        assert "..." not in text.partition("\nCommands:")[2]
        assert max(map(len, text.splitlines())) < columns
    assert "130 Ctrl-C" in text
    assert "141" in text
    for name, (_, summary) in COMMANDS.items():
        assert command(name).get_short_help_str(1000) == summary
        assert len(summary) < 60


def command(name: str) -> click.Command:
    found = app.get_command(None, name)
    assert found is not None
    return found


def test_a_help_text_imports_no_command() -> None:
    """It is there at once."""
    code = "import sys; from mboxio.cli import main; sys.argv = ['mboxio', '--help']; main()"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    assert "mboxio.cli.app" in result.stderr
    for each in ("mboxio.cli.commands.", "mboxio.remote", "mboxio.client", "asyncio", "rich"):
        assert f" {each}" not in result.stderr


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("columns", [30, 40, 60])
def test_a_narrow_help_cuts_no_range(command: str, columns: int) -> None:
    runner = CliRunner(env={"COLUMNS": str(columns)})
    text = runner.invoke(app, [command, "--help"], terminal_width=columns - 2).stdout
    options = text.partition("\nOptions:")[2]
    assert options.count("[") == len(re.findall(r"\[[^\[\n ]+\]", options)), text
    assert max(map(len, options.splitlines())) < columns


def test_every_command_has_json() -> None:
    for name in COMMANDS.keys() - {"completion", "shell"}:  # a script, and a prompt
        assert any("--json" in each.opts for each in command(name).params), name


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ("--help", 0, "usage: python -m mboxio.remote.acpm peer:NAME|file:PATH"),
        ("", WRONG, "usage: python -m mboxio.remote.acpm peer:NAME|file:PATH"),
        ("nonsense", WRONG, "'nonsense' cannot be served: write peer:NAME or file:PATH"),
    ],
)
def test_the_model_of_acpm_firmware(args: str, code: int, told: str) -> None:
    command = [sys.executable, "-m", "mboxio.remote.acpm", *args.split()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told in result.stdout + result.stderr
    assert result.returncode == code
    assert "Traceback" not in result.stderr


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
    command = [sys.executable, "-c", program, "info"]
    result = subprocess.run(command, capture_output=True, check=False)
    told = one_line(result.stderr)
    assert told.startswith(f"the command line needs {missing}: pip install click rich")
    assert 'pip install ".[cli]" in a checkout' in told
    assert (result.returncode, result.stdout) == (WRONG, b"")
