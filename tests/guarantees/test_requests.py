"""Guarantees 1 to 9: requests, what they hold, and the caller's memory."""

import threading
from typing import Any

import pytest

from mboxio import (
    Busy,
    ClosedError,
    Connection,
    DriverError,
    InOrder,
    MessageTooLong,
    OutOfStep,
    QueueFull,
    RemoteError,
    RemoteGone,
    ReplyTooLong,
    ReplyUnsure,
    RequestTimeout,
    Tagged,
)
from mboxio.sim import VirtualClock
from tests.race.manual import Manual

pytestmark = pytest.mark.usefixtures("locks_checked")

SECOND = 1_000_000_000


def attach(driver: Manual) -> Connection:
    return Connection(driver, clock=VirtualClock())


# -- 1: a request ends exactly once, and says what was stuck


def test_1_closing_ends_every_request_and_says_what_was_stuck() -> None:
    driver = Manual(depth=2)
    connection = attach(driver)
    client = connection.client(0, backlog=1)
    answered, handed, queued = client.submit(b"1"), client.submit(b"2"), client.submit(b"3")
    driver.done(0)
    queued_still = client._backlog.line
    assert not queued_still, "TX done let the queued one go"
    queued = client.submit(b"4")
    connection.close()
    for request, stage, left in (
        (answered, "reply", "yes"),
        (handed, "tx_done", "yes"),
        (queued, "queue", "no"),
    ):
        with pytest.raises(ClosedError) as caught:
            request.result()
        assert (caught.value.stage, caught.value.handed_over) == (stage, left)
        assert caught.value.channel == "0"


def test_1_each_waiter_gets_an_exception_of_its_own() -> None:
    with attach(Manual()) as connection:
        request = connection.client(0).submit(b"")
        request.cancel()
        first, second = request.exception(), request.exception()
        assert first is not second
        assert str(first) == str(second)


# -- 2: submit never waits


def test_2_refused_is_not_queued() -> None:
    driver = Manual(depth=1)
    with attach(driver) as connection:
        client = connection.client(0, backlog=1)
        assert client.submit(b"1").status == "sent"
        assert client.submit(b"2").status == "queued"
        with pytest.raises(QueueFull) as caught:
            client.submit(b"3")
        assert caught.value.reason == "backlog"
        assert [message for _, _, message in driver.sent] == [b"1"]
        assert connection.stats()["0"].queued == 1


def test_2_too_long_is_refused_before_anything_happens() -> None:
    driver = Manual(message_bytes=4)
    with attach(driver) as connection:
        with pytest.raises(MessageTooLong, match="5 bytes"):
            connection.client(0).submit(b"12345")
        assert driver.sent == []


@pytest.mark.parametrize("data", [5, "text", None, object()])
def test_2_what_is_no_message_is_a_type_error(data: Any) -> None:
    with attach(Manual()) as connection, pytest.raises(TypeError):
        connection.client(0).submit(data)


# -- 3 and 4: late replies, and what is held until its proof


def test_3_a_late_reply_is_counted_and_goes_to_nobody() -> None:
    driver = Manual(matches_replies=False, correlators=(Tagged(bits=2),))
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=1.0)
        first = client.submit(b"\0\0\0\0")
        assert not first.wait(0.5)
        with pytest.raises(RequestTimeout) as caught:
            first.result()
        assert caught.value.stage == "tx_done"
        held = connection.stats()["0"]
        assert held.held_tags == (1,)
        assert held.held_slots == 1
        second = client.submit(b"\0\0\0\0")
        driver.received(driver.channels[0], [b"\1\0\0\0late", b"\2\0\0\0mine"])
        assert second.result() == b"\2\0\0\0mine"
        after = connection.stats()["0"]
        assert (after.late, after.held_tags, after.held_slots) == (1, (), 0)
        assert after.freed_by == {"reply": 1}


def test_4_running_out_of_tags_names_them() -> None:
    driver = Manual(depth=8, matches_replies=False, correlators=(Tagged(bits=2),))
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=1.0)
        for _ in range(3):
            with pytest.raises(RequestTimeout):
                client.submit(b"\0\0\0\0").result()
        with pytest.raises(QueueFull, match=r"\[1, 2, 3\]") as caught:
            client.submit(b"\0\0\0\0")
        assert caught.value.reason == "tags"
        client.post(b"one-way messages need no tag")
        connection.remote_restarted()
        assert client.submit(b"\0\0\0\0").status == "sent"
        assert connection.stats()["0"].freed_by == {"epoch": 4}  # three tags, one slot


