"""Checks of replies: each goes to the request that caused it, or to nobody."""

import threading
from collections import Counter

from mboxio.driver.capabilities import TxDone
from mboxio.errors import OutOfStep, RequestTimeout
from mboxio.testing.suite import check
from mboxio.testing.trial import Trial, fail, require

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

SHORT_S = 0.01
ROUNDS = 20


@check("a request gets its own reply", "reply")
def _own_reply(trial: Trial) -> None:
    for number in range(3):
        trial.exchange(number)


@check("requests that fill the queue get their own replies, each once", "reply")
def _own_replies(trial: Trial) -> None:
    trial.stall()
    messages = [trial.message(number) for number in range(trial.capacity())]
    pending = [(message, trial.submit(message)) for message in messages]
    trial.resume()
    for message, request in reversed(pending):
        trial.own_reply(message, request)
    trial.require_no_strays()
    trial.require_nothing_held("after all replies")


@check("two threads get their own replies", "reply")
def _two_threads(trial: Trial) -> None:
    faults: list[BaseException] = []

    def work(first: int) -> None:
        try:
            with trial.new_client() as client:
                for number in range(first, first + ROUNDS):
                    trial.exchange(number, client)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(first,), daemon=True) for first in (0, ROUNDS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * trial.patience_s)
        require(not thread.is_alive(), "a thread still waits: does the driver hold a lock?")
    if faults:
        raise faults[0]


@check("a late reply is not given to the next request", "reply", "stall")
def _late_reply(trial: Trial) -> None:
    trial.stall()
    request = trial.client.submit(trial.message(1), timeout_s=SHORT_S)
    require(request.wait(trial.patience_s), f"the time-out did not end {request!r}")
    error = request.exception()
    timed_out = isinstance(error, RequestTimeout)
    require(timed_out, f"with a stalled far side the request ended with {error!r}")
    if trial.channel.order.out_of_step:
        _resyncs(trial)
    else:
        trial.resume()
    trial.exchange(2)
    trial.require_nothing_held("after the late reply")


def _resyncs(trial: Trial) -> None:
    """Without tags nothing may be sent until the late reply came and somebody vouches for it."""
    try:
        trial.client.submit(trial.message(2))
    except OutOfStep:
        trial.resume()
    else:
        fail("a channel out of step took a request")
    trial.soon(
        lambda: trial.connection.stats()[trial.channel.name].late, "the late reply was not reported"
    )
    trial.client.resync()
    if trial.queue.capabilities.tx_done is TxDone.ACK:
        trial.client.tx_done()  # no reply could be tied to the message, so nothing else says it


@check("the reply of a cancelled request reaches nobody", "reply", "stall")
def _cancelled(trial: Trial) -> None:
    trial.stall()
    request = trial.client.submit(trial.message(1))
    require(request.cancel(), f"{request!r} was over before the far side went on")
    trial.resume()
    trial.exchange(2)
    trial.require_nothing_held("after the cancelled request's reply")


@check("a handle is not reported again after it is over", "reply", "matches")
def _not_again(trial: Trial) -> None:
    proven = None
    if trial.has("stall"):
        trial.stall()
        request = trial.client.submit(trial.message(1))
        request.cancel()
        proven = None if request._holds else request.handle
        trial.resume()
    trial.exchange(2)
    trial.exchange(3)
    trial.require_nothing_held("after all replies")
    trial.service()
    log = trial.log
    twice = [handle for handle, times in Counter(log.completed).items() if times > 1]
    require(not twice, f"complete() was called twice for handle {twice and twice[0]}")
    revived = proven in log.completed or proven in log.tx_done
    require(not revived, f"abort() proved handle {proven} dead, and it was reported afterwards")


@check("an extra service() changes nothing", "ends")
def _idempotent(trial: Trial) -> None:
    log = trial.log
    trial.service()
    require(not any(log.reports()), "service() reported something before anything was sent")
    trial.stall()
    begin = trial.client.submit if trial.has("reply") else trial.client.post
    request = begin(trial.message(1))
    if trial.has("stall"):
        trial.service()
        text = "service() reported progress though the far side took nothing"
        require(not any(log.reports()), text)
    trial.resume()
    trial.over([request], "a message")
    trial.soon(lambda: not trial.queue.slots_used, "the slot was not freed")
    trial.service()
    before = log.reports()
    trial.service()
    trial.service()
    again = log.reports()
    require(again == before, f"service() made reports again: {before} before, then {again}")
