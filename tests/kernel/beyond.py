"""Rows of `test_bugs.py` that no recorded script can say: calls that the kernel lacks, threads,
and what mboxio does natively where `mboxio.linux` keeps to the kernel."""

import math
from collections.abc import Callable
from errno import (
    ECANCELED,
    EDEADLK,
    EINPROGRESS,
    EIO,
    ETIME,
)
from typing import Any

import pytest

import mboxio
from mboxio import Busy, ClosedError, Connection, RequestTimeout, linux
from mboxio.linux import channel, registered
from mboxio.sim import VirtualClock
from mboxio.sim.clock import LATE_TIMER
from tests.race.manual import Manual

MS = 1_000_000
HOUR_S = 3600

ROWS: list[Callable[[], None]] = []


def row(shown: Callable[[], None]) -> Callable[[], None]:
    """Make a function a row: it begins with the codes of the faults."""
    ROWS.append(shown)
    return shown


class Bench:
    """A registered controller with one channel and its owner, on a virtual clock."""

    def __init__(self, cl: linux.mbox_client | None = None, **ops: Any) -> None:
        self.clock = VirtualClock()
        self.mbox = linux.mbox_controller(
            dev=linux.device("bench"),
            ops=linux.mbox_chan_ops(**ops),
            num_chans=1,
            txdone_irq=True,
            clock=self.clock,
        )
        self.cl = cl or linux.mbox_client()
        self.chan = self.mbox.chans[0]
        self.threads: list[Any] = []

    def __enter__(self) -> "Bench":
        assert linux.mbox_controller_register(self.mbox) == 0
        assert linux.mbox_bind_client(self.chan, self.cl) == 0
        return self

    def __exit__(self, *_: object) -> None:
        linux.mbox_controller_unregister(self.mbox)
        for thread in self.threads:
            self.clock.join(thread, HOUR_S)

    def request(self) -> linux.mbox_request:
        """Make a request with a wait of its own."""
        return linux.mbox_request(wait=linux.mbox_wait(clock=self.clock))

    def spawn(self, target: Callable[[], object]) -> None:
        """Run something in another thread, until it blocks."""
        self.threads.append(self.clock.spawn(target, "bench"))
        self.clock.let_run()

    def later(self, ms: int, call: Callable[..., object], *args: Any) -> None:
        """Have something called at a time, as an interrupt."""

        def fire() -> None:
            with linux.interrupt_context():
                call(*args)

        self.clock.call_at(self.clock.now_ns() + ms * MS, fire, LATE_TIMER)


def takes(chan: linux.mbox_chan, req: linux.mbox_request) -> int:
    """Accept any request."""
    return -EINPROGRESS


@row
def p9_a_wait_may_have_an_end() -> None:
    with Bench(send_request=takes) as bench:
        req = bench.request()
        assert req.wait is not None
        error = linux.mbox_send_request(bench.chan, req)
        assert linux.mbox_wait_request(error, req.wait, 5) == -ETIME
        assert bench.clock.now_ns() == 5 * MS
        bench.later(2, linux.mbox_request_complete, req, 0)
        assert linux.mbox_wait_request(error, req.wait, 5) == 0, "it was still in flight"


@row
def p12_a_request_can_be_withdrawn_and_its_completion_is_late() -> None:
    with Bench(send_request=takes) as bench:
        req = bench.request()
        assert req.wait is not None
        error = linux.mbox_send_request(bench.chan, req)
        assert linux.mbox_cancel_request(req) == 0
        assert linux.mbox_wait_request(error, req.wait) == -ECANCELED
        linux.mbox_request_complete(req, 0)
        assert linux.mbox_wait_request(error, req.wait, 1) == -ETIME, "nothing is remembered of it"


@row
def p14_natively_a_second_completion_is_late() -> None:
    driver = Manual()
    with Connection(driver, clock=VirtualClock()) as connection:
        request = connection.client(0).submit(b"?")
        driver.answer(b"first")
        driver.answer(b"second")
        assert request.result() == b"first"
        assert connection.stats()["0"].late == 1


@row
def p19_what_may_sleep_is_refused_where_nothing_may_block() -> None:
    called: list[int] = []

    def send_request(chan: linux.mbox_chan, req: linux.mbox_request) -> int:
        called.append(req.flags)
        return -EINPROGRESS

    with Bench(send_request=send_request) as bench:
        req = linux.mbox_request(flags=linux.MBOX_REQ_MAY_SLEEP)
        with linux.interrupt_context():
            assert linux.in_interrupt()
            assert linux.mbox_send_request(bench.chan, req) == -EDEADLK
            assert linux.mbox_send_request(bench.chan, linux.mbox_request()) == -EINPROGRESS
        assert linux.mbox_send_request(bench.chan, req) == -EINPROGRESS
        assert called == [0, linux.MBOX_REQ_MAY_SLEEP]


