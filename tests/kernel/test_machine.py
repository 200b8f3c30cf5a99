"""The same on the machine's clock and with its threads."""

import threading
from errno import ECANCELED, EINPROGRESS, ENODEV, ETIME
from typing import Any

from mboxio import linux


def controller(**fields: Any) -> linux.mbox_controller:
    ops = linux.mbox_chan_ops(
        **{
            op: fields.pop(op)
            for op in ("send_data", "send_request", "last_tx_done")
            if op in fields
        }
    )
    mbox = linux.mbox_controller(dev=linux.device("machine"), ops=ops, num_chans=1, **fields)
    assert linux.mbox_controller_register(mbox) == 0
    return mbox


def test_a_blocking_send_returns_when_the_poll_timer_finds_it_done() -> None:
    answers = iter([False, False, True, True])
    told: list[Any] = []
    mbox = controller(
        send_data=lambda chan, mssg: 0,
        last_tx_done=lambda chan: next(answers),
        txdone_poll=True,
        txpoll_period=1,
    )
    cl = linux.mbox_client(tx_block=True, tx_done=lambda cl, mssg, r: told.append((mssg, r)))
    try:
        assert linux.mbox_bind_client(mbox.chans[0], cl) == 0
        assert linux.mbox_send_message(mbox.chans[0], "slow") == 0
        assert told == [("slow", 0)], "the client hears of it before the sender"
        assert linux.mbox_send_message(mbox.chans[0], "fast") == 1
        assert mbox.poll_due_ns is None
    finally:
        linux.mbox_controller_unregister(mbox)


def test_a_blocking_send_gives_up() -> None:
    mbox = controller(send_data=lambda chan, mssg: 0, txdone_irq=True)
    try:
        cl = linux.mbox_client(tx_block=True, tx_tout=5)
        assert linux.mbox_bind_client(mbox.chans[0], cl) == 0
        assert linux.mbox_send_message(mbox.chans[0], "never") == -ETIME
    finally:
        linux.mbox_controller_unregister(mbox)


def test_who_blocks_in_another_thread_is_woken() -> None:
    handed = threading.Semaphore(0)
    results: list[int] = []

    def send_data(chan: linux.mbox_chan, mssg: Any) -> int:
        handed.release()
        return 0

    mbox = controller(send_data=send_data, txdone_irq=True)
    chan = mbox.chans[0]
    cl = linux.mbox_client(tx_block=True)

    def send() -> None:
        results.append(linux.mbox_send_message(chan, "blocked"))

    try:
        for free in (
            lambda: linux.mbox_chan_txdone(chan, 0),
            lambda: linux.mbox_free_channel(chan),
            lambda: linux.mbox_controller_unregister(mbox),
        ):
            if chan.cl is None:
                assert linux.mbox_bind_client(chan, cl) == 0
            thread = threading.Thread(target=send)
            thread.start()
            assert handed.acquire(timeout=20)
            free()
            thread.join(20)
            assert not thread.is_alive()
    finally:
        linux.mbox_controller_unregister(mbox)
    assert results == [0, -ECANCELED, -ENODEV]


def test_requests_of_many_threads_end_with_their_own_status() -> None:
    taken: list[linux.mbox_request] = []
    arrived = threading.Semaphore(0)

    def send_request(chan: linux.mbox_chan, req: linux.mbox_request) -> int:
        taken.append(req)
        arrived.release()
        return -EINPROGRESS

    mbox = controller(send_request=send_request)
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        wait = linux.mbox_wait()
        error = linux.mbox_send_request(mbox.chans[0], linux.mbox_request(tx=number, wait=wait))
        found[number] = linux.mbox_wait_request(error, wait)

    try:
        assert linux.mbox_bind_client(mbox.chans[0], linux.mbox_client()) == 0
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert arrived.acquire(timeout=20)
        for req in reversed(taken):
            linux.mbox_request_complete(req, 100 + req.tx)
        for thread in threads:
            thread.join(20)
    finally:
        linux.mbox_controller_unregister(mbox)
    assert found == {number: 100 + number for number in range(8)}
