"""A terminal in the place of an endpoint; a pseudo terminal stands for the kernel's."""

import errno
import os
import pty
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import mboxio
from mboxio import AddressError, Connection, QueueFull, RemoteGone, WrongMessage
from mboxio.controllers.rpmsg import Rpmsg, RpmsgOptions
from mboxio.controllers.rpmsg.nodes.system import System

PATIENCE_S = 20.0


@dataclass
class Terminal:
    far: int
    near: int
    path: str


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    far, near = pty.openpty()
    tty.setcbreak(near)
    made = Terminal(far, near, os.ttyname(near))
    yield made
    for each in (made.far, made.near):
        if each >= 0:
            os.close(each)


class Reluctant(System):
    """Takes a few bytes at each write, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = [3, 0, 2]
        self.write = self.write_some

    def write_some(self, descriptor: int, message: bytes) -> int:
        if self.takes:
            count = self.takes.pop(0)
            if not count:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            message = message[:count]
        return os.write(descriptor, message)


def test_all_bytes_pass_as_they_are(terminal: Terminal) -> None:
    """By default a carriage return becomes a new line."""
    everything = bytes(range(256))
    path = f"rpmsg:?tty={terminal.path}&framing=length"
    with mboxio.open(path) as client, client.subscribe() as messages:
        assert not termios.tcgetattr(terminal.near)[0] & termios.ICRNL
        client.send(everything)
        assert os.read(terminal.far, 999) == b"\0\1" + everything
        os.write(terminal.far, b"\0\1" + everything)
        assert messages.get(PATIENCE_S) == everything


def test_a_message_goes_out_in_parts(terminal: Terminal) -> None:
    options = RpmsgOptions(tty=terminal.path, framing="line")
    with Connection(Rpmsg("", options, system=Reluctant())) as connection:
        client = connection.client(0, queue_timeout_s=PATIENCE_S)
        client.send(b"in many parts")
        client.send(b"next")
        expected = b"in many parts\nnext\n"
        got = b""
        while len(got) < len(expected):
            got += os.read(terminal.far, 99)
        assert got == expected


def test_no_memory_is_a_full_queue(terminal: Terminal) -> None:
    system = Reluctant()
    system.takes = [0]
    options = RpmsgOptions(tty=terminal.path, framing="line")
    with Connection(Rpmsg("", options, system=system)) as connection:
        client = connection.client(0)
        with pytest.raises(QueueFull):
            client.post(b"x")
        client.send(b"y", queue_timeout_s=PATIENCE_S)
        assert os.read(terminal.far, 99) == b"y\n"


def test_what_no_framing_carries_is_refused(terminal: Terminal) -> None:
    with (
        mboxio.open(f"rpmsg:?tty={terminal.path}&framing=line") as client,
        pytest.raises(WrongMessage, match="one line"),
    ):
        client.send(b"a\nb")


def test_a_terminal_that_hangs_up_is_a_remote_that_is_gone(terminal: Terminal) -> None:
    path = f"rpmsg:?tty={terminal.path}&framing=line"
    with mboxio.open(path) as client, client.subscribe() as messages:
        os.close(terminal.near)
        os.close(terminal.far)
        terminal.near = terminal.far = -1
        with pytest.raises(RemoteGone, match="hung up"):
            messages.get(PATIENCE_S)


def test_a_terminal_is_one_programs(terminal: Terminal) -> None:
    path = f"rpmsg:?tty={terminal.path}"
    with mboxio.open(path), pytest.raises(AddressError, match="another program uses it"):
        mboxio.open(path)


def test_other_paths_are_refused() -> None:
    with pytest.raises(AddressError, match="does not exist") as caught:
        mboxio.connect("rpmsg:?tty=/dev/ttyRPMSG99")
    assert caught.value.not_yet
    for path in ("/dev/null", "/etc/passwd"):
        with pytest.raises(AddressError):
            mboxio.open(f"rpmsg:?tty={path}")