def test_4_abort_frees_only_with_a_proof() -> None:
    driver = Manual(depth=2)
    with attach(driver) as connection:
        client = connection.client(0)
        client.submit(b"1").cancel()
        assert connection.stats()["0"].held_slots == 1
        driver.proof = True
        client.submit(b"2").cancel()
        assert connection.stats()["0"].held_slots == 1
        assert connection.stats()["0"].freed_by == {"abort": 1}
        assert driver.aborts == [1, 3]


def test_4_a_later_reply_proves_an_earlier_one_lost() -> None:
    driver = Manual(
        replies_in_order=True, matches_replies=False, correlators=(Tagged(bits=4),), depth=4
    )
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=1.0)
        gone = client.submit(b"\0\0\0\0", timeout_s=0.1)
        assert gone.wait()
        lost, answered = client.submit(b"\0\0\0\0"), client.submit(b"\0\0\0\0")
        driver.received(driver.channels[0], [b"\3\0\0\0"])
        assert answered.result() == b"\3\0\0\0"
        with pytest.raises(RemoteError, match="this reply is lost"):
            lost.result()
        assert connection.stats()["0"].held_tags == ()
        assert connection.stats()["0"].freed_by["order"] == 2


def test_4_lent_memory_is_given_back_by_the_proof() -> None:
    class Lent:
        given_back = 0

        def give_back(self) -> None:
            self.given_back += 1

    driver, lent = Manual(), Lent()
    with attach(driver) as connection:
        request = connection.client(0).submit(b"", lent=lent)
        request.cancel()
        assert lent.given_back == 0
        assert connection.stats()["0"].held_memory == 1
        driver.answer(b"")
        assert lent.given_back == 1


# -- 5: TX done


def test_5_a_reply_implies_tx_done() -> None:
    driver = Manual(depth=1)
    with attach(driver) as connection:
        client = connection.client(0)
        request = client.submit(b"1")
        driver.answer(b"reply")
        assert request.result() == b"reply"
        assert client.submit(b"2").status == "sent"
        driver.done(0)  # the late TX done of the first is not that of the second
        assert driver.queue.slots_used == 1


def test_5_a_failed_tx_done_ends_the_request() -> None:
    driver = Manual()
    with attach(driver) as connection:
        request = connection.client(0).submit(b"1")
        driver.done(status=5)
        with pytest.raises(RemoteError, match="EIO") as caught:
            request.result()
        assert caught.value.status == 5
        assert driver.queue.in_flight() == []


def test_5_tx_done_by_number_takes_the_oldest() -> None:
    driver = Manual(depth=4)
    with attach(driver) as connection:
        client = connection.client(0)
        requests = [client.post(bytes([number])) for number in range(3)]
        driver.tx_done(driver.queue, 2)
        assert [request.status for request in requests] == ["done", "done", "sent"]
        driver.tx_done(driver.queue, 9)  # more than there are: nothing to be confused by
        assert requests[2].status == "done"


# -- 6: in order without tags


@pytest.mark.parametrize("ended_by", ["time-out", "cancelled, then silence"])
def test_6_a_lost_reply_puts_an_in_order_channel_out_of_step(ended_by: str) -> None:
    driver = Manual(matches_replies=False, correlators=(InOrder(in_flight=4),), depth=4)
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=1.0)
        lost = client.submit(b"1")
        unsure = client.submit(b"2", timeout_s=None)
        if ended_by == "time-out":
            assert isinstance(lost.exception(), RequestTimeout)
        else:
            lost.cancel()
            connection._host.gate.clock.advance(SECOND)  # type: ignore[attr-defined]
        with pytest.raises(ReplyUnsure):
            unsure.result()
        with pytest.raises(OutOfStep):
            client.submit(b"3")
        assert client.post(b"one-way").status == "sent"
        driver.received(driver.channels[0], [b"whose?"])
        assert connection.stats()["0"].late == 1
        client.resync()
        fresh = client.submit(b"4")
        driver.received(driver.channels[0], [b"mine"])
        assert fresh.result() == b"mine"


def test_6_a_cancelled_request_swallows_its_own_reply() -> None:
    driver = Manual(matches_replies=False, correlators=(InOrder(in_flight=4),), depth=4)
    with attach(driver) as connection:
        client = connection.client(0)
        cancelled, other = client.submit(b"1"), client.submit(b"2")
        cancelled.cancel()
        driver.received(driver.channels[0], [b"for the cancelled", b"for the other"])
        assert other.result() == b"for the other"
        assert connection.stats()["0"].late == 1


def test_6_a_refused_message_leaves_no_place_in_the_order() -> None:
    driver = Manual(matches_replies=False, correlators=(InOrder(in_flight=4),), depth=4)
    with attach(driver) as connection:
        client = connection.client(0)
        driver.outcomes = [Busy("event"), Busy("event")]
        with pytest.raises(QueueFull) as caught:
            client.submit(b"refused")
        assert caught.value.reason == "hardware"
        driver.event()
        request = client.submit(b"taken")
        driver.received(driver.channels[0], [b"reply"])
        assert request.result() == b"reply"


