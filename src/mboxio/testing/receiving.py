"""Checks of what the far side does on its own, and of waking up for it."""

import threading
from collections.abc import Iterable
from functools import partial
from typing import Any

from mboxio._base.deputies import acting
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.correlate import Verdict
from mboxio.testing.suite import check
from mboxio.testing.trial import PAUSE_NS, Skip, Trial, fail, require

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

FEW = 4
BYTES_LIKE = (str, bytes, bytearray, memoryview)


@check("what is handed up is bytes, no longer than declared")
def _handed_up(trial: Trial) -> None:
    wrong: list[str] = []
    _look_at_reports(trial, wrong)
    try:
        got = _traffic(trial)
    except Exception:
        if not wrong:
            raise
        got = []
    if wrong:
        fail(wrong[0])
    if not got:
        raise Skip("nothing is received")
    for message in got:
        _look_at(trial.channel, message, "Done()", wrong)
    if wrong:
        fail(wrong[0])


def _look_at_reports(trial: Trial, wrong: list[str]) -> None:
    """Look at what the driver hands up before the core refuses it."""
    controller: Any = trial.bench.controller
    received, complete = controller.received, controller.complete

    def hear(channel: DriverChannel, messages: Iterable[object]) -> None:
        kind: Any = messages.__class__
        if hasattr(kind, "__iter__") and kind not in BYTES_LIKE:
            messages = list(messages)
            for message in messages:
                payload = message.message if isinstance(message, Verdict) else message
                if payload is not None:
                    _look_at(channel, payload, "received()", wrong)
        else:
            wrong.append(f"received() was given {kind.__name__}, not a list of messages")
        received(channel, messages)

    def hear_one(channel: DriverChannel, handle: int, status: int, reply: object = b"") -> None:
        _look_at(channel, reply, "complete()", wrong)
        complete(channel, handle, status, reply)

    controller.received, controller.complete = hear, hear_one


def _look_at(channel: DriverChannel, message: Any, report: str, wrong: list[str]) -> None:
    try:
        size_bytes = memoryview(message).nbytes
    except TypeError:
        wrong.append(f"{report} was given {type(message).__name__} {message!r}, not bytes")
        return
    if size_bytes > channel.message_bytes:
        wrong.append(
            f"{report} was given {size_bytes} bytes, and message_bytes={channel.message_bytes} is "
            "declared"
        )


def _traffic(trial: Trial) -> list[Any]:
    """Have the far side say all that it can say, and return that."""
    got: list[Any] = []
    bench = trial.bench
    if trial.has("reply"):
        got += [trial.submit(trial.message(number)).result() for number in range(2)]
    if trial.has("receive") and bench.notify is not None:
        with trial.client.subscribe() as messages:
            bench.notify(bench.channel, trial.message(1))
            got.append(messages.get(trial.patience_s))
    if trial.has("receive") and bench.ask is not None:
        asked: list[bytes] = []
        trial.client.on_request(asked.append)
        bench.ask(bench.channel, trial.message(2), lambda reply, status: None)
        trial.soon(lambda: asked, "the remote's request reached no handler")
        got += asked
    return got


@check("notifications arrive in order", "notify", "receive")
def _in_order(trial: Trial) -> None:
    assert trial.bench.notify is not None
    sent = [trial.message(number) for number in range(1, 1 + FEW)]
    with trial.client.subscribe() as messages:
        for message in sent:
            trial.bench.notify(trial.bench.channel, message)
        got = [messages.get(trial.patience_s) for _ in sent]
    require(got == sent, f"the notifications {sent!r} arrived as {got!r}")


