"""``mboxio shell``: scripts from stdin, and a prompt on a terminal."""

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mboxio.remote import Remote
from tests.cli.conftest import PATIENCE_S, Invoke, Start, one_line

Shell = Callable[..., "Terminal"]


@pytest.fixture
def echoing(remote: Remote) -> Remote:
    """Channel `talk` says what channel `echo` is told to."""

    @remote.handler("echo")
    def echo(message: bytes) -> bytes:
        if message.startswith(b"--tell"):
            remote.notify("talk", message)
        return message

    return remote


def test_a_script(echoing: Remote, invoke: Invoke) -> None:
    script = """
    # what follows is for channel echo
    request --word 0x12345678,1
    out text
    req "a # b"
    use sink
    send gone
    listen talk
    use echo
    request -- --tell
    wait
    out word
    use 1
    stats echo sink
    quit
    this is not read any more
    """
    result = invoke("shell", "shm:t/echo", input=script)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    (heard,) = [line for line in lines if " rx " in line]
    assert re.fullmatch(r"[\d:.]+ talk rx \[6\] --tell", heard)
    lines.remove(heard)
    lines.remove("listening to talk")
    assert lines[:3] == ["78 56 34 12 01 00 00 00", "a # b", "--tell"]
    assert re.match(r"echo: sent 3, done 3", lines[3])
    assert re.match(r"sink: sent 1, done 1", lines[4])
    assert len(lines) == 5
    assert echoing.stats().messages == 1


def test_channels_and_help(echoing: Remote, invoke: Invoke) -> None:
    lines = invoke("shell", "shm:t/small", input="listen talk\nchannels\nhelp out").stdout
    rows = [line.split() for line in lines.splitlines()]
    assert ["*", "1", "small", "4", "8", "both"] in rows
    assert ["3", "talk", "8", "256", "listen-only", "yes"] in rows
    assert rows[-1][:2] == ["out", "FORM"]


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("frobnicate", 2, "no command 'frobnicate'; help lists them"),
        ("re x", 2, "'re' may be reconnect or request"),
        ("request 'x", 2, "No closing quotation"),
        ("request --hex 0g", 2, "'0g' is not hex"),
        ("request --word 0x100000000", 2, "'0x100000000' is not a 32-bit word"),
        ("request --file x", 2, "'--file': write --hex, --word or --text"),
        ("use nowhere", 2, "no channel 'nowhere'"),
        ("use", 2, "write use CHANNEL"),
        ("out raw", 2, "'raw' is not one of dump, hex"),
        ("timeout soon", 2, "'soon' is not a time"),
        ("wait 0", 2, "write wait [COUNT [SECONDS]]"),
        ("listen sink", 2, "channel 'sink' is send-only"),
        ("use mute\ntimeout 0.01\nrequest x", 1, "timed out after 0.01 s"),
        ("use small\nrequest 123456789", 2, "has 9 bytes, the channel carries 8"),
        ("listen talk\nwait 1 0.01", 1, "0 of 1 messages in 0.01 s"),
        ("request \x1b[2J\x00\ufffd --hex\nbad", 2, "line 3: no command 'bad'"),
    ],
)
def test_a_script_ends_at_the_first_failure(
    remote: Remote, invoke: Invoke, line: str, code: int, told: str
) -> None:
    result = invoke("shell", "shm:t/echo", input=f"\n{line}\nrequest never\n")
    text = one_line(result.stderr_bytes)
    assert re.match(r"line \d: ", text)
    assert told in text
    assert result.exit_code == code
    assert "6e 65 76 65 72" not in result.stdout  # the last line


def test_no_remote(invoke: Invoke) -> None:
    result = invoke("shell", "shm:nobody", input="")
    assert "nobody serves shm:nobody" in one_line(result.stderr_bytes)
    assert result.exit_code == 1


class Terminal:
    """A shell on a terminal of its own, and what it has shown.

    Args:
        *args: of the shell.
    """

    def __init__(self, *args: str) -> None:
        self.own, terminal = os.openpty()
        termios.tcsetwinsize(terminal, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mboxio", "shell", *args],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        )
        os.close(terminal)
        self.shown = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.own, text.encode())

    def see(self, pattern: str) -> None:
        """Wait until it shows something that it has not shown before."""
        until_s = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.shown)):
            left_s = until_s - time.monotonic()
            assert left_s > 0, f"no {pattern!r} in {self.shown!r}"
            if select.select([self.own], [], [], left_s)[0]:
                self.shown += plain(self.read())
        self.shown = self.shown[found.end() :]

    def read(self) -> str:
        """Return what it has written since."""
        try:
            return os.read(self.own, 65536).decode(errors="replace")
        except OSError:
            return ""  # it has ended

    def close(self) -> None:
        """End it, however it is."""
        self.process.kill()
        self.process.wait()
        os.close(self.own)


