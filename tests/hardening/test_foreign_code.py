"""Code that Python runs between two steps of ours: signal handlers that raise, wait and ask.

What they raise comes out of whatever was running. It is not the driver's failure, it reaches the
caller, and everything works afterwards.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import mboxio
from mboxio import Connection, Outcome, Ports, RequestTimeout, Tagged, WouldDeadlock
from mboxio._base.gate import TRIES_MAX, is_foreign
from mboxio._base.native import COMPILED
from mboxio.local import sockets
from mboxio.remote import Remote
from mboxio.remote.serving import admission
from mboxio.sim import VirtualClock
from mboxio.testing.tracer import POINTS, PUMP_SLEEPING, Tracer
from tests.race.manual import Manual

from .support import PATIENCE_S, attach, until


class TooLong(Exception):
    """A time limit, as many programs make them of SIGALRM."""


@contextmanager
def handling(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Have a handler for SIGUSR1."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


ON_ONE_STACK = pytest.mark.skipif(
    not COMPILED, reason="in the pure build, what a handler asks for is done by a second deputy"
)


def strike() -> None:
    """Interrupt the main thread, as the kernel does where it has the choice."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


def limit(number: int, frame: FrameType | None) -> None:
    raise TooLong


class Interrupted(Manual):
    """A signal comes in one of its ops, once, before or after the op has done its work."""

    op = ""
    late = False

    def struck(self, op: str, late: bool) -> None:
        if self.op == op and self.late == late:
            self.op = ""
            strike()

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.struck("send", False)
        outcome = super().send(channel, handle, message)
        self.struck("send", True)
        return outcome

    def service(self, queue: Any, why: str) -> None:
        self.struck("service", False)
        super().service(queue, why)
        self.struck("service", True)

    def arm(self, queue: Any) -> bool:
        self.struck("arm", False)
        ready = super().arm(queue)
        self.struck("arm", True)
        return ready

    def abort(self, channel: Any, handle: int) -> bool:
        self.struck("abort", False)
        proven = super().abort(channel, handle)
        self.struck("abort", True)
        return proven


@pytest.mark.parametrize("late", [False, True], ids=["before its work", "after its work"])
@pytest.mark.parametrize("op", ["send", "service", "arm", "abort"])
def test_a_time_limit_in_an_op_is_the_callers(op: str, late: bool) -> None:
    driver = Interrupted(wired=True)
    with Connection(driver) as connection, handling(limit):
        client = connection.client(0, timeout_s=0.05)
        driver.op, driver.late = op, late
        with pytest.raises(TooLong):
            client.request(b"1")
        assert driver.queue.fault is None, "the driver has not failed"  # type: ignore[attr-defined]
        for index in range(len(driver.sent)):
            driver.answer(b"", index)
        request = client.submit(b"2", timeout_s=PATIENCE_S)
        driver.answer(b"fine")
        assert request.result() == b"fine"
        if op != "send" or late:
            assert connection.stats()["0"].held_slots == 0
            assert driver.queue.slots_used == 0


@pytest.mark.parametrize("point", [each for each in POINTS if each != PUMP_SLEEPING])
@pytest.mark.parametrize("error", [TooLong, KeyboardInterrupt])
def test_a_time_limit_at_a_trace_point(point: str, error: type[BaseException]) -> None:
    armed: list[str] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise error

    def tracer(passed: str, subject: object) -> None:
        if passed in armed:
            armed.clear()
            strike()

    driver = Manual(depth=1)
    clock = VirtualClock()
    with Connection(driver, clock=clock, tap=Tracer(tracer)) as connection, handling(interrupt):
        client = connection.client(0, backlog=1)
        armed.append(point)
        buffer = bytearray(8)

        def pass_all_points() -> None:
            client.submit(b"1", into=buffer)
            client.submit(b"2")
            driver.answer(b"1")

        with pytest.raises(error):
            pass_all_points()
        for index in range(len(driver.sent)):
            driver.answer(b"x", index)
        for index in range(len(driver.sent)):
            driver.answer(b"x", index)
        request = client.submit(b"3")
        driver.answer(b"3")
        assert request.result() == b"3"
        assert driver.queue.slots_used == 0


def test_a_time_limit_in_a_correlator_loses_no_message() -> None:
    class Odd(Tagged):
        strikes = False

        def classify(self, message: bytes) -> Any:
            if self.strikes:
                self.strikes = False
                strike()
            return super().classify(message)

    correlator = Odd(bits=8)
    driver = Manual(matches_replies=False, correlators=(correlator,))
    with attach(driver) as connection, handling(limit):
        request = connection.client(0).submit(b"\0\0\0\0?")
        correlator.strikes = True
        with pytest.raises(TooLong):
            driver.received(driver.channels[0], [driver.sent[0][2]])
        assert request.done()
        assert driver.queue.fault is None  # type: ignore[attr-defined]