@row
def p21_a_remote_can_speak_unasked() -> None:
    heard: list[Any] = []
    cl = linux.mbox_client(
        rx_callback=lambda cl, mssg: pytest.fail("as in the kernel"),
        notify_callback=lambda cl, mssg: heard.append((cl, mssg)),
    )
    with Bench(cl, send_request=takes) as bench:
        linux.mbox_chan_received_data(bench.chan, "news")
        assert heard == [(cl, "news")]
    linux.mbox_chan_received_data(bench.chan, "nobody is there")
    driver = Manual()
    with (
        Connection(driver, clock=VirtualClock()) as connection,
        connection.client(0) as client,
        client.subscribe() as messages,
    ):
        driver.notify(b"news")
        assert messages.get() == b"news"


@row
def p22_a_status_is_that_of_the_request_though_its_wait_is_used_again_at_once() -> None:
    found: list[int] = []
    with Bench(send_request=takes) as bench:
        wait = linux.mbox_wait(clock=bench.clock)
        first, second = linux.mbox_request(wait=wait), linux.mbox_request(wait=wait)
        error = linux.mbox_send_request(bench.chan, first)
        bench.spawn(lambda: found.append(linux.mbox_wait_request(error, wait)))
        linux.mbox_request_complete(first, -EIO)
        assert found == [], "it has not run since"
        linux.mbox_send_request(bench.chan, second)
        linux.mbox_request_complete(second, 0)
        bench.clock.let_run()
        assert found == [-EIO]
        assert linux.mbox_wait_request(error, wait) == 0


@row
def p23_one_sender_is_in_the_op_and_a_table_says_what_is_in_flight() -> None:
    refused: list[BaseException] = []

    def send_request(chan: linux.mbox_chan, req: linux.mbox_request) -> int:
        if not refused:
            with pytest.raises(mboxio.WouldDeadlock) as caught:
                linux.mbox_send_request(chan, linux.mbox_request())
            refused.append(caught.value)
        return -EINPROGRESS

    with Bench(send_request=send_request) as bench:
        sent = [linux.mbox_request() for _ in range(3)]
        for req in sent:
            assert linux.mbox_send_request(bench.chan, req) == -EINPROGRESS
        assert len(refused) == 1, "the lock is held over the op"
        assert len(bench.chan.line.queue.in_flight()) == 3
        linux.mbox_request_complete(sent[1], 0)
        assert len(bench.chan.line.queue.in_flight()) == 2


@row
def p24_a_flush_that_fails_ends_nothing_and_says_so() -> None:
    with Bench(send_request=takes, flush=lambda chan, timeout: -ETIME) as bench:
        req = bench.request()
        assert req.wait is not None
        error = linux.mbox_send_request(bench.chan, req)
        with pytest.MonkeyPatch.context() as patch:
            said: list[str] = []
            patch.setattr(channel.log, "warning", lambda text, *args: said.append(text % args))
            assert linux.mbox_flush(bench.chan, 5) == -ETIME
        assert "what is in flight stays in flight" in said[0]
        linux.mbox_request_complete(req, 7)
        assert linux.mbox_wait_request(error, req.wait) == 7
    driver = Manual()
    with Connection(driver, clock=VirtualClock()) as connection:
        client = connection.client(0)
        request = client.post(b"slow", timeout_s=None)
        with pytest.raises(RequestTimeout, match="nothing was ended"):
            client.flush(timeout_s=0.1)
        driver.done()
        assert request.result() == b""


@row
def l7_natively_for_ever_is_for_ever_and_here_an_hour_is_written_down() -> None:
    assert linux.HOUR_MS == HOUR_S * 1000
    assert "0 is an hour" in (linux.mbox_client.__doc__ or "")
    driver = Manual()
    clock = VirtualClock()
    with Connection(driver, clock=clock) as connection:
        request = connection.client(0).post(b"slow", timeout_s=None)
        clock.call_at(1000 * HOUR_S * 1_000 * MS, driver.done)
        assert request.wait(1001 * HOUR_S)
        assert request.exception() is None


@row
def l9_a_sender_that_times_out_leaves_the_message_of_another_alone() -> None:
    ended: list[tuple[Any, int]] = []
    taken: list[Any] = []
    cl = linux.mbox_client(
        tx_block=True, tx_tout=10, tx_done=lambda cl, mssg, r: ended.append((mssg, r))
    )
    with Bench(cl, send_data=lambda chan, mssg: taken.append(mssg)) as bench:
        results: list[int] = []
        bench.spawn(lambda: results.append(linux.mbox_send_message(bench.chan, "first")))
        cl.tx_tout = 4
        bench.spawn(lambda: results.append(linux.mbox_send_message(bench.chan, "second")))
        bench.clock.advance(6 * MS)
        assert (results, ended, taken) == ([-ETIME], [("second", -ETIME)], ["first"])
        linux.mbox_chan_txdone(bench.chan, 0)
        bench.clock.let_run()
        assert (results, taken) == ([-ETIME, 0], ["first"])


