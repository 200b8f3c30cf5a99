"""Every pair of events that can meet a request, in both orders, at every stage of its way.

At a named trace point the two events are let loose, from inside the call that passes the point
and from other threads. Whatever the order, the request ends exactly once, by the first event
that can end it there, and when all proofs have come nothing is held.
"""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mboxio import Connection, InOrder, MailboxError, Tagged
from mboxio.sim import VirtualClock
from mboxio.testing.tracer import Tracer

from .manual import Manual

pytestmark = pytest.mark.usefixtures("locks_checked")

STAGES = ("queued", "sending", "sent", "copying", "at rest", "awaiting reply")
AT_REST = STAGES[-2:]  # nobody is inside a call
EVENTS = ("complete", "tx done", "time-out", "cancel", "close", "link lost", "new epoch")
PAIRS = list(itertools.product(EVENTS, repeat=2))
TIES = {"hardware": lambda: None, "tagged": lambda: Tagged(bits=4), "in order": lambda: InOrder(8)}

MESSAGE = b"\0\0\0\0message"
TIMEOUT_S = 1.0


class Race:
    """One request on its way to one stage, where two events wait for it."""

    def __init__(self, stage: str, tie: str, release: Callable[["Race"], None]) -> None:
        self.stage = stage
        self.release = release
        self.ended = 0
        self.released = False
        self.request: Any = None
        self.clock = VirtualClock()
        self.driver = Manual(
            depth=2,
            reply_credits=2,
            matches_replies=tie == "hardware",
            correlators=(TIES[tie](),),
        )
        self.connection = Connection(self.driver, clock=self.clock, tap=Tracer(self.trace))
        self.driver.link(True, 1)
        self.client = self.connection.client(0, timeout_s=TIMEOUT_S, backlog=2)
        self.other = self.connection.client(0, timeout_s=None, backlog=2)
        self.queue: Any = self.driver.queue

    def trace(self, point: str, subject: Any) -> None:
        owned = getattr(subject, "_owner", None)
        if owned is None or owned is not getattr(self, "client", None):
            return
        self.request = subject
        if point == "request.ended":
            self.ended += 1
        if point == f"request.{self.stage}" and not self.released:
            self.released = True
            self.release(self)

    def run(self) -> None:
        """Bring the request to its stage, let the events loose, and bring all to an end."""
        if self.stage == "queued":
            blockers = [self.other.submit(MESSAGE), self.other.submit(MESSAGE)]
            self.client.submit(MESSAGE)
        elif self.stage == "copying":
            self.client.submit(MESSAGE, into=bytearray(64))
            self.driver.done()
            self.event("complete")
            blockers = []
        else:
            self.client.submit(MESSAGE)
            blockers = []
        if self.stage == "awaiting reply":
            self.driver.done()
        if self.stage in AT_REST:
            self.released = True
            self.release(self)
        self.settle(blockers)

    def event(self, name: str) -> None:
        """Let one event happen."""
        if name == "complete":
            if self.request.handle >= 0:
                self.answer(self.request)
        elif name == "tx done":
            if self.request.handle >= 0:
                self.driver.tx_done(self.queue, [self.request.handle])
        elif name == "time-out":
            self.clock.jump(int(TIMEOUT_S * 1e9))
            self.connection._host.gate.call(self.expire)
        elif name == "cancel":
            self.request.cancel()
        elif name == "close":
            self.client.close()
        elif name == "link lost":
            self.driver.link(False, 0, "test")
        elif name == "new epoch":
            self.driver.link(True, self.connection._host.life.epoch + 1)

    def expire(self) -> None:
        self.queue.on_time(self.clock.now_ns())

    def answer(self, request: Any) -> None:
        channel = self.driver.channels[0]
        if self.driver.capabilities.matches_replies:
            self.driver.complete(channel, request.handle, 0, b"reply")
        elif not channel.correlator.in_order:
            reply = channel.correlator.stamp(b"\0\0\0\0reply", max(request.tag, 0))
            self.driver.received(channel, [reply])
        elif request in channel.order.expected or not channel.order.expected:  # type: ignore[attr-defined]
            self.driver.received(channel, [b"reply"])

    def settle(self, blockers: list[Any]) -> None:
        """Let every proof come, as a remote that lives on would give it."""
        self.driver.link(True, max(self.connection._host.life.epoch, 1))
        for _ in range(4):
            for request in self.queue.in_flight():
                self.answer(request)
                self.driver.tx_done(self.queue, [request.handle])
        for blocker in blockers:
            assert blocker.done()
        assert self.request.wait(0)
        self.event("time-out")
        self.driver.channels[0].resync("test")  # type: ignore[attr-defined]

    def check(self, first: str, second: str) -> None:
        request = self.request
        assert self.ended == 1, "ended exactly once"
        queue, channel = self.queue, self.driver.channels[0]
        assert request.status in expected(self.stage, first, second), repr(request)
        assert (queue.slots_used, queue.credits_used) == (0, 0)
        assert queue.in_flight() == []
        assert not queue.line
        assert not channel.correlator.busy
        assert not channel.order.expected  # type: ignore[attr-defined]
        assert len(channel.correlator.free) in (0, 15)
        if request.status == "done":
            result = request.result()
            assert result in (5, 9) if self.stage == "copying" else result.endswith(b"reply")
        else:
            with pytest.raises(MailboxError) as caught:
                request.result()
            assert caught.value.handed_over in ("no", "yes")
            assert caught.value.stage in ("queue", "tx_done", "reply")
        self.connection.close()


ENDS = {
    "complete": "done",
    "time-out": "timed out",
    "cancel": "cancelled",
    "close": "closed",
    "link lost": "failed",
    "new epoch": "failed",
}


def expected(stage: str, *events: str) -> set[str]:
    """What the first event that can end a request at this stage makes of it."""
    if stage == "copying":
        return {"done"}  # the reply has won already
    for event in events:
        if stage == "queued" and event in ("complete", "tx done"):
            continue  # there is nothing in the hardware yet
        if event in ENDS:
            return {ENDS[event]}
    return {"done"}  # by the proofs that come in the end


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_pair_from_inside(first: str, second: str, stage: str, tie: str) -> None:
    """Both events come from inside the call: a driver's op, a finalizer, a signal handler."""

    def release(race: Race) -> None:
        race.event(first)
        race.event(second)

    race = Race(stage, tie, release)
    race.run()
    race.check(first, second)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_pair_from_other_threads(first: str, second: str, stage: str) -> None:
    """One event comes from another thread while the call is under way, one after it."""
    threads: list[threading.Thread] = []

    def release(race: Race) -> None:
        started = threading.Event()

        def outside() -> None:
            started.set()
            race.event(first)

        thread = threading.Thread(target=outside)
        threads.append(thread)
        thread.start()
        started.wait()
        if race.stage in AT_REST:
            thread.join()
            race.event(second)

    race = Race(stage, "hardware", release)
    settle = race.settle

    def join_then_settle(blockers: list[Any]) -> None:
        for thread in threads:
            thread.join()
        if race.stage not in AT_REST:
            race.event(second)
        settle(blockers)

    race.settle = join_then_settle  # type: ignore[method-assign]
    race.run()
    race.check(first, second)
