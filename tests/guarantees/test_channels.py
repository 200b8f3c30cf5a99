"""Guarantees 10 to 14: receiving, waiting, order; and how TX done is learnt."""

import os
import threading
from itertools import pairwise
from typing import Any

import pytest

from mboxio import (
    AddressError,
    Busy,
    Connection,
    Controller,
    InOrder,
    MessagesLost,
    Outcome,
    Ports,
    QueueFull,
    RemoteGone,
    RequestTimeout,
    TxDone,
)
from mboxio.driver.capabilities import Capabilities
from mboxio.sim import VirtualClock
from mboxio.testing.tracer import Tracer
from tests.race.manual import Manual

pytestmark = pytest.mark.usefixtures("locks_checked")

SECOND = 1_000_000_000


def attach(driver: Controller) -> Connection:
    return Connection(driver, clock=VirtualClock())


# -- 10: RX always drains


def test_10_a_slow_subscriber_is_told_what_it_lost() -> None:
    driver = Manual()
    with attach(driver) as connection, connection.client(0).subscribe(limit=2) as messages:
        for number in range(5):
            driver.notify(bytes([number]))
        with pytest.raises(MessagesLost) as caught:
            messages.get()
        assert caught.value.count == 3
        assert [messages.get(), messages.get()] == [b"\3", b"\4"]
        with pytest.raises(RequestTimeout):
            messages.get(1.0)
        assert connection.stats()["0"].messages_lost == 3


def test_10_a_message_without_subscriber_is_counted() -> None:
    driver = Manual()
    with attach(driver) as connection:
        driver.notify(b"anybody?")
        assert connection.stats()["0"].unclaimed == 1


def test_10_every_client_hears_the_unsolicited() -> None:
    driver = Manual()
    with attach(driver) as connection:
        one, other = (connection.client(0).subscribe() for _ in range(2))
        driver.notify(b"both")
        assert one.get() == other.get() == b"both"


def test_10_the_hosts_answers_have_a_slot_of_their_own() -> None:
    driver = Manual(depth=2)
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=None)
        client.on_request(lambda message: b"answer to " + message)
        client.submit(b"fills the queue")
        with pytest.raises(QueueFull):
            client.submit(b"one slot is reserved")
        driver.ask(7, b"question")
        connection._host.gate.clock.advance(1)  # type: ignore[attr-defined]
        assert driver.answers == [(7, b"answer to question", 0)]


