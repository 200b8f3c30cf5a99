"""Regressions: faults of the core that the conformance suite brought to light."""

import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mboxio import (
    SENT,
    Capabilities,
    ClosedError,
    Connection,
    Done,
    Outcome,
    Ports,
    RemoteError,
    RequestTimeout,
    Tagged,
)
from mboxio._base.deputies import acting
from mboxio.controllers.loopback import Loopback
from mboxio.driver.controller import POLL
from mboxio.testing.tracer import Tracer
from tests.drivers import AckMailbox, CountFifo, Fake, IrqFifo, RegisterMailbox, SharedFifo

WAIT_S = 20.0


class Matching(Fake):
    capabilities = Capabilities(depth=4, matches_replies=True)


def test_unsolicited_messages_reach_the_port() -> None:
    driver = SharedFifo()
    heard: list[bytes] = []
    with Connection(driver) as connection:
        connection.client(0, ports=Ports(received=heard.append))
        driver.far.notify(0, bytes(8))
        connection._host.pump.look()
    assert heard == [bytes(8)]


def test_a_tx_done_port_is_called_though_nobody_waits() -> None:
    driver = RegisterMailbox()
    left = threading.Event()
    with Connection(driver) as connection:
        client = connection.client(0, ports=Ports(tx_done=lambda message, status: left.set()))
        client.post(b"once")
        assert left.wait(WAIT_S)


def test_tx_prepare_leaves_the_message_in_flight_alone() -> None:
    """Classic clients put the payload into shared memory in tx_prepare."""
    driver = RegisterMailbox()
    driver.far.stall()
    prepared: list[bytes] = []
    with Connection(driver) as connection:
        client = connection.client(0, backlog=20, ports=Ports(tx_prepare=prepared.append))
        client.post(b"sent")
        waits = client.post(b"wait")
        waits.done()
        assert prepared == [b"sent"]


def test_a_question_without_a_handler_is_refused() -> None:
    driver = Loopback()
    answers: list[tuple[bytes, int]] = []
    with Connection(driver) as connection:
        connection.client(0)
        driver.ask(0, b"anyone?", lambda reply, status: answers.append((reply, status)))
    assert answers == [(b"no handler", errno.ENOSYS)]


class LiesWhenPolled(RegisterMailbox):
    def service(self, queue: Any, why: str) -> None:
        if why == POLL:
            raise RemoteError("an index out of range")
        super().service(queue, why)


def test_a_lie_met_by_the_poll_timer_stops_the_queue() -> None:
    driver = LiesWhenPolled()
    driver.far.stall()
    with Connection(driver) as connection:
        client = connection.client(0)
        request = client.post(b"once")
        request.wait(WAIT_S)
        assert connection._host.queues[0].fault is not None


class CountsServices(CountFifo):
    """Tells when another thread than its maker's services it."""

    def __init__(self) -> None:
        super().__init__()
        self.maker = acting()
        self.elsewhere = threading.Event()

    def service(self, queue: Any, why: str) -> None:
        super().service(queue, why)
        if acting() != self.maker:
            self.elsewhere.set()


def test_who_lost_the_lead_does_not_disarm_the_new_leader() -> None:
    """The service thread leads for the subscription until the reader takes the lead from it."""
    driver = CountsServices()
    sleeping_service = threading.Event()
    notified: list[bool] = []

    def trace(point: str, subject: object) -> None:
        if point != "pump.sleeping" or notified:
            return
        if acting() != driver.maker:
            sleeping_service.set()
            return
        driver.elsewhere.wait(0.1)
        notified.append(True)
        driver.far.notify(0, bytes(8))

    with Connection(driver, tap=Tracer(trace)) as connection:
        client = connection.client(0)
        with client.subscribe() as messages:
            assert sleeping_service.wait(2)
            driver.elsewhere.clear()
            started_ns = connection._host.gate.clock.now_ns()
            messages.get(WAIT_S)
            took_s = (connection._host.gate.clock.now_ns() - started_ns) / 1e9
    assert took_s < 0.9 * WAIT_S