@check("what the remote asks is answered, each question for itself", "ask", "receive")
def _is_asked(trial: Trial) -> None:
    """Two questions are pending before the first one is answered."""
    assert trial.bench.ask is not None
    both = threading.Event()
    answers: dict[int, bytes] = {}
    complete = threading.Event()
    questions = [trial.message(1), trial.message(2)]

    def handler(message: bytes) -> bytes:
        both.wait(trial.patience_s)
        return message

    def answered(number: int, reply: bytes, status: int) -> None:
        answers[number] = reply
        if len(answers) == len(questions):
            complete.set()

    trial.client.on_request(handler)
    for number, question in enumerate(questions):
        trial.bench.ask(trial.bench.channel, question, partial(answered, number))
    trial.soon(
        lambda: trial.connection.stats()[trial.channel.name].remote_requests == len(questions),
        "the remote's requests were not handed up as RemoteRequest",
    )
    both.set()
    done = complete.wait(trial.patience_s)
    require(done, f"the remote got {len(answers)} answers to {len(questions)} questions")
    for number, question in enumerate(questions):
        got = answers[number]
        require(got == question, f"the answer to {question!r} was {got!r}: mind the tag in reply()")


@check("arm() notices what came after service()", "notify", "receive", "events")
def _armed(trial: Trial) -> None:
    """The far side may have looked whether to ring before the sleep was announced."""
    assert trial.bench.notify is not None
    trial.service()
    counts = trial.channel.counts
    counted = counts.notifications, trial.log.events
    trial.bench.notify(trial.bench.channel, trial.message(1))
    ready = trial.arm()

    def told() -> bool:
        return (counts.notifications, trial.log.events) != counted

    # In short sleeps: a driver over another one learns of the message on a thread of that one.
    until_ns = trial.now_ns() + int(trial.patience_s * 1e9)
    while not (ready or told()) and trial.now_ns() < until_ns:
        ready = trial.readable(PAUSE_NS / 1e9)
    require(
        ready or told(),
        "a message came between service() and arm(), and arm() returned False: announce the "
        "sleep, then look again",
    )


@check("the probe tells of what came", "notify", "receive", "events")
def _probe(trial: Trial) -> None:
    """Of a controller without a probe of its own, it always does."""
    assert trial.bench.notify is not None
    trial.service()
    counts = trial.channel.counts
    counted = counts.notifications
    trial.bench.notify(trial.bench.channel, trial.message(1))

    def told() -> bool:
        return bool(trial.queue.probe.news(True)) or counts.notifications != counted

    until_ns = trial.now_ns() + int(trial.patience_s * 1e9)
    while not told() and trial.now_ns() < until_ns:
        trial.readable(PAUSE_NS / 1e9)
    require(told(), "a message came, and queue.probe has no news: spinners would not look for it")


@check(
    "descriptors are readable until the queue was serviced",
    *("notify", "receive", "descriptors", "events"),
)
def _readable(trial: Trial) -> None:
    assert trial.bench.notify is not None

    def quiet() -> bool:
        trial.service()
        return not trial.arm()

    trial.soon(quiet, "arm() returned True again and again though nothing came")
    require(not trial.readable(), "a descriptor is readable though there is nothing to do")
    trial.bench.notify(trial.bench.channel, trial.message(1))
    woken = trial.readable(trial.patience_s)
    require(woken, "a message came, and no descriptor given to watch() became readable")
    trial.service()
    require(not trial.readable(), "a descriptor stays readable after service(): clear the cause")


@check("a sleeping waiter is woken", "notify", "receive")
def _wakes(trial: Trial) -> None:
    notify = trial.bench.notify
    assert notify is not None
    waiter = acting()
    asleep = threading.Event()
    trial.log.on_sleep = lambda who: asleep.set() if who == waiter else None

    def remote() -> None:
        if asleep.wait(trial.patience_s):
            notify(trial.bench.channel, trial.message(1))

    thread = threading.Thread(target=remote, daemon=True)
    with trial.client.subscribe() as messages:
        thread.start()
        started_ns = trial.now_ns()
        try:
            messages.get(trial.patience_s)
        finally:
            thread.join(trial.patience_s)
    took_s = (trial.now_ns() - started_ns) / 1e9
    require(
        took_s < 0.9 * trial.patience_s,
        "a message came while a thread slept, and nothing woke it: make a descriptor readable, "
        "call event(), or declare polls_events",
    )
