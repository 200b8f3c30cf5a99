"""Checks of handing messages over and of TX done."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from mboxio.driver.capabilities import TxDone
from mboxio.driver.controller import EVENT, LOOK, POLL
from mboxio.errors import MessageTooLong, QueueFull
from mboxio.testing.suite import check
from mboxio.testing.trial import Skip, Trial, fail, require

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

FEW = 4


@check("a one-way message is over at TX done", "tx_done")
def _one_way(trial: Trial) -> None:
    if trial.has("stall"):
        trial.stall()
        waiting = trial.client.post(trial.message(1))
        early = waiting.done()
        trial.resume()
        require(not early, "TX done was reported while the far side had not taken the message")
        trial.over([waiting], "a one-way message after the far side went on")
    trial.over([trial.client.post(trial.message(2))], "a one-way message")
    trial.client.send(trial.message(3))


@check("TX done is reported for every message, once", "tx_done")
def _tx_done_once(trial: Trial) -> None:
    trial.stall()
    few = range(min(trial.queue.depth, FEW))
    requests = [trial.client.post(trial.message(number)) for number in few]
    trial.resume()
    trial.over(requests, "a one-way message")
    trial.service()
    log = trial.log
    if log.tx_done_counted:
        told = f"{log.tx_done_counted} TX done were counted for {len(log.handed)} messages"
        require(log.tx_done_counted == len(log.handed) and not log.tx_done, told)
        return
    for handle, times in Counter(log.tx_done).items():
        require(handle in log.handed, f"TX done was reported for handle {handle}, never sent")
        require(times == 1, f"TX done was reported {times} times for handle {handle}")


@check("one-way messages arrive unchanged, in order, once", "taken", "tx_done")
def _arrives(trial: Trial) -> None:
    assert trial.bench.taken is not None
    before = len(trial.bench.taken())
    sent = [trial.message(number) for number in range(trial.queue.depth + FEW)]
    for message in sent:
        trial.client.send(message)
    arrived = list(trial.bench.taken())[before:]
    require(arrived == sent, f"the far side got {arrived!r}, not {sent!r}")


@check("a full queue refuses, and takes more later", "stall", "ends")
def _full(trial: Trial) -> None:
    trial.stall()
    tied = trial.has("reply")
    begin = trial.client.submit if tied else trial.client.post
    capacity = trial.capacity()
    pending = _fill(trial, begin, capacity)
    try:
        begin(trial.message(capacity))
    except QueueFull as error:
        require(error.handed_over == "no", "the refused message was handed over")
    else:
        fail(
            f"message {capacity + 1} was taken though the far side took none and the depth is "
            f"{trial.queue.depth}: was TX done reported too early?"
        )
    trial.resume()
    for message, request in pending:
        if tied:
            trial.own_reply(message, request)
        else:
            trial.over([request], "a one-way message")
    trial.use()


def _fill(trial: Trial, begin: Callable[[bytes], Any], capacity: int) -> list[tuple[bytes, Any]]:
    pending: list[tuple[bytes, Any]] = []
    for number in range(capacity):
        message = trial.message(number)
        try:
            pending.append((message, begin(message)))
        except QueueFull as error:
            fail(f"the declared room is {capacity}, but message {number + 1} was refused: {error}")
    return pending


@check("Busy hands nothing over", "reply")
def _busy(trial: Trial) -> None:
    number = trial.capacity() + FEW
    client = trial.new_client(backlog=number)
    trial.stall()
    pending = [(each, client.submit(each)) for each in map(trial.message, range(number))]
    if trial.queue.capabilities.tx_done is TxDone.ACK and trial.has("stall"):
        client.tx_done()  # too early: the hardware must say so
    trial.resume()
    for message, request in pending:
        trial.own_reply(message, request)
    if not trial.log.refused:
        raise Skip("send() never said Busy")
    trial.require_no_strays()


@check("an empty message is a message", "ends")
def _empty(trial: Trial) -> None:
    if trial.bench.shortest_bytes:
        raise Skip(f"the shortest message has {trial.bench.shortest_bytes} bytes")
    if trial.has("reply"):
        try:
            trial.channel.correlator.check(b"")
        except ValueError:
            raise Skip("the correlator needs room for its tag") from None
        trial.own_reply(b"", trial.client.submit(b""))
    else:
        trial.client.send(b"")


@check("the longest message passes, a longer one does not", "ends")
def _longest(trial: Trial) -> None:
    longest = trial.channel.message_bytes
    start = trial.message(7)
    pattern = bytes(range(256)) * (longest // 256 + 1)
    message = (start + pattern)[:longest] if trial.bench.message is None else start
    if trial.has("reply"):
        trial.own_reply(message, trial.client.submit(message))
    else:
        trial.client.send(message)
    if trial.bench.taken is not None and not trial.channel.ties:
        arrived = trial.bench.taken()[-1]
        require(arrived == message, f"of {longest} bytes {len(arrived)} arrived, or others")
    handed = len(trial.log.handed)
    try:
        trial.client.post(bytes(longest + 1))
    except MessageTooLong:
        require(len(trial.log.handed) == handed, "a message that is too long was handed over")
    else:
        fail(f"a message of {longest + 1} bytes was accepted")


@check("ops return at once", "stall", "ends")
def _at_once(trial: Trial) -> None:
    """With a far side that does nothing no op may wait for it."""
    trial.use()
    trial.stall()
    begin = trial.client.submit if trial.has("reply") else trial.client.post
    pending: list[Any] = []

    def send() -> None:
        with suppress(QueueFull):  # it may say so at once: what was sent before may lie there
            pending.append(begin(trial.message(2)))

    _timed(trial, "send()", send)
    for why in (LOOK, EVENT, POLL):
        _timed(trial, f"service(queue, {why!r})", partial(trial.service, why))
    _timed(trial, "arm()", trial.arm)
    for request in pending:
        _timed(trial, "abort()", request.cancel)


def _timed(trial: Trial, op: str, call: Callable[[], object]) -> None:
    started_ns = trial.now_ns()
    call()
    took_s = (trial.now_ns() - started_ns) / 1e9
    limit_s = trial.bench.op_s
    require(took_s < limit_s, f"{op} took {took_s:.2f} s (allowed: {limit_s}); ops never wait")