def test_a_time_limit_in_a_port_is_not_swallowed() -> None:
    driver = Manual()
    heard: list[bytes] = []

    def port(message: bytes) -> None:
        heard.append(message)
        if message == b"1":
            strike()

    with attach(driver) as connection, handling(limit):
        connection.client(0, ports=Ports(received=port))
        with pytest.raises(TooLong):
            driver.received(driver.channels[0], [b"1", b"2"])
        assert heard == [b"1", b"2"]


def test_whose_exception_it_is() -> None:
    def by_handler() -> None:
        strike()

    def itself() -> None:
        raise TooLong

    with handling(limit):
        for function, foreign in ((by_handler, True), (itself, False)):
            with pytest.raises(TooLong) as caught:
                function()
            assert is_foreign(caught.value) is foreign
    with handling(lambda *args: itself()), pytest.raises(TooLong) as caught:
        by_handler()
    assert is_foreign(caught.value), "a handler with other arguments"


# -- handlers that use the connection that they interrupt


@ON_ONE_STACK
@pytest.mark.parametrize("depth", [1, 3])
def test_a_handler_asks_while_its_thread_sleeps(depth: int) -> None:
    """Each sleep is interrupted by a handler that sleeps as well, down to the last."""
    driver = Manual(wired=True)
    deep = 0

    def tracer(point: str, subject: object) -> None:
        if point == PUMP_SLEEPING and len(driver.sent) <= depth:
            strike()
        elif point == PUMP_SLEEPING:
            driver.answer(driver.sent[-1][2])  # nobody else is left who could go on

    with Connection(driver, tap=Tracer(tracer)) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S)

        def ask(number: int, frame: FrameType | None) -> None:
            nonlocal deep
            deep += 1
            below = len(driver.sent) - 1
            message = bytes([deep])
            assert client.request(message) == message
            driver.answer(driver.sent[below][2], below)

        with handling(ask):
            assert client.request(b"main") == b"main"
        assert deep == depth
        assert connection._host.pump.leader is None
        assert not connection._host.pump.parked


@pytest.mark.parametrize("depth", [1, 3])
def test_handlers_ask_and_all_are_answered(depth: int) -> None:
    """The main thread waits, is interrupted, and waits in each handler as well."""
    driver = Manual(wired=True)
    deep = 0
    asleep = threading.Event()

    def tracer(point: str, subject: object) -> None:
        if point == PUMP_SLEEPING:
            asleep.set()

    with Connection(driver, tap=Tracer(tracer)) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S)
        pump = connection._host.pump

        def disturb() -> None:
            for _ in range(depth):
                known = len(driver.sent)
                # In an op it would be refused; the pure build's main thread is in none.
                until(lambda: asleep.is_set() or not COMPILED)
                asleep.clear()
                strike()
                until(lambda: len(driver.sent) > known)  # noqa: B023
            for index in reversed(range(depth + 1)):
                driver.answer(driver.sent[index][2], index)

        def ask(number: int, frame: FrameType | None) -> None:
            nonlocal deep
            deep += 1
            message = bytes([deep])
            assert client.request(message) == message

        helper = threading.Thread(target=disturb)
        with handling(ask):
            request = client.submit(b"main")
            helper.start()
            assert request.result() == b"main"
            helper.join()
        assert deep == depth
        assert pump.leader is None
        assert not pump.parked


@ON_ONE_STACK
def test_a_handler_asks_while_its_thread_stands_by() -> None:
    """The lead is left to whoever can go on: the handler, not the wait that it interrupted."""
    driver = Manual(wired=True)
    main = threading.get_ident()
    got: list[bytes] = []
    with Connection(driver) as connection:
        client = connection.client(0, timeout_s=PATIENCE_S)
        pump = connection._host.pump

        def lead() -> None:
            got.append(client.request(b"other"))

        def strike_later() -> None:
            until(lambda: pump.parked)
            strike()

        def answer() -> None:
            until(lambda: pump.leader is not None and pump.leader.thread_id == main)
            driver.answer(b"handler", 2)

        def ask(number: int, frame: FrameType | None) -> None:
            request = client.submit(b"handler")
            driver.answer(b"other", 0)  # the leader leaves
            helper = threading.Thread(target=answer)
            helper.start()
            got.append(request.result())
            helper.join()
            driver.answer(b"main", 1)

        leader, striker = threading.Thread(target=lead), threading.Thread(target=strike_later)
        with handling(ask):
            leader.start()
            until(lambda: pump.leader is not None)
            striker.start()
            assert client.request(b"main") == b"main"
            leader.join()
            striker.join()
        assert sorted(got) == [b"handler", b"other"]
        assert pump.leader is None
        assert not pump.parked


