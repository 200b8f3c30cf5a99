"""A driver's op that raises or answers nonsense ends its request and hurts nobody else."""

import os
import struct
import threading
from typing import Any

import pytest

from mboxio import Connection, DriverError, Outcome, RemoteGone, Tagged
from mboxio._limits.sparing import AT_ONCE
from mboxio.controllers.loopback import Loopback
from mboxio.regions import Memory
from tests.race.manual import Manual
from tests.tools import fork

from .support import PATIENCE_S, SECOND, attach


class Mute(Manual):
    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        super().send(channel, handle, message)
        return None  # type: ignore[return-value]  # a forgotten return


def test_a_driver_that_forgets_to_return_sent() -> None:
    driver = Mute(depth=2)
    with attach(driver) as connection:
        request = connection.client(0).submit(b"x")
        assert request.over
        with pytest.raises(DriverError, match=r"send\(\) returned None, not SENT") as caught:
            request.result()
        assert caught.value.handed_over == "unknown"
        assert driver.queue.in_flight() == [request], "it may have left: all is held"


class BadAbort(Manual):
    def abort(self, channel: Any, handle: int) -> bool:
        raise OSError("the register access failed")


def test_a_driver_that_raises_in_abort_hurts_no_other_request() -> None:
    driver = BadAbort(depth=4)
    with attach(driver) as connection:
        client = connection.client(0)
        one = client.submit(b"1", timeout_s=0.1)
        other = client.submit(b"2", timeout_s=0.1)
        third = connection.client(0).submit(b"3", timeout_s=1)
        driver.answer(b"fine", 2)
        connection._host.gate.clock.advance(SECOND // 5)  # type: ignore[attr-defined]
        assert third.result() == b"fine"
        assert one.done()
        assert other.done()


def test_a_driver_that_raises_in_abort_does_not_stop_close() -> None:
    connection = attach(BadAbort(depth=4))
    client = connection.client(0)
    requests = [client.submit(b"1"), client.submit(b"2")]
    connection.close()
    assert all(request.over for request in requests)


def test_a_driver_that_raises_in_abort_does_not_end_the_service_thread() -> None:
    with Connection(BadAbort(depth=4)) as connection:
        heard = threading.Event()
        client = connection.client(0)
        client.submit(b"1", timeout_s=0.01).add_done_callback(lambda _: heard.set())
        assert heard.wait(PATIENCE_S), "the service thread died of the driver's exception"


class BadStop(Manual):
    closed = 0

    def stop(self, channel: Any) -> None:
        raise OSError("the device is gone")

    def close(self) -> None:
        self.closed += 1
        super().close()


def test_a_driver_that_raises_in_stop_is_closed_all_the_same() -> None:
    driver = BadStop(wired=True)
    connection = Connection(driver)
    one, other = connection.client(0), connection.client(0)
    one.submit(b"").add_done_callback(lambda _: None)
    connection.close()
    thread = connection._host.worker.thread
    assert thread is not None
    assert not thread.is_alive()
    assert one._closed
    assert other._closed
    assert driver.closed == 1


class BadReconnect(Manual):
    def __init__(self) -> None:
        super().__init__(epoch_source="link")
        self.tries = 0
        self.kept_trying = threading.Event()

    def reconnect(self) -> bool:
        self.tries += 1
        if self.tries == 3:
            self.kept_trying.set()
        raise OSError("too many open files")


def test_a_driver_that_raises_in_reconnect_does_not_end_the_service_thread() -> None:
    driver = BadReconnect()
    with Connection(driver) as connection:
        driver.link(True, 1)
        client = connection.client(0)
        client.on_request(lambda message: message)  # unattended: the service thread leads
        driver.link(False, 1, "gone")
        assert driver.kept_trying.wait(PATIENCE_S), "the service thread died of the exception"


class BadFork(Manual):
    def forked(self) -> None:
        raise OSError


def test_a_driver_that_raises_in_forked_hurts_no_other_connection() -> None:
    connections = [Connection(BadFork()) for _ in range(4)]
    pid = fork()
    if pid == 0:
        os.close(2)  # the complaints
        os._exit(0 if all(each._host.gate.forked for each in connections) else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for each in connections:
        each.close()
    assert code == 0


class BadCorrelator(Tagged):
    def classify(self, message: bytes) -> Any:
        raise ZeroDivisionError


class Speaks(Manual):
    """Reports one message when the service thread looks, once it may."""

    may = spoke = False

    def service(self, queue: Any, why: str) -> None:
        if self.may and not self.spoke and threading.current_thread() is self.host.worker.thread:  # type: ignore[attr-defined]
            self.spoke = True
            self.received(self.channels[0], [b"1234"])


def test_a_correlator_that_raises_loses_no_request() -> None:
    driver = Speaks(matches_replies=False, correlators=(BadCorrelator(),), depth=4)
    with Connection(driver) as connection:
        heard = threading.Event()
        client = connection.client(0, timeout_s=0.01)
        client.on_request(lambda message: message)
        request = client.submit(b"\0\0\0\0")
        request.add_done_callback(lambda _: heard.set())
        driver.may = True
        driver.event()
        assert heard.wait(PATIENCE_S), "the service thread died of the correlator's exception"
        assert driver.spoke


def test_a_remote_that_asks_without_end_cannot_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each of its requests meets a handler that raises, and each failure is logged."""

    def fails(message: bytes) -> bytes:
        raise ZeroDivisionError

    driver = Loopback()
    with Connection(driver) as connection, connection.client(0) as client:
        client.on_request(fails)
        for _ in range(3 * AT_ONCE):
            answered = threading.Event()
            driver.ask(0, b"x", lambda answer, status, answered=answered: answered.set())  # type: ignore[misc]
            assert answered.wait(PATIENCE_S)
    told = [each for each in caplog.records if "the handler of" in each.message]
    assert AT_ONCE <= len(told) < 2 * AT_ONCE


class Looks(Loopback):
    """A driver that fails to open while one of its calls looks at memory."""

    def open(self) -> None:
        self.region = Memory(bytearray(8))
        words = struct.iter_unpack("I", self.region.buffer())  # it exports, as compiled rings do
        try:
            raise ValueError(next(words))
        except ValueError:
            raise RemoteGone("nobody is there") from None

    def close(self) -> None:
        self.region.close()


def test_memory_at_which_a_failed_opening_looked_is_let_go() -> None:
    with pytest.raises(RemoteGone, match="nobody is there"):
        Connection(Looks())
