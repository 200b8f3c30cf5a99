"""A folder for sockets, a remote in this process, and commands as processes."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

import pytest
from click.testing import CliRunner, Result

from mboxio.cli.app import app
from mboxio.remote import Remote

PATIENCE_S = 30

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The folder of the sockets; its path is short enough for one."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as parent:
        folder = os.path.join(parent, "sockets")
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", folder)
        monkeypatch.setenv("XDG_CONFIG_HOME", os.path.join(parent, "config"))
        for name in ("ADDRESS", "ALLOW", "ENDIAN", "OUT", "TIMEOUT_S", "WAIT_S"):
            monkeypatch.delenv(f"MBOXIO_{name}", raising=False)
        yield folder


@pytest.fixture
def remote() -> Iterator[Remote]:
    """A remote with an echo, a channel that is silent, one that fails and one that only talks."""
    made = Remote("t")
    made.handler("echo")(bytes)
    made.channel("small", depth=4, message_bytes=8)
    made.handler("mute")(lambda message: None)
    made.channel("talk", depth=8, host_sends=False)
    made.channel("sink", host_receives=False)
    with made:
        yield made


@pytest.fixture
def invoke() -> Invoke:
    """Run a command in this process; its output is no terminal."""

    def run(*args: str, **more: object) -> Result:
        # A command that serves minds signals to the end of its process, which is not this one's.
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            return CliRunner().invoke(app, args, catch_exceptions=False, **more)  # type: ignore[arg-type]
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command as a process; ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(
        *args: str, stdout: int | IO[bytes] = subprocess.PIPE, session: bool = False
    ) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "mboxio", *args],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            start_new_session=session,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start: Start) -> Run:
    """Run a command as a process until it ends."""

    def run(*args: str, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        process = start(*args)
        stdout, stderr = process.communicate(data, PATIENCE_S)
        return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)

    return run


def one_line(stderr: bytes) -> str:
    """Return the only line of an error output, without its prefix."""
    text = stderr.decode()
    assert text.startswith("mboxio: ")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text.removeprefix("mboxio: ").rstrip("\n")