@pytest.mark.parametrize(
    ("correlator", "vouches", "several"),
    [(InOrder(), False, False), (InOrder(), True, True), (InOrder(2), False, True)],
    ids=["as it comes", "the hardware loses none", "the caller says so"],
)
def test_6_one_in_flight_where_the_wire_may_lose_a_reply(
    correlator: InOrder, vouches: bool, several: bool
) -> None:
    driver = Manual(
        matches_replies=False, replies_in_order=vouches, correlators=(correlator,), depth=4
    )
    with attach(driver) as connection:
        client = connection.client(0)
        first = client.submit(b"1")
        if several:
            assert client.submit(b"2").status == "sent"
            return
        with pytest.raises(QueueFull, match="replies come in order") as caught:
            client.submit(b"2")
        assert caught.value.reason == "tags"
        assert client.post(b"one-way").status == "sent"
        waiting = connection.client(0, backlog=1).submit(b"3", timeout_s=1.0)
        driver.received(driver.channels[0], [b"for the first"])
        assert first.result() == b"for the first"
        assert waiting.status == "sent"
        # The reply is lost: the next message is nobody's, and never the next request's.
        assert isinstance(waiting.exception(), RequestTimeout)
        with pytest.raises(OutOfStep):
            client.submit(b"4")
        driver.received(driver.channels[0], [b"late"])
        client.resync()
        fresh = client.submit(b"5")
        driver.received(driver.channels[0], [b"for the fresh one"])
        assert fresh.result() == b"for the fresh one"


# -- 7: two clocks


def test_7_the_reply_clock_starts_at_the_doorbell() -> None:
    driver = Manual(depth=1)
    with attach(driver) as connection:
        clock: Any = connection._host.gate.clock
        client = connection.client(0, backlog=1, timeout_s=1.0, queue_timeout_s=5.0)
        first = client.post(b"1", timeout_s=None)
        second = client.submit(b"2")
        clock.advance(4 * SECOND)
        assert second.status == "queued"
        driver.done()
        assert first.done()
        assert second.status == "sent"
        clock.advance(SECOND - 1)
        assert not second.done()
        clock.advance(1)
        assert isinstance(second.exception(), RequestTimeout)


def test_7_a_wait_for_a_slot_has_its_own_deadline() -> None:
    driver = Manual(depth=1)
    with attach(driver) as connection:
        client = connection.client(0, timeout_s=None, queue_timeout_s=2.0)
        client.submit(b"1")
        clock: Any = connection._host.gate.clock
        began = clock.now_ns()
        with pytest.raises(RequestTimeout) as caught:
            client.request(b"2")
        assert (caught.value.stage, caught.value.handed_over) == ("queue", "no")
        assert clock.now_ns() - began == 2 * SECOND


@pytest.mark.parametrize("timeout_s", [-1.0, float("nan"), float("inf")])
def test_7_only_finite_seconds_or_none(timeout_s: float) -> None:
    with attach(Manual()) as connection, pytest.raises(ValueError, match="finite"):
        connection.client(0).submit(b"", timeout_s=timeout_s)


def test_7_giving_up_waiting_ends_nothing() -> None:
    driver = Manual()
    with attach(driver) as connection:
        request = connection.client(0, timeout_s=None).submit(b"")
        assert not request.wait(3.0)
        assert request.status == "sent"
        driver.answer(b"late is fine")
        assert request.result() == b"late is fine"


# -- 8: the caller's memory


def test_8_data_is_copied_and_into_is_filled_once() -> None:
    driver = Manual()
    with attach(driver) as connection:
        client = connection.client(0)
        data, into = bytearray(b"before"), bytearray(8)
        request = client.submit(data, into=into)
        data[:] = b"after!"
        assert driver.sent[0][2] == b"before"
        driver.answer(b"reply")
        assert request.result() == 5
        assert into == b"reply\0\0\0"
        into.clear()  # no export is left


@pytest.mark.parametrize("end", ["time-out", "cancel", "close"])
def test_8_after_its_end_a_request_never_touches_the_buffer(end: str) -> None:
    driver = Manual()
    with attach(driver) as connection:
        client, into = connection.client(0, timeout_s=1.0), bytearray(8)
        request = client.submit(b"", into=into)
        if end == "time-out":
            assert request.wait()
        elif end == "cancel":
            assert request.cancel()
        else:
            client.close()
        into.extend(b"resizable again")
        driver.answer(b"late")
        assert into.startswith(bytes(8))