@row
def l11_natively_what_the_hardware_refused_is_tried_again() -> None:
    driver = Manual()
    clock = VirtualClock()
    with Connection(driver, clock=clock) as connection:
        client = connection.client(0, backlog=20)
        driver.outcomes = [Busy(), Busy()]
        request = client.post(b"refused twice")
        clock.call_at(10 * MS, driver.done)
        assert request.result() == b""
        assert len(driver.sent) == 1


@row
def l19_a_chain_of_dones_inside_send_data_keeps_the_stack_flat() -> None:
    count = 5000
    left: list[int] = []

    def send_data(chan: linux.mbox_chan, mssg: int) -> int:
        linux.mbox_chan_txdone(chan, 0)
        return 0

    def tx_done(cl: linux.mbox_client, mssg: int, r: int) -> None:
        left.append(mssg)
        if mssg < count:
            linux.mbox_send_message(bench.chan, mssg + 1)

    with Bench(linux.mbox_client(tx_done=tx_done), send_data=send_data) as bench:
        linux.mbox_send_message(bench.chan, 1)
        assert left == list(range(1, count + 1))


@row
def l19_a_done_inside_a_send_data_that_refuses_is_nothing() -> None:
    def send_data(chan: linux.mbox_chan, mssg: int) -> int:
        linux.mbox_chan_txdone(chan, 0)
        return -EIO

    with Bench(send_data=send_data) as bench:
        assert linux.mbox_send_message(bench.chan, 1) == 0
        assert (bench.chan.msg_count, bench.chan.active_req) == (1, linux.MBOX_NO_MSG)


@row
def l21_a_time_out_is_finite_or_refused() -> None:
    with Connection(Manual(), clock=VirtualClock()) as connection:
        client = connection.client(0)
        for timeout_s in (math.inf, math.nan, -1.0):
            with pytest.raises(ValueError, match="finite"):
                client.send(b"?", timeout_s=timeout_s)
        with pytest.raises(RequestTimeout):
            client.send(b"?", timeout_s=4294967.296)
        assert connection._host.gate.clock.now_ns() == 4_294_967_296 * MS
    cl = linux.mbox_client(tx_block=True, tx_tout=math.inf)
    with Bench(cl, send_data=lambda chan, mssg: pytest.fail("nothing was accepted")) as bench:
        with pytest.raises(ValueError, match="finite"):
            linux.mbox_send_message(bench.chan, "?")
        assert bench.chan.msg_count == 0


@row
def l22_natively_an_op_needs_an_open_client() -> None:
    with Connection(Manual(), clock=VirtualClock()) as connection:
        client = connection.client(0)
        client.close()
        for call in (client.flush, client.ring, lambda: client.send(b"?")):
            with pytest.raises(ClosedError):
                call()


@row
def l33_natively_what_did_not_start_is_not_stopped() -> None:
    class Fails(Manual):
        def start(self, channel: Any) -> None:
            raise OSError("no clock")

    driver = Fails()
    with Connection(driver, clock=VirtualClock()) as connection:
        with pytest.raises(OSError, match="no clock"):
            connection.client(0)
        assert driver.stopped == []


@row
def l34_natively_a_late_done_does_not_finish_the_next_message() -> None:
    driver = Manual(depth=1)
    with Connection(driver, clock=VirtualClock()) as connection:
        client = connection.client(0, backlog=20, timeout_s=0.01)
        slow = client.post(b"slow")
        following = client.post(b"next", queue_timeout_s=1.0)
        assert isinstance(slow.exception(), RequestTimeout)
        assert len(driver.sent) == 1, "its slot is held until its own TX done"
        driver.done(0)
        assert following.status == "sent"
        driver.done(0)  # once more: not of the one that is in the slot now
        assert following.status == "sent"
        driver.done(1)
        assert following.exception() is None


@row
def l35_no_lock_is_held_when_a_driver_is_unpinned() -> None:
    locked: list[bool] = []

    class Watched(linux.module):
        def put(self) -> None:
            locked.append(bench.chan.host.gate.lock.mine() or registered.lock.locked())
            super().put()

    with Bench(send_request=takes) as bench:
        linux.mbox_free_channel(bench.chan)
        bench.mbox.owner = Watched()
        assert linux.mbox_bind_client(bench.chan, bench.cl) == 0
        linux.mbox_free_channel(bench.chan)
        assert locked == [False]
