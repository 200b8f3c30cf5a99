"""While a lost remote is looked for nobody waits for that thread, spins, or calls it again."""

import asyncio
import threading
from typing import Any

import pytest

from mboxio import Busy, Connection, MailboxError, Outcome, Ports, RemoteGone, RequestTimeout
from mboxio._base.clock import Parker
from mboxio._host.host import Host
from mboxio._host.life import Life
from tests.race.manual import Manual

from .support import PATIENCE_S, SECOND, Fused, attach, look, reached


class Slow(Manual):
    """Its ``reconnect`` takes until the test says."""

    def __init__(self) -> None:
        super().__init__(epoch_source="link")
        self.inside, self.go_on, self.left = (threading.Event() for _ in range(3))

    def reconnect(self) -> bool:
        self.inside.set()
        self.go_on.wait(PATIENCE_S)
        self.left.set()
        return True


def test_submit_never_waits_for_another_threads_reconnect() -> None:
    driver = Slow()
    with Connection(driver) as connection:
        driver.link(True, 1)
        client = connection.client(0)
        driver.link(False, 1, "gone")
        other = threading.Thread(target=connection._host.life.try_again)
        other.start()
        assert driver.inside.wait(PATIENCE_S)
        with pytest.raises(RemoteGone):
            client.submit(b"")
        waited = driver.left.is_set()
        driver.go_on.set()
        other.join()
        assert not waited, "submit() waits for another thread's reconnect()"


class SlowInVirtualTime(Fused):
    """Its ``reconnect`` takes a second of the virtual clock and succeeds."""

    reconnecting: threading.Thread | None = None

    def reconnect(self) -> bool:
        self.reconnecting = threading.current_thread()
        clock = self.host.gate.clock
        clock.park(Parker(), clock.now_ns() + SECOND)
        self.reconnecting = None
        self.link(True, 2)
        return True


def test_nobody_spins_while_another_thread_reconnects() -> None:
    driver = SlowInVirtualTime(epoch_source="link")
    connection = attach(driver)
    driver.link(True, 1)
    messages = connection.client(0).subscribe()
    driver.link(False, 1, "gone")
    with pytest.raises(RemoteGone):
        messages.get()
    connection._host.gate.clock.advance(1)  # type: ignore[attr-defined]
    assert driver.reconnecting is connection._host.worker.thread is not None
    before = driver.turns_left
    with pytest.raises(RequestTimeout):
        messages.get(0.3)
    assert driver.reconnecting, "it lasted as long as the wait"
    assert before - driver.turns_left < 50
    connection._host.gate.clock.advance(SECOND)  # type: ignore[attr-defined]
    assert not connection._host.lost
    connection.close()  # not where it failed: time stands still, and the other holds a lock


class Lower(Manual):
    """Comes back once ``sought`` is set, and tells the layer above on the same thread."""

    def __init__(self) -> None:
        super().__init__(epoch_source="link")
        self.sought = threading.Event()

    def reconnect(self) -> bool:
        assert self.sought.wait(PATIENCE_S)
        self.link(True, 2)
        return True


class SoughtLife(Life):
    """Says when a caller misses the remote."""

    def seek(self) -> None:
        self.host.controller.sought.set()  # type: ignore[attr-defined]
        super().seek()


class Sought(Connection):
    """A connection to one."""

    def _attach(self, controller: Any, *_: object) -> Host:
        host = Host(controller)
        host.life.__class__ = SoughtLife
        return host


class Upper(Manual):
    """A driver over a client of another controller."""

    below: Any

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        try:
            self.below.post(message)
        except MailboxError:
            return Busy("event")
        return super().send(channel, handle, message)


def test_stacked_controllers_do_not_lock_each_other_out() -> None:
    """Sending: upper lock, lower's seek(). Reconnecting: reconnect(), a port, upper lock."""
    driver, upper_driver = Lower(), Upper()
    lower, upper = Sought(driver), Connection(upper_driver)
    driver.link(True, 1)
    upper_driver.below = lower.client(0, ports=Ports(link=lambda up: upper_driver.event()))
    client = upper.client(0, backlog=4)
    driver.link(False, 1, "gone")
    lower._host.pump.reconnect_ns = 0
    # Daemons: if each waits for the other's lock, nothing ends them.
    trying = threading.Thread(target=lower._host.life.try_again, daemon=True)
    sending = threading.Thread(target=lambda: client.submit(b"x"), daemon=True)
    trying.start()
    sending.start()
    sending.join(PATIENCE_S)
    trying.join(PATIENCE_S)
    assert not sending.is_alive(), "each waits for the other's lock"
    assert not trying.is_alive(), "each waits for the other's lock"
    upper.close()
    lower.close()


class Knocks(Manual):
    """Declares other descriptors whenever it reconnects, as a driver with a socket does."""

    def __init__(self) -> None:
        super().__init__(wired=True, epoch_source="link")
        self.tries = self.depth = self.deepest = 0

    def reconnect(self) -> bool:
        self.tries += 1
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        if self.depth < 20:
            self.watch()  # hang up
            self.watch(self.fd)  # knock again
        self.depth -= 1
        return True


def test_reconnect_is_not_called_inside_reconnect() -> None:
    async def run() -> int:
        driver = Knocks()
        with Connection(driver) as connection:
            driver.link(True, 1)
            async with connection.async_client(0):
                driver.link(False, 1, "gone")
                await reached(lambda: driver.tries >= 2)
        return driver.deepest

    assert asyncio.run(run()) == 1


class Hopeless(Fused):
    """Says at every look that its remote is gone, and that no try would help."""

    gone = False
    tries = 0

    def service(self, queue: Any, why: str) -> None:
        super().service(queue, why)
        if self.gone:
            self.link(False, -1, "gone")

    def reconnect(self) -> bool:
        self.tries += 1
        self.event()
        return False


def test_nobody_turns_in_circles_where_no_try_helps() -> None:
    driver = Hopeless(epoch_source="link")

    async def run() -> int:
        with attach(driver) as connection:
            driver.link(True, 1)
            async with connection.async_client(0) as client:
                request = client.submit(b"")
                before, driver.gone = driver.turns_left, True
                look(connection)
                await reached(lambda: driver.tries)
                assert isinstance(request.exception(), RemoteGone)
        return before - driver.turns_left

    assert asyncio.run(run()) < 50
    assert driver.tries == 1
