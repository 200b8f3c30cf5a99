"""Ctrl-C at any point: the verb's request ends, the lock is free, and the others go on."""

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mboxio import Client, Connection, Outcome, Ports
from mboxio._base.clock import Clock, Parker
from mboxio._base.deputies import acting
from mboxio.testing.tracer import PUMP_SLEEPING, Tracer
from tests.race.manual import Manual

from .support import PATIENCE_S, SECOND, attach, ctrl_c


def in_main_thread() -> bool:
    return acting() == threading.main_thread().ident


def asleep_on(connection: Connection) -> threading.Event:
    """Return what is set when somebody is about to sleep on the descriptors."""
    asleep = threading.Event()
    connection._host.add_tap(Tracer(lambda point, _: point == PUMP_SLEEPING and asleep.set()))
    return asleep


class InterruptedInSend(Manual):
    """Ctrl-C comes while the driver's Python code runs."""

    interrupt = False

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        if self.interrupt:
            self.interrupt = False
            raise KeyboardInterrupt
        return super().send(channel, handle, message)


def test_ctrl_c_in_send_ends_the_request_and_close_works() -> None:
    driver = InterruptedInSend(depth=2)
    with attach(driver) as connection:
        client = connection.client(0)
        driver.interrupt = True
        with pytest.raises(KeyboardInterrupt):
            client.request(b"x")
        assert all(request.over for request in driver.queue.in_flight())
    assert connection.closed


def test_ctrl_c_in_send_does_not_lose_a_request_of_the_backlog() -> None:
    driver = InterruptedInSend(depth=1)
    with attach(driver) as connection:
        client = connection.client(0, backlog=1)
        first = client.submit(b"1")
        second = client.submit(b"2")
        driver.interrupt = True
        with pytest.raises(KeyboardInterrupt):
            driver.answer(b"", 0)
        assert first.over
        connection._host.gate.clock.advance(10 * SECOND)  # type: ignore[attr-defined]
        assert second.done(), second


class Reports(Manual):
    """Reports news while it sends ``verb``: a port runs when the lock is released."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        if message == b"verb":
            self.received(channel, [b"news"])
        return super().send(channel, handle, message)


def test_ctrl_c_after_a_message_was_accepted_still_ends_it() -> None:
    """A port runs on the thread of the verb; Ctrl-C there must not orphan the request."""
    driver = Reports(depth=4)
    with attach(driver) as connection:
        client = connection.client(0)

        def port(message: bytes) -> None:
            raise KeyboardInterrupt

        connection.client(0, ports=Ports(received=port))
        with pytest.raises(KeyboardInterrupt):
            client.request(b"verb", timeout_s=None)
        (request,) = driver.queue.in_flight()
        assert request.over, "the verb owns its request"


class InterruptedOnReturn(Client):
    """A signal that comes in ``begin`` is handled where the call returns."""

    def _hand_in(self, *args: Any) -> Any:
        super()._hand_in(*args)
        raise KeyboardInterrupt


def test_ctrl_c_when_a_verb_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mboxio.client.connection.Client", InterruptedOnReturn)
    driver = Manual()
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=None)
        with pytest.raises(KeyboardInterrupt):
            client.request(b"")
        (request,) = driver.queue.in_flight()
        assert request.over, "the verb owns its request"


def test_ctrl_c_while_the_lead_is_taken_from_the_service_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call that relieves the service thread is Python code: a handler may raise in it."""
    with Connection(Manual(wired=True)) as connection:
        worker = connection._host.worker
        asleep = asleep_on(connection)
        client = connection.client(0)
        client.on_request(lambda message: message)  # unattended: the service thread leads
        assert asleep.wait(PATIENCE_S)
        assert connection._host.pump.leader is worker.parker
        request = client.submit(b"", timeout_s=None)
        ring = worker.ring
        pressed: list[bool] = []

        def interrupted() -> None:
            if in_main_thread() and not pressed:
                pressed.append(True)
                raise KeyboardInterrupt
            ring()

        monkeypatch.setattr(worker, "ring", interrupted)
        with pytest.raises(KeyboardInterrupt):
            request.wait()
        assert connection._host.pump.leader in (None, worker.parker), "a leader that is gone"


class Ringing(Manual):
    """A ring whose remote rings only if the host said that it sleeps."""

    announced = False
    interrupt = False

    def service(self, queue: Any, why: str) -> None:
        self.announced = False
        if self.interrupt and in_main_thread():
            self.interrupt = False
            raise KeyboardInterrupt
        super().service(queue, why)

    def arm(self, queue: Any) -> bool:
        self.announced = True
        return super().arm(queue)


