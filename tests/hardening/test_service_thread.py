"""The service thread outlives what callbacks do, and starts late if it must."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mboxio import Connection, RemoteError
from mboxio.sim import VirtualClock
from tests.race.manual import Manual
from tests.rpi.kernel import Kernel

from .support import PATIENCE_S, SECOND, attach


def test_a_callback_that_exits_does_not_take_the_service_thread_along() -> None:
    driver = Manual()
    with Connection(driver) as connection:
        client = connection.client(0)
        first, second = client.submit(b"1"), client.submit(b"2")
        heard = threading.Event()
        first.add_done_callback(lambda _: sys.exit(0))
        second.add_done_callback(lambda _: heard.set())
        driver.answer(b"", 0)
        driver.answer(b"", 1)
        assert heard.wait(PATIENCE_S), "no callback of any client runs any more"


class Exhausted(VirtualClock):
    """No thread can be started at the first time of asking."""

    refused = 0

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        if not self.refused:
            self.refused += 1
            raise RuntimeError("can't start new thread")
        return super().spawn(target, name)


def test_a_thread_that_cannot_start_is_started_later() -> None:
    driver, clock = Manual(), Exhausted()
    with attach(driver, clock) as connection:
        client = connection.client(0)
        heard: list[Any] = []
        one, two = client.submit(b"1"), client.submit(b"2")
        one.add_done_callback(lambda _: heard.append(1))
        assert clock.refused
        two.add_done_callback(lambda _: heard.append(2))
        driver.answer(b"", 0)
        driver.answer(b"", 1)
        clock.advance(SECOND)
        assert heard == [1, 2]


class Exits(Manual):
    """Its driver exits so many times."""

    left = 0

    def service(self, queue: Any, why: str) -> None:
        if self.left:
            self.left -= 1
            sys.exit(0)
        super().service(queue, why)


@pytest.mark.parametrize("times", [1, 5])
def test_a_driver_that_exits_does_not_take_the_service_thread_along(
    times: int, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Exits(polls_events=True)
    with attach(driver) as connection:
        client = connection.client(0)
        heard: list[Any] = []
        client.submit(b"1", timeout_s=None).add_done_callback(lambda _: heard.append(1))
        driver.left = times
        connection._host.gate.clock.advance(20 * SECOND)  # type: ignore[attr-defined]
        assert driver.left == 0
        driver.answer(b"", 0)
        connection._host.gate.clock.advance(SECOND)  # type: ignore[attr-defined]
        assert heard == [1]
    assert "goes on" in caplog.text


def test_a_driver_that_always_exits_is_asked_seldom(caplog: pytest.LogCaptureFixture) -> None:
    driver = Exits(polls_events=True)
    with attach(driver) as connection:
        connection.client(0).submit(b"1", timeout_s=None).add_done_callback(lambda _: None)
        driver.left = 10**9
        connection._host.gate.clock.advance(600 * SECOND)  # type: ignore[attr-defined]
        driver.left = 0
    assert 60 < sum("goes on" in each.getMessage() for each in caplog.records) < 70


def test_the_thread_of_a_driver_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kernel = Kernel(tmp_path)
    driver = kernel.driver()
    with Connection(driver) as connection, connection.client(0) as client:
        real = driver.ioctl
        message = bytes.fromhex("1c000000 00000000 01000000 04000000 00000000 00000000 00000000")
        assert client.request(message)

        def broken(*args: Any) -> int:
            raise ValueError("no such buffer")

        driver.ioctl = broken
        with pytest.raises(RemoteError, match="no such buffer"):
            client.request(message)
        driver.ioctl = real
        assert client.request(message)
    assert "ioctl" in caplog.text
