"""Checks of what the far side does on its own, and of waking up for it."""

import threading
from functools import partial

from mboxio.deputies import acting
from mboxio.testing.suite import check
from mboxio.testing.trial import PAUSE_NS, Trial, require

__tracebackhide__ = True  # pytest shows the test and the driver, not what lies between

FEW = 4


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
        lambda: trial.host.stats()[trial.channel.name].remote_requests == len(questions),
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

    require(
        ready or told() or trial.readable(trial.patience_s) or told(),
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
