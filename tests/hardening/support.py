"""Connections in virtual time, a driver that notices an endless loop, and waits that end."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mboxio import Capabilities, Connection, Controller
from mboxio.driver.controller import EVENT
from mboxio.sim import VirtualClock
from tests.race.manual import Manual

SECOND = 1_000_000_000
PATIENCE_S = 20.0
"""How long anything may take that has to happen; reached only by a failing test."""


def attach(driver: Controller, clock: VirtualClock | None = None) -> Connection:
    """Connect in virtual time."""
    return Connection(driver, clock=clock or VirtualClock())


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    while not condition():
        os.sched_yield()


async def reached(condition: Callable[[], object]) -> None:
    """Wait for what the running loop does."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0)


def look(connection: Connection) -> None:
    """Service everything once, as if the wait source had fired."""
    connection._host.gate.enter()
    try:
        connection._host.pump.turn(connection._host.gate.clock.now_ns(), EVENT)
    finally:
        connection._host.gate.leave()


class Endless(BaseException):
    """The code under test turns in circles."""


class Fused(Manual):
    """Breaks out of an endless loop of the pump: every turn services the queue ``fuse``."""

    turns_left = 2000

    def open(self) -> None:
        super().open()
        self.fuse = self.add_queue(Capabilities(depth=1, matches_replies=True), "fuse")

    def service(self, queue: Any, why: str) -> None:
        if queue is not self.fuse:
            super().service(queue, why)
            return
        self.turns_left -= 1
        if self.turns_left <= 0:
            raise Endless

    def arm(self, queue: Any) -> bool:
        return queue is not self.fuse and super().arm(queue)


@contextmanager
def ctrl_c(when: Callable[[], object], presses: int | None = None) -> Iterator[threading.Event]:
    """Press Ctrl-C once ``when()`` is true, until the main thread notices.

    Args:
        presses: how often at the most; None does not give up.

    Yields:
        What is set once the main thread noticed, or the presses are used up.
    """
    over = threading.Event()

    def notice(*_: object) -> None:
        if not over.is_set():
            over.set()
            raise KeyboardInterrupt

    def press() -> None:
        until(lambda: when() or over.is_set())
        pressed = 0
        while not over.wait(0.005) and pressed != presses:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            pressed += 1
        given_up.set()

    given_up = threading.Event()
    previous = signal.signal(signal.SIGINT, notice)
    presser = threading.Thread(target=press)
    presser.start()
    try:
        yield given_up
    finally:
        over.set()
        presser.join()
        signal.signal(signal.SIGINT, previous)