def test_the_service_thread_is_kicked_out_of_its_sleep() -> None:
    """A reader takes the lead while the service thread is about to sleep as the leader."""
    driver = IrqFifo()
    reader = acting()
    about_to_sleep, go_on, called = threading.Event(), threading.Event(), threading.Event()
    naps: list[int] = []

    def trace(point: str, subject: object) -> None:
        if point == "pump.sleeping":
            if acting() != reader:
                about_to_sleep.set()
                go_on.wait(2)
            else:
                naps.append(1)
                if len(naps) == 2:  # the first one ended with the service thread's kick
                    go_on.set()

    with Connection(driver) as connection:
        client = connection.client(0)
        client.send(b"over already")
        sent = client.post(b"over, too")
        assert sent.wait(2)
        connection._host.add_tap(Tracer(trace))
        with client.subscribe() as messages:
            assert about_to_sleep.wait(2)
            with pytest.raises(RequestTimeout):
                messages.get(0.05)
            go_on.set()
            sent.add_done_callback(lambda request: called.set())
            in_time = called.wait(WAIT_S)
            connection._host.gate.tap = None
            driver.interrupt()
    assert in_time


def test_the_client_s_word_is_about_the_oldest_message_that_has_not_left() -> None:
    driver = AckMailbox()
    with Connection(driver) as connection:
        client = connection.client(0)
        client.request(b"answered")
        sent = client.post(b"one way")
        client.tx_done()
        assert sent.done()


def test_an_ack_mailbox_works_again_after_resync() -> None:
    driver = AckMailbox()
    with Connection(driver) as connection:
        client = connection.client(0)
        driver.far.stall()
        assert client.submit(b"lost", timeout_s=0.001).wait(1)
        driver.far.resume()
        connection._host.pump.look()
        client.resync()
        assert client.request(b"next", queue_timeout_s=WAIT_S) == b"next"


def test_close_ends_a_waiter_that_is_about_to_sleep() -> None:
    driver = IrqFifo()
    driver.far.stall()
    closers: list[threading.Thread] = []
    ends: list[BaseException] = []
    waiter = threading.Thread(target=lambda: ends.extend(raised(client.request, b"never")))

    def trace(point: str, subject: object) -> None:
        if point == "pump.sleeping" and threading.current_thread() is waiter and not closers:
            closers.append(threading.Thread(target=connection.close))
            closers[0].start()
            closers[0].join(2)

    with Connection(driver, tap=Tracer(trace)) as connection:
        client = connection.client(0)
        waiter.start()
        waiter.join(5)
    assert [type(end) for end in ends] == [ClosedError]


def raised(call: Callable[[bytes], object], message: bytes) -> list[BaseException]:
    try:
        call(message)
    except Exception as error:
        return [error]
    return []


class Immediate(Fake):
    """Answers inside send(), in order."""

    capabilities = Capabilities(matches_replies=True, replies_in_order=True)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return Done(message)


def test_done_at_once_leaves_nothing_expected() -> None:
    with Connection(Immediate()) as connection:
        client = connection.client(0)
        for _ in range(3):
            client.request(b"quick")
        assert not connection._host.find_channel(0).order.expected


def test_an_answer_goes_the_way_the_question_came() -> None:
    """The driver knows the question's tag apart from the message, so the answer needs reply()."""
    driver = Loopback()
    answered = threading.Event()
    with Connection(driver) as connection:
        client = connection.client(0, correlator=Tagged(bits=8))
        client.on_request(lambda message: message)
        driver.ask(0, bytes(8), lambda reply, status: answered.set())
        assert answered.wait(WAIT_S)


class Lent:
    returned = False

    def give_back(self) -> None:
        self.returned = True


class Rejects(Fake):
    capabilities = Capabilities(matches_replies=True)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.tx_done(self.queue, [handle], errno.EIO)
        return SENT


def test_memory_lent_to_a_message_that_never_left_comes_back() -> None:
    lent = Lent()
    with Connection(Rejects()) as connection:
        request = connection.client(0).submit(b"never seen", lent=lent)
        with pytest.raises(RemoteError):
            request.result()
        assert lent.returned


def test_a_hook_that_raises_costs_no_slot() -> None:
    def refuse(message: bytes) -> None:
        raise KeyError("no room in the shared memory")

    with Connection(Matching()) as connection:
        client = connection.client(0, ports=Ports(tx_prepare=refuse))
        ends = raised(client.request, b"never")
        assert connection._host.queues[0].slots_used == 0
        assert ends