def plain(text: str) -> str:
    """Return what a terminal shows without the sequences that move its cursor."""
    text = re.sub(r"\x1b\[(\d*)C", lambda found: " " * int(found[1] or 1), text)
    return re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[=>])", "", text).replace("\r", "")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Start a shell on a terminal; its history is a file of the test's."""
    pytest.importorskip("prompt_toolkit")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    started: list[Terminal] = []

    def start(*args: str) -> Terminal:
        started.append(Terminal(*args))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_a_prompt(echoing: Remote, shell: Shell, tmp_path: Path) -> None:
    terminal = shell("shm:t/echo", "--timeout-s", "none")
    terminal.see("connected to shm:t; help lists the commands")
    terminal.see("shm:t/echo>")
    terminal.type("req --hex 01 1b\r")
    terminal.see(r"00000000  01 1b .*\|\.\.\|\n\(.*, 2 bytes\)")
    terminal.see("shm:t/echo>")
    terminal.type("listen ta\t")
    terminal.see("(listen ta)?lk")
    terminal.type("\r")
    terminal.see("listening to talk")
    terminal.see("shm:t/echo>")
    # What comes in is shown while a line is being typed, and the line is kept.
    terminal.type("request half")
    terminal.see("request half")
    echoing.notify("talk", b"\x1b[2Jnews")
    terminal.see(r"talk rx \[8\]\n.*\|\.\[2Jnews\|")
    terminal.see("shm:t/echo> request half")
    terminal.type(" done\r")
    terminal.see(r"\|half done")
    terminal.type("nonsense\r")
    terminal.see("no command 'nonsense'; help lists them")
    # Ctrl-C gives up a line at the prompt, and a request that waits.
    terminal.see("shm:t/echo>")
    terminal.type("never\x03use mute\r")
    terminal.see("shm:t/mute>")
    before = echoing.stats().requests
    terminal.type("request x\r")
    while echoing.stats().requests == before:
        assert terminal.process.poll() is None
    terminal.process.send_signal(signal.SIGINT)
    terminal.see("cancelled")
    terminal.see("shm:t/mute>")
    terminal.type("use 0\r")
    terminal.see("shm:t/echo>")
    terminal.type("request still\r")
    terminal.see(r"\|still")
    terminal.see("shm:t/echo>")
    terminal.type("\x04")
    assert terminal.process.wait(PATIENCE_S) == 0
    history = tmp_path / "mboxio" / "history"
    assert "+request half done\n" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


def test_a_remote_that_dies_and_returns(start: Start, shell: Shell) -> None:
    def serve() -> "subprocess.Popen[bytes]":
        process = start("serve", "shm:u", "--echo")
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    remote = serve()
    terminal = shell("shm:u")
    terminal.see("shm:u/echo>")
    remote.kill()
    terminal.see("the remote is gone")
    terminal.type("timeout none\r")
    terminal.see(r"shm:u/echo \(gone\)>")
    serve()
    terminal.see("the remote is there again")
    terminal.type("request back\r")
    terminal.see(r"\|back")
    terminal.type("reconnect\r")
    terminal.see("shm:u/echo>")
    terminal.type("request again\r")
    terminal.see(r"\|again")
    terminal.process.terminate()
    assert terminal.process.wait(PATIENCE_S) == 128 + signal.SIGTERM


def test_without_the_library(remote: Remote, shell: Shell, tmp_path: Path) -> None:
    """It says what to install; a script needs nothing."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['prompt_toolkit'] = None\n")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        terminal = shell("shm:t/echo")
        terminal.see("mboxio: mboxio shell needs prompt_toolkit: pip install prompt_toolkit, or")
        assert terminal.process.wait(PATIENCE_S) == 2
        command = [sys.executable, "-m", "mboxio", "shell", "shm:t/echo"]
        result = subprocess.run(command, input=b"request AB", capture_output=True, check=True)
    assert result.stdout == b"41 42\n"
