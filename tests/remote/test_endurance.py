"""No error that nobody expected ends a thread that serves: it is logged, and serving goes on."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import MailboxError, RemoteError, RemoteGone
from mboxio._limits import endurance
from mboxio._limits.endurance import PAUSE_MAX_S, Endurance, endure
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.serving.regions import FileServer
from mboxio.remote.serving.shm import ShmServer
from tests.hardening.support import until

from .support import echo

WRONG: list[Callable[[], BaseException]] = [
    lambda: RemoteError("the memory is not usable"),
    lambda: IndexError("out of range"),
    lambda: AssertionError(),
    lambda: MemoryError(),
    lambda: SystemExit(0),
]


class Fails:
    """Raises the first ``times``, and then does what it replaces."""

    def __init__(self, real: Any, make: Callable[[], BaseException], times: int = 1) -> None:
        self.real = real
        self.make = make
        self.left = times
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.make()
        return self.real(*args)


@pytest.mark.parametrize("make", WRONG)
def test_a_host_that_cannot_be_received_is_the_only_one(
    sockets: str, make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    with echo() as remote:
        server: Any = remote._server
        server.welcome = Fails(server.welcome, make)
        with pytest.raises(RemoteGone, match="the remote refuses"):
            mboxio.connect(remote.address)
        with mboxio.open("shm:demo/c") as client:
            assert client.request(b"123") == b"123"
        assert remote.stats().refused == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert type(make()).__name__ in record.getMessage() or isinstance(make(), RemoteError)


def test_a_connection_that_cannot_be_served_is_the_only_one(
    sockets: str, caplog: pytest.LogCaptureFixture
) -> None:
    remote = Remote("demo")

    @remote.handler("c")
    def serve(message: bytes) -> bytes:
        if message == b"exit":
            sys.exit(0)
        return message

    with remote, mboxio.open("shm:demo/c") as other, mboxio.open("shm:demo/c") as client:
        with pytest.raises(RemoteGone):
            client.request(b"exit")
        assert other.request(b"1") == b"1"
        assert client.request(b"2", queue_timeout_s=20) == b"2"
    assert "SystemExit" in caplog.text
    assert "drops" in caplog.text


@pytest.mark.parametrize("make", WRONG)
@pytest.mark.parametrize("where", ["_serve", "_events", "_next_ns"])
def test_serving_goes_on_after_what_belongs_to_no_connection(
    sockets: str, where: str, make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    with echo() as remote:
        server: Any = remote._server
        assert isinstance(server, ShmServer)
        failing = Fails(getattr(server, where), make)
        setattr(server, where, failing)
        server.wake()
        with mboxio.open("shm:demo/c", wait_s=20) as client:
            assert client.request(b"123", timeout_s=20) == b"123"
        until(lambda: not failing.left)
    assert sum("goes on" in record.getMessage() for record in caplog.records) == 1


def test_firmware_over_a_file_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    remote = AcpmRemote(f"file:{tmp_path}/sram")
    remote.channel()
    with remote:
        server: Any = remote._server
        assert isinstance(server, FileServer)
        failing = Fails(server._serve, lambda: IndexError("out of range"))
        server._serve = failing  # type: ignore[assignment, method-assign]
        with (
            mboxio.connect(f"acpm:?at={remote.address}") as connection,
            connection.client(0) as client,
        ):
            assert client.request(bytes(16), timeout_s=20)
        assert failing.calls > 1
    assert "goes on" in caplog.text


# -- never a busy loop


class Time:
    """In place of the module."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_what_fails_always_is_tried_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    monkeypatch.setattr(endurance, "time", time)
    failing = Fails(None, RuntimeError, 10**9)
    heard: list[BaseException] = []
    endure(failing, lambda: time.now_s > 600, heard.append)
    assert failing.calls == len(heard) < 600 / PAUSE_MAX_S + 10


def test_who_is_stopped_does_not_wait_for_the_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    monkeypatch.setattr(endurance, "time", time)
    failing = Fails(None, RuntimeError, 10**9)
    endure(failing, lambda: failing.calls == 8, lambda error: None)
    assert failing.calls == 8


def test_pauses_are_short_again_after_a_calm_while() -> None:
    made = Endurance()
    assert [made.pause_after_error_s(1000) for _ in range(3)] == [0.1, 0.2, 0.4]
    assert made.pause_after_error_s(1061) == 0.1


def test_in_the_main_thread_the_program_may_be_ended(sockets: str) -> None:
    remote = echo()
    server: Any = remote._make_server()
    server._loop = Fails(None, KeyboardInterrupt, 9)
    with pytest.raises(KeyboardInterrupt):
        server.run()
    assert server._loop.calls == 1
    with pytest.raises(MailboxError):
        mboxio.connect(remote.address)
