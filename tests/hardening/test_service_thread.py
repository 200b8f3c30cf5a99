"""The service thread outlives what callbacks do, and starts late if it must."""

import sys
import threading
from collections.abc import Callable
from typing import Any

from mboxio import Connection
from mboxio.sim import VirtualClock
from tests.race.manual import Manual

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