@ON_ONE_STACK
def test_a_request_under_the_lock_is_refused() -> None:
    errors: list[BaseException] = []
    driver = Interrupted()
    with attach(driver) as connection:
        client = connection.client(0)

        def ask(number: int, frame: FrameType | None) -> None:
            try:
                client.request(b"inner")
            except WouldDeadlock as error:
                errors.append(error)

        with handling(ask):
            driver.op = "send"
            request = client.submit(b"outer")
            driver.answer(b"!")
            assert request.result() == b"!"
    assert len(errors) == 1


def test_deadlines_hold_beside_a_leader_that_cannot_go_on() -> None:
    driver = Manual(wired=True)
    stuck, free = threading.Event(), threading.Event()

    def tracer(point: str, subject: object) -> None:
        if point == PUMP_SLEEPING and threading.current_thread() is not threading.main_thread():
            stuck.set()
            free.wait(PATIENCE_S)

    with Connection(driver, tap=Tracer(tracer)) as connection:
        client = connection.client(0)
        thread = threading.Thread(target=client.submit(b"", timeout_s=PATIENCE_S).wait)
        thread.start()
        assert stuck.wait(PATIENCE_S)
        with pytest.raises(RequestTimeout):
            client.request(b"", timeout_s=0.02)
        assert not free.is_set(), "the leader was still busy with something else"
        free.set()
        driver.answer(b"", 0)
        thread.join()


def test_thousands_of_time_limits_on_one_connection() -> None:
    limits = 0
    remote = Remote("limits")
    remote.handler("a")(bytes)
    before = signal.signal(signal.SIGALRM, limit)
    try:
        with remote, mboxio.open("shm:limits/a", timeout_s=PATIENCE_S) as client:
            while limits < 2000:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0003)
                    while True:
                        assert client.request(b"x") == b"x"
                except TooLong:
                    limits += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert client.request(b"fine") == b"fine"
            assert client._queue.fault is None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_doorbell_of_a_remote_is_rung_though_a_handler_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message lies in the ring already, and the host asks for one doorbell only."""
    remote = Remote("bell")
    remote.channel("a", depth=4, message_bytes=32)
    struck: list[int] = []
    rung: list[int] = []
    ring = sockets.ring_doorbell

    def bell(connection: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            if not struck:
                struck.append(1)
                signal.raise_signal(signal.SIGUSR1)
            rung.append(1)
        ring(connection)

    monkeypatch.setattr(admission, "ring_doorbell", bell)
    with remote, mboxio.open("shm:bell/a", timeout_s=PATIENCE_S) as client:
        asleep = threading.Event()
        heard: list[bytes] = []
        with client.subscribe() as messages:
            listener = threading.Thread(target=lambda: heard.append(messages.get(PATIENCE_S)))

            def watch(point: str, _: object) -> None:
                # The service thread may lie down just before it is relieved: that is not yet it.
                if point == PUMP_SLEEPING and threading.current_thread() is listener:
                    asleep.set()

            client._host.add_tap(Tracer(watch))
            listener.start()
            assert asleep.wait(PATIENCE_S)
            with handling(limit), pytest.raises(TooLong):
                remote.notify("a", b"news")
            listener.join()
        assert heard == [b"news"]
        assert rung, "it woke for another reason"


def test_signals_that_come_faster_than_a_driver_works() -> None:
    """The op is given up for now, and that is not taken for the driver's failure."""

    class Stormy(Manual):
        storm = 0

        def service(self, queue: Any, why: str) -> None:
            if self.storm:
                self.storm -= 1
                limit(signal.SIGALRM, sys._getframe())
            super().service(queue, why)

    driver = Stormy(wired=True)
    with attach(driver) as connection:
        request = connection.client(0).submit(b"?")
        driver.answer(b"!")
        driver.storm = TRIES_MAX + 2
        with pytest.raises(TooLong):
            request.wait(PATIENCE_S)
        assert not driver.storm
        assert driver.queue.fault is None  # type: ignore[attr-defined]
        assert request.result() == b"!"