def test_10_a_failing_handler_is_told_to_the_remote(caplog: pytest.LogCaptureFixture) -> None:
    driver = Manual(depth=2)
    with attach(driver) as connection:
        clock: Any = connection._host.gate.clock
        client = connection.client(0)
        driver.ask(1, b"before there is a handler")
        clock.advance(1)
        client.on_request(lambda message: 1 // 0)  # type: ignore[arg-type,return-value]
        driver.ask(2, b"boom")
        clock.advance(1)
        assert [(tag, status) for tag, _, status in driver.answers] == [(1, 38), (2, 5)]
        assert "ZeroDivisionError" in caplog.text
        assert connection.stats()["0"].remote_requests_refused == 1
        with pytest.raises(AddressError, match="handler already"):
            connection.client(0).on_request(lambda message: message)


def test_10_a_handler_answers_for_as_long_as_the_remote_asks() -> None:
    driver = Manual(depth=4)
    with attach(driver) as connection:
        clock: Any = connection._host.gate.clock
        connection.client(0).on_request(lambda message: message, limit=2)
        for tag in range(20):
            driver.ask(tag, bytes([tag]))
            clock.advance(1)
        assert driver.answers == [(tag, bytes([tag]), 0) for tag in range(20)]


def test_10_the_remotes_flood_of_requests_is_bounded() -> None:
    driver = Manual(depth=4)
    with attach(driver) as connection:
        release = threading.Event()
        client = connection.client(0)
        client.on_request(lambda message: message, limit=3)
        for tag in range(1000):
            driver.ask(tag, b"?")
        assert connection.stats()["0"].remote_requests_refused == 997
        assert len(connection._host.worker.jobs) <= 3
        release.set()


# -- 11: a lost remote


def test_11_subscribers_hear_of_the_remotes_death_in_its_place() -> None:
    driver = Manual()
    with attach(driver) as connection:
        driver.link(True, 1)
        messages = connection.client(0).subscribe()
        driver.notify(b"before")
        driver.link(True, 2)
        driver.notify(b"after")
        assert messages.get() == b"before"
        with pytest.raises(RemoteGone):
            messages.get()
        assert messages.get() == b"after"


def test_11_a_lost_remote_is_looked_for_with_growing_pauses() -> None:
    tries: list[int] = []

    class Away(Manual):
        def reconnect(self) -> bool:
            tries.append(self.host.gate.clock.now_ns())
            if len(tries) == 5:
                self.link(True, 2)
            return True

    driver = Away()
    with attach(driver) as connection:
        driver.link(True, 1)
        client = connection.client(0, queue_timeout_s=9.0)
        driver.link(False, 0, "unplugged")
        clock: Any = connection._host.gate.clock
        clock.call_at(clock.now_ns() + SECOND, lambda: driver.answer(b"here"))
        assert client.request(b"", timeout_s=9.0) == b"here"
        pauses = [later - earlier for earlier, later in pairwise(tries)]
        assert pauses == sorted(pauses)
        assert pauses[0] < pauses[-1]


# -- 12: doorbells and wake-ups


def test_12_what_comes_between_the_look_and_the_sleep_is_seen() -> None:
    """The reply arrives after the last look; arming looks again, so nobody sleeps over it."""

    class Sneaky(Manual):
        armed = 0

        def arm(self, queue: Any) -> bool:
            self.armed += 1
            if self.armed == 1:
                channel, handle, _ = self.sent[0]
                self.waiting.append((self.complete, (channel, handle, 0, b"sneaked in")))
            return bool(self.waiting)

    driver = Sneaky()
    with attach(driver) as connection:
        assert connection.client(0, timeout_s=None).request(b"") == b"sneaked in"


# -- 13: waiting costs nothing


def test_13_a_parked_waiter_inherits_the_lead() -> None:
    driver = Manual(wired=True)
    with Connection(driver) as connection:
        client = connection.client(0, timeout_s=None)
        asleep = threading.Semaphore(0)
        connection._host.add_tap(
            Tracer(lambda point, _: point == "pump.sleeping" and asleep.release())
        )
        requests = [client.submit(bytes([number])) for number in range(2)]
        replies: list[bytes] = []
        threads = [
            threading.Thread(target=lambda request=request: replies.append(request.result()))
            for request in requests
        ]
        threads[0].start()
        assert asleep.acquire(timeout=20)
        leader = connection._host.pump.leader
        threads[1].start()
        while not connection._host.pump.parked:
            os.sched_yield()
        driver.answer(b"for the leader", 0)
        threads[0].join()
        assert asleep.acquire(timeout=20), "the parked thread leads now"
        assert connection._host.pump.leader is not leader
        assert connection._host.pump.leader is not None
        driver.answer(b"for the heir", 1)
        threads[1].join()
        assert replies == [b"for the leader", b"for the heir"]


# -- 14: order


def test_14_clients_take_turns_and_each_keeps_its_order() -> None:
    driver = Manual(depth=1)
    with attach(driver) as connection:
        blocker = connection.client(0)
        first = blocker.post(b"blocker")
        clients = [connection.client(0, backlog=3) for _ in range(3)]
        for name, client in zip("abc", clients, strict=True):
            for number in range(3):
                client.post(f"{name}{number}".encode())
        with pytest.raises(QueueFull):
            blocker.post(b"nobody overtakes those who wait")
        while driver.queue.slots_used:
            driver.done()
        assert first.done()
        sent = [message.decode() for _, _, message in driver.sent[1:]]
        assert sent == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_14_the_next_message_goes_out_before_the_last_ones_callback() -> None:
    driver = Manual(depth=1)
    order: list[str] = []
    with attach(driver) as connection:
        tell = Tracer(lambda point, request: order.append(f"{point} {request and request.handle}"))
        connection._host.add_tap(tell)
        client = connection.client(
            0, backlog=2, ports=Ports(tx_done=lambda message, status: order.append("callback"))
        )
        client.post(b"1")
        client.post(b"2")
        order.clear()
        driver.done(0)
        assert order == [
            "request.tx_done 0",
            "request.ended 0",
            "request.sending 2",
            "request.sent 2",
            "callback",
        ]


def test_14_a_channel_without_tag_does_not_hold_up_the_others() -> None:
    driver = Manual(depth=2, reply_credits=1)
    with attach(driver) as connection:
        asking, telling = connection.client(0, backlog=2), connection.client(0, backlog=2)
        asking.submit(b"takes the only credit")
        asking.submit(b"waits for the credit")
        telling.post(b"needs none")
        driver.done(0)
        assert [message for _, _, message in driver.sent][1:] == [b"needs none"]


# -- how TX done is learnt


def test_tx_done_by_polling_asks_every_period_while_a_slot_is_used() -> None:
    asked: list[int] = []

    class Polled(Manual):
        def service(self, queue: Any, why: str) -> None:
            if why == "poll":
                asked.append(self.host.gate.clock.now_ns())
                if len(asked) == 3:
                    self.tx_done(queue, 1)

    driver = Polled(depth=1, tx_done=TxDone.POLL, poll_s=0.5)
    with attach(driver) as connection:
        connection.client(0, timeout_s=9.0).send(b"")
        assert asked == [SECOND // 2, SECOND, 3 * SECOND // 2]


def test_tx_done_by_acknowledgement_is_the_clients_word() -> None:
    driver = Manual(depth=1, tx_done=TxDone.ACK)
    with attach(driver) as connection:
        client = connection.client(0)
        request = client.post(b"")
        assert not request.done()
        client.tx_done()
        assert request.result() == b""


@pytest.mark.parametrize("retry", ["event", "at"])
def test_busy_hardware_is_tried_again(retry: str) -> None:
    driver = Manual(depth=2)
    with attach(driver) as connection:
        client = connection.client(0, backlog=1, timeout_s=9.0)
        driver.outcomes = [Busy(retry, at_ns=SECOND)] * 2
        request = client.post(b"")
        assert request.status == "queued"
        driver.outcomes = []
        if retry == "event":
            driver.event()
            connection._host.pump.look()
        else:
            connection._host.gate.clock.advance(SECOND)  # type: ignore[attr-defined]
        assert request.status == "sent"


def test_busy_until_tx_done_with_nothing_on_its_way_is_no_standstill() -> None:
    driver = Manual(depth=2, poll_s=0.5)
    with attach(driver) as connection:
        driver.outcomes = [Busy("tx_done")] * 2
        request = connection.client(0, backlog=1, queue_timeout_s=9.0).post(b"")
        connection._host.gate.clock.advance(SECOND)  # type: ignore[attr-defined]
        assert request.status == "sent"


def test_a_minimum_gap_between_messages_is_kept() -> None:
    driver = Manual(depth=8, min_gap_s=1.0)
    with attach(driver) as connection:
        clock: Any = connection._host.gate.clock
        client = connection.client(0, backlog=2, queue_timeout_s=9.0, timeout_s=None)
        times: list[int] = []
        tell = Tracer(lambda point, _: point == "request.sent" and times.append(clock.now_ns()))
        connection._host.add_tap(tell)
        for _ in range(3):
            client.post(b"")
        clock.advance(5 * SECOND)
        assert times == [0, SECOND, 2 * SECOND]


def test_the_classic_mailbox_is_a_configuration() -> None:
    """One active message, twenty queued, prepare and TX-done hooks, no correlator."""
    driver = Manual(depth=1, matches_replies=False)
    events: list[tuple[str, bytes, int]] = []
    with attach(driver) as connection:
        ports = Ports(
            tx_prepare=lambda message: events.append(("prepare", message, 0)),
            tx_done=lambda message, status: events.append(("done", message, status)),
            received=lambda message: events.append(("received", message, 0)),
        )
        client = connection.client(0, backlog=20, ports=ports)
        for number in range(21):
            client.post(bytes([number]))
        with pytest.raises(QueueFull):
            client.post(b"the 22nd")
        driver.done(0)
        driver.done(1, status=5)
        driver.notify(b"hello")
        assert events == [
            ("prepare", b"\0", 0),
            ("prepare", b"\1", 0),
            ("done", b"\0", 0),
            ("prepare", b"\2", 0),
            ("done", b"\1", 5),
            ("received", b"hello", 0),
        ]
        with pytest.raises(AddressError, match="cannot tie replies"):
            client.submit(b"")


@pytest.mark.parametrize(("can_send", "can_receive"), [(True, False), (False, True)])
def test_channels_may_be_one_way(can_send: bool, can_receive: bool) -> None:
    class OneWay(Controller):
        def open(self) -> None:
            queue = self.add_queue(Capabilities(matches_replies=True))
            self.add_channel("x", queue, can_send=can_send, can_receive=can_receive)

        def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
            return Busy("event")

    with attach(OneWay()) as connection:
        client = connection.client("x")
        with pytest.raises(AddressError):
            client.submit(b"")
        if can_send:
            with pytest.raises(AddressError, match="send-only"):
                client.subscribe()
        else:
            with pytest.raises(AddressError, match="listen-only"):
                client.post(b"")
            client.subscribe().close()


def test_several_channels_share_a_queue() -> None:
    driver = Manual(depth=2, matches_replies=False, correlators=(InOrder(2), InOrder(2)))
    with attach(driver) as connection:
        one, two = connection.client(0), connection.client(1)
        first, second = one.submit(b"1"), two.submit(b"2")
        with pytest.raises(QueueFull):
            one.submit(b"3")
        driver.received(driver.channels[1], [b"for two"])
        assert second.result() == b"for two"
        driver.received(driver.channels[0], [b"for one"])
        assert first.result() == b"for one"


def test_a_driver_that_refuses_to_start_refuses_the_client() -> None:
    class Unwilling(Manual):
        def start(self, channel: Any) -> None:
            super().start(channel)
            if len(self.started) == 1:
                raise OSError("not now")

    driver = Unwilling()
    with attach(driver) as connection:
        with pytest.raises(OSError, match="not now"):
            connection.client(0)
        assert driver.stopped == [], "what did not start is not stopped"
        with connection.client(0), connection.client(0):
            assert driver.started == ["0", "0"]
        assert driver.stopped == ["0"]


def test_flush_waits_for_this_client_only_and_ends_nothing() -> None:
    driver = Manual(depth=2)
    with attach(driver) as connection:
        client = connection.client(0, backlog=2, queue_timeout_s=None)
        other = connection.client(0)
        other.post(b"not mine", timeout_s=None)
        mine = [client.post(bytes([number]), timeout_s=None) for number in range(2)]
        with pytest.raises(RequestTimeout):
            client.flush(1.0)
        assert [request.status for request in mine] == ["sent", "queued"]
        clock: Any = connection._host.gate.clock
        clock.call_at(clock.now_ns() + 1, lambda: driver.done(1))
        clock.call_at(clock.now_ns() + 2, lambda: driver.done(2))
        client.flush(1.0)
        assert all(request.done() for request in mine)
        assert driver.queue.slots_used == 1