@pytest.mark.parametrize("verb", ["done", "wait", "begin"])
def test_ctrl_c_in_a_look_leaves_the_sleepers_announced(verb: str) -> None:
    driver = Ringing(wired=True, depth=1)
    with Connection(driver) as connection:
        client = connection.client(0, timeout_s=None)
        asleep = asleep_on(connection)
        with client.subscribe():  # unattended: the service thread leads and sleeps
            assert asleep.wait(PATIENCE_S)
            request = client.submit(b"")
            driver.interrupt = True
            calls: dict[str, Callable[[], object]] = {
                "done": request.done,
                "wait": request.wait,
                "begin": lambda: client.submit(b""),
            }
            with pytest.raises(KeyboardInterrupt):
                calls[verb]()
            assert connection._host.pump.listening
            assert driver.announced, "the remote will not ring for the sleeper: a lost wake-up"


def hold_the_lock(connection: Connection, held: threading.Event, release: threading.Event) -> None:
    connection._host.gate.enter()
    held.set()
    release.wait(PATIENCE_S)
    connection._host.gate.leave()


def main_thread_is_in(*names: str) -> bool:
    """Tell whether the main thread runs, or waits in, a function of one of these names."""
    return sys._current_frames()[threading.main_thread().ident or 0].f_code.co_name in names


def test_ctrl_c_while_waiting_for_the_lock_leaves_it_free() -> None:
    """The wait itself must end: after it, a handler raises where the lock is held already."""
    with Connection(Manual()) as connection:
        messages = connection.client(0).subscribe()
        held, release = threading.Event(), threading.Event()
        holder = threading.Thread(target=hold_the_lock, args=(connection, held, release))
        holder.start()
        assert held.wait(PATIENCE_S)

        asking = threading.Event()

        def waits() -> bool:
            # Compiled code has no frames: there it seems to be in what called it.
            return asking.is_set() and main_thread_is_in("acquire", "take", "wait")

        with ctrl_c(waits, presses=400) as given_up:
            releaser = threading.Thread(target=lambda: (given_up.wait(), release.set()))
            releaser.start()

            def take() -> None:
                asking.set()
                messages.take()

            with pytest.raises(KeyboardInterrupt):
                take()
        for thread in (releaser, holder):
            thread.join()
        left = connection._host.gate.lock.mine()
        if left:
            connection._host.gate.leave()
        assert not left, "the lock is held for ever"
        messages.close()


class Watched(Clock):
    """Has the lock taken while the main thread is parked, and says when that thread goes on."""

    def __init__(self) -> None:
        self.parked, self.held, self.leaving = (threading.Event() for _ in range(3))
        self.until_ns = 0

    def park(self, parker: Parker, until_ns: int) -> None:
        if in_main_thread():
            self.until_ns = until_ns
            self.parked.set()
            assert self.held.wait(PATIENCE_S)
        super().park(parker, until_ns)

    def now_ns(self) -> int:
        now_ns = super().now_ns()
        if in_main_thread() and self.held.is_set() and now_ns >= self.until_ns:
            self.leaving.set()  # the last look at the clock before it asks for the lock
        return now_ns


def test_ctrl_c_while_a_waiter_steps_down_leaves_no_heir_that_is_gone() -> None:
    """Who stops waiting leaves the line of those who may lead, Ctrl-C or not."""
    driver, clock = Manual(wired=True), Watched()
    with Connection(driver, clock=clock) as connection:
        client = connection.client(0, timeout_s=None)
        first, second = client.submit(b"1"), client.submit(b"2")
        asleep = asleep_on(connection)
        leader = threading.Thread(target=first.wait)
        leader.start()
        assert asleep.wait(PATIENCE_S)
        release = threading.Event()

        def hold() -> None:
            assert clock.parked.wait(PATIENCE_S)
            hold_the_lock(connection, clock.held, release)

        holder = threading.Thread(target=hold)
        holder.start()
        with ctrl_c(clock.leaving.is_set, presses=400) as given_up:
            releaser = threading.Thread(target=lambda: (given_up.wait(), release.set()))
            releaser.start()
            with pytest.raises(KeyboardInterrupt):
                second.wait(0.05)
        for thread in (releaser, holder):
            thread.join()
        left = list(connection._host.pump.parked)
        connection._host.pump.parked.clear()
        driver.answer(b"", 0)
        leader.join()
        assert not left, "the next heir of the lead is gone: everybody else waits for ever"