def test_8_a_reply_that_does_not_fit_leaves_the_buffer_alone() -> None:
    driver = Manual()
    with attach(driver) as connection:
        into = bytearray(2)
        request = connection.client(0).submit(b"", into=into)
        driver.answer(b"three")
        with pytest.raises(ReplyTooLong, match="5 bytes"):
            request.result()
        assert into == b"\0\0"
        assert driver.queue.in_flight() == []


@pytest.mark.parametrize("into", [b"read-only", memoryview(bytearray(8))[::2]])
def test_8_into_is_writable_contiguous_memory(into: Any) -> None:
    with attach(Manual()) as connection, pytest.raises(ValueError, match="into="):
        connection.client(0).submit(b"", into=into)


# -- 9: the remote is not trusted


def test_9_a_fault_stops_its_queue_until_a_new_epoch() -> None:
    driver = Manual()
    with attach(driver) as connection:
        driver.link(True, 1)
        client = connection.client(0)
        request = client.submit(b"")
        driver.fault(driver.queue, RemoteError("the index lies"))
        with pytest.raises(RemoteError, match="the index lies"):
            request.result()
        with pytest.raises(RemoteError, match="the index lies"):
            client.submit(b"")
        driver.link(True, 2)
        assert client.submit(b"").status == "sent"


def test_9_a_driver_that_raises_in_service_is_no_hang() -> None:
    class Broken(Manual):
        def service(self, queue: Any, why: str) -> None:
            raise ZeroDivisionError("a driver's bug")

    with attach(Broken()) as connection:
        request: Any = connection.client(0, timeout_s=None).submit(b"")
        with pytest.raises(DriverError, match="a driver's bug") as caught:
            request.result()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_9_a_driver_that_raises_in_send_keeps_what_it_may_have_used() -> None:
    class Broken(Manual):
        def send(self, channel: Any, handle: int, message: bytes) -> Any:
            raise OSError("the doorbell is stuck")

    driver = Broken()
    with attach(driver) as connection:
        request: Any = connection.client(0).submit(b"")
        with pytest.raises(DriverError, match="doorbell is stuck") as caught:
            request.result()
        assert caught.value.handed_over == "unknown"
        assert driver.queue.slots_used == 1


@pytest.mark.parametrize("handle", [-1, 0, 1, 2, 10**12, -(10**12)])
def test_9_any_handle_from_the_hardware_is_survived(handle: int) -> None:
    driver = Manual()
    with attach(driver) as connection:
        connection.client(0)
        driver.complete(driver.channels[0], handle, 0, b"")
        driver.tx_done(driver.queue, [handle])
        assert connection.stats()["0"].unknown == 1


# -- and the remote's life (11)


def test_11_nothing_of_the_old_life_reaches_the_new_one() -> None:
    driver = Manual()
    with attach(driver) as connection:
        driver.link(True, 1)
        client = connection.client(0, backlog=1)
        old = client.submit(b"old")
        handle = driver.sent[0][1]
        driver.link(True, 2)
        with pytest.raises(RemoteGone) as caught:
            old.result()
        assert caught.value.handed_over == "yes"
        new = client.submit(b"new")
        driver.complete(driver.channels[0], handle, 0, b"for the old one")
        assert not new.done()
        driver.answer(b"for the new one")
        assert new.result() == b"for the new one"
        assert connection.stats()["0"].late == 1


def test_11_while_lost_submit_is_refused_and_verbs_wait() -> None:
    driver = Manual()
    with attach(driver) as connection:
        driver.link(True, 1)
        client = connection.client(0, queue_timeout_s=2.0)
        driver.link(False, 0, "unplugged")
        with pytest.raises(RemoteGone, match="unplugged"):
            client.submit(b"")
        clock: Any = connection._host.gate.clock
        clock.call_at(clock.now_ns() + SECOND, lambda: driver.link(True, 2))
        clock.call_at(clock.now_ns() + 2 * SECOND, lambda: driver.answer(b"back"))
        assert client.request(b"patient", timeout_s=5.0) == b"back"
        driver.link(False, 0, "unplugged")
        with pytest.raises(RequestTimeout) as caught:
            client.request(b"")
        assert caught.value.stage == "queue"


def test_1_many_threads_end_every_request_once() -> None:
    """Real threads, no virtual time: all the ends at once."""
    driver = Manual(depth=64)
    with Connection(driver) as connection:
        client = connection.client(0, timeout_s=None)
        requests = [client.submit(bytes([number])) for number in range(64)]
        ended: list[Any] = []
        for request in requests:
            request.add_done_callback(ended.append)
        enders = [
            lambda: [request.cancel() for request in requests],
            lambda: [driver.answer(b"", index) for index in range(64)],
            lambda: [driver.done(index) for index in range(64)],
            client.close,
        ]
        threads = [threading.Thread(target=ender) for ender in enders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(request.over for request in requests)
    assert sorted(request.handle for request in ended) == [request.handle for request in requests]
