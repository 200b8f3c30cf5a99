"""Signals at random: whatever they interrupt, every request ends and nothing is held for ever.

``make interrupts`` does it 100,000 times on each build.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

import mboxio
from mboxio import Client, Messages, QueueFull, Request, RequestTimeout
from mboxio.remote import Remote

from .support import PATIENCE_S

INTERRUPTS = int(os.environ.get("MBOXIO_INTERRUPTS", "1500"))
"""How many interrupts each test takes."""
LONGEST_S = 400e-6
IN_FLIGHT_MAX = 24
LOOKED_AT = 250
"""Interrupts between two looks at the whole."""


class TooLong(Exception):
    """A time limit."""


class Unheard(Exception):
    """The handler raised, and the steps went on."""


class Limits:
    """Time limits that are armed and disarmed by plain assignments, which nothing interrupts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.armed = False
        self.struck = 0
        self.dropped = 0

    def strike(self, number: int, frame: FrameType | None) -> None:
        if self.armed:
            self.struck += 1
            raise TooLong if self.struck % 3 else KeyboardInterrupt

    def run(self, step: Callable[[], object], again: bool) -> None:
        """Take steps until one is interrupted; again and again, the clean-up is struck as well."""
        struck, dropped = self.struck, self.dropped

        def careful() -> None:
            step()
            if not again and self.struck != struck:
                raise Unheard

        try:
            self.armed = True
            every_s = 50e-6 if again else 0.0
            signal.setitimer(signal.ITIMER_REAL, self.random.uniform(1e-6, LONGEST_S), every_s)
            # With a condition, Python 3.13 looks for signals at the end of the loop, out of `try`.
            while True:
                careful()
        except (TooLong, KeyboardInterrupt):
            self.armed = False
        except Unheard:
            self.armed = False
            assert self.dropped > dropped, "an interrupt was swallowed"


@contextmanager
def limits() -> Iterator[Limits]:
    made = Limits(random.randrange(1 << 32))
    report = sys.unraisablehook

    def unraisable(fault: Any) -> None:
        # What a handler raises inside a destructor, or a callback of the garbage collector, is
        # dropped by Python itself.
        if issubclass(fault.exc_type, (TooLong, KeyboardInterrupt)):
            made.dropped += 1
        else:
            report(fault)

    before = signal.signal(signal.SIGALRM, made.strike)
    sys.unraisablehook = unraisable
    try:
        yield made
    finally:
        made.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = report


class User:
    """What a program does with one channel; every reply says which question it answers."""

    def __init__(self, client: Client, messages: Messages, choice: random.Random) -> None:
        self.client = client
        self.messages = messages
        self.choice = choice
        self.number = 0
        self.pending: list[tuple[bytes, Request[bytes]]] = []
        self.ends: Counter[str] = Counter()

    def step(self) -> None:
        name = self.choice.choice(("ask", "ask", "submit", "submit", "post", "map", "wait", "look"))
        getattr(self, name)()

    def message(self) -> bytes:
        self.number += 1
        return self.number.to_bytes(4, "little")

    def ask(self) -> None:
        message = self.message()
        assert self.client.request(message) == b"re " + message

    def map(self) -> None:
        messages = [self.message() for _ in range(self.choice.randrange(6))]
        replies = self.client.map(messages, window=3)
        assert list(replies) == [b"re " + message for message in messages]

    def submit(self) -> None:
        if len(self.pending) >= IN_FLIGHT_MAX:
            self.wait()
        message = self.message()
        try:
            self.pending.append((message, self.client.submit(message)))
        except QueueFull:
            self.ends["full"] += 1

    def post(self) -> None:
        try:
            self.client.post(self.message())
        except QueueFull:
            self.ends["full"] += 1

    def wait(self) -> None:
        if self.pending:
            message, request = self.pending[0]
            if self.choice.random() < 0.2:
                request.cancel()
            if request.wait(PATIENCE_S) and request.status == "done":
                assert request.result() == b"re " + message
            if self.pending and self.pending[0][1] is request:
                del self.pending[0]

    def look(self) -> None:
        if self.choice.random() < 0.2:
            self.client._host.stats()  # type: ignore[attr-defined]
        try:
            self.messages.get(timeout_s=0)
        except (RequestTimeout, mboxio.MessagesLost):
            self.ends["no message"] += 1


def until(condition: Callable[[], Any], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, what
        os.sched_yield()


def whole(connection: mboxio.Connection, user: User) -> None:
    """Everything that was begun ends, and nothing is held then."""
    for message, request in user.pending:
        if request.wait(PATIENCE_S) and request.status == "done":
            assert request.result() == b"re " + message
        assert request.done(), request
    user.pending.clear()
    client, pump = user.client, connection._host.pump
    assert client.request(b"fine") == b"re fine"
    client.flush(PATIENCE_S)
    queue = connection._host.queues[0]
    assert queue.fault is None
    until(lambda: connection.stats()["a"].in_flight == 0, "something is in flight for ever")
    stats = connection.stats()["a"]
    assert (stats.held_slots, stats.held_credits, stats.held_tags) == (0, 0, ())
    assert (queue.slots_used, queue.credits_used, queue.window.used) == (0, 0, 0)
    assert (queue.line, queue.answers, queue.dirty) == ([], [], False)
    assert stats.unknown == 0
    until(
        lambda: pump.leader is None or pump.leader is connection._host.worker.parker, "who leads?"
    )
    assert not pump.parked
    assert not connection._host.gate.lock.mine()


@pytest.mark.timeout(max(120, INTERRUPTS // 50))
@pytest.mark.parametrize("again", [False, True], ids=["once", "and in the clean-up"])
@pytest.mark.parametrize("depth", [1, 8])
def test_signals_at_random(depth: int, again: bool) -> None:
    remote = Remote("random")
    remote.channel("a", depth=depth, message_bytes=32)

    @remote.handler("a")
    def answer(message: bytes) -> bytes:
        if message[0] % 8 == 0:
            remote.notify("a", b"news")
        return b"re " + message

    with (
        remote,
        mboxio.connect("shm:random") as connection,
        connection.client("a", backlog=8, timeout_s=PATIENCE_S) as client,
        client.subscribe() as messages,
        limits() as struck,
    ):
        user = User(client, messages, struck.random)
        # Those that come at every 50 µs are many more than any program meets.
        wanted = INTERRUPTS // (16 if again else 4)
        try:
            while struck.struck < wanted:
                target = struck.struck + LOOKED_AT
                while struck.struck < min(target, wanted):
                    struck.run(user.step, again)
                signal.setitimer(signal.ITIMER_REAL, 0)
                whole(connection, user)
        except KeyboardInterrupt as error:  # it would end the whole run of tests
            raise AssertionError("an interrupt came where none is armed") from error
