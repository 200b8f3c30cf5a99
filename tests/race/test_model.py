"""All operations in any order against a plain model, on the virtual clock.

The model knows slots, credits, tags, lines and deadlines as numbers and lists, nothing of threads
or effects. After every step each request must have the status that the model gives it.
"""

from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from mboxio import Busy, Connection, MailboxError, QueueFull, RemoteGone, Tagged
from mboxio.sim import VirtualClock
from tests.tools import examples

from .manual import Manual

DEPTH, CREDITS, BITS, BACKLOG = 3, 4, 3, 2
TAGS = (1 << BITS) - 1
SECOND = 1_000_000_000
MESSAGE = b"\0\0\0\0"
RARELY = st.integers(0, 7)
"""Great events happen when this is 0, or ordinary life would never get anywhere."""


class Model:
    """What the model knows of one request."""

    def __init__(self, client: int, tied: bool, timeout_s: float | None) -> None:
        self.client = client
        self.tied = tied
        self.timeout_s = timeout_s
        self.status = "new"
        self.slot = self.tag = False
        self.deadline_ns: int | None = None

    @property
    def lives(self) -> bool:
        return self.status in ("queued", "sent", "awaiting reply")


class Mailbox(RuleBasedStateMachine):
    """The real thing and its model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.driver = Manual(
            depth=DEPTH,
            reply_credits=CREDITS,
            matches_replies=False,
            correlators=(Tagged(bits=BITS),),
            poll_s=0.25,
        )
        self.connection = Connection(self.driver, clock=self.clock)
        self.epoch = 1
        self.driver.link(True, self.epoch)
        self.clients = [self.new_client() for _ in range(3)]
        self.open = [True] * 3
        self.pairs: list[tuple[Any, Model]] = []
        self.lines: list[deque[Model]] = [deque() for _ in range(3)]
        self.turn: deque[int] = deque()
        self.lost = False
        self.refusing = 0
        self.counts = dict.fromkeys(("late", "unknown", "notifications"), 0)

    def new_client(self) -> Any:
        return self.connection.client(0, backlog=BACKLOG, timeout_s=1.0, queue_timeout_s=2.0)

    # -- the model

    def holding(self, what: str) -> int:
        return sum(getattr(model, what) for _, model in self.pairs)

    def fits(self, model: Model) -> bool:
        if self.lost or self.holding("slot") >= DEPTH:
            return False
        return not model.tied or self.holding("tag") < min(CREDITS, TAGS)

    def model_send(self, model: Model, now_ns: int | None = None) -> None:
        model.status, model.slot, model.tag = "sent", True, model.tied
        if now_ns is None:
            now_ns = self.clock.now_ns()
        model.deadline_ns = (
            None if model.timeout_s is None else now_ns + int(model.timeout_s * SECOND)
        )

    def model_refill(self, now_ns: int | None = None) -> None:
        passed = 0
        while self.turn and passed < len(self.turn) and not self.lost:
            if self.holding("slot") >= DEPTH:
                return
            client = self.turn.popleft()
            if self.fits(self.lines[client][0]):
                self.model_send(self.lines[client].popleft(), now_ns)
                passed = 0
                if self.lines[client]:
                    self.turn.append(client)
            else:
                self.turn.append(client)
                passed += 1

    def model_end(self, model: Model, status: str) -> None:
        if model.status == "queued":
            line = self.lines[model.client]
            line.remove(model)
            if not line:
                self.turn.remove(model.client)
        model.status = status

    def find(self, index: int, **wanted: bool) -> tuple[Any, Model] | None:
        found = [
            pair
            for pair in self.pairs
            if all(getattr(pair[1], name) == value for name, value in wanted.items())
        ]
        return found[index % len(found)] if found else None

    # -- what users do

    @rule(times=st.integers(2, 5), client=st.integers(0, 2))
    def submit_some(self, times: int, client: int) -> None:
        for _ in range(times):
            self.submit_one(client, True, 1.0)

    @rule(
        client=st.integers(0, 2),
        tied=st.booleans(),
        timeout_s=st.sampled_from([0.5, 1.0, 3.0, None]),
    )
    def submit(self, client: int, tied: bool, timeout_s: float | None) -> None:
        self.submit_one(client, tied, timeout_s)

    def submit_one(self, client: int, tied: bool, timeout_s: float | None) -> None:
        if not self.open[client]:
            return
        model = Model(client, tied, timeout_s)
        verb = self.clients[client].submit if tied else self.clients[client].post
        if self.lost:
            with pytest.raises(RemoteGone):
                verb(MESSAGE, timeout_s=timeout_s)
            return
        if self.turn or not self.fits(model):
            if len(self.lines[client]) >= BACKLOG:
                with pytest.raises(QueueFull) as caught:
                    verb(MESSAGE, timeout_s=timeout_s)
                assert caught.value.reason == "backlog"
                return
            model.status = "queued"
            model.deadline_ns = self.clock.now_ns() + 2 * SECOND
            if not self.lines[client]:
                self.turn.append(client)
            self.lines[client].append(model)
        else:
            self.model_send(model)
        self.pairs.append((verb(MESSAGE, timeout_s=timeout_s), model))
        self.model_refill()

    @rule(index=st.integers(0, 50))
    def cancel(self, index: int) -> None:
        pair = self.find(index)
        if pair is None:
            return
        request, model = pair
        assert request.cancel() == model.lives
        if model.lives:
            self.model_end(model, "cancelled")
        self.model_refill()

    @rule(client=st.integers(0, 2), rarely=RARELY)
    def close_client(self, client: int, rarely: int) -> None:
        if rarely:
            return
        self.clients[client].close()
        self.open[client] = False
        for _, model in self.pairs:
            if model.client == client and model.lives:
                self.model_end(model, "closed")
        self.model_refill()

    @rule(client=st.integers(0, 2))
    def open_client(self, client: int) -> None:
        if not self.open[client]:
            self.clients[client] = self.new_client()
            self.open[client] = True

    # -- what the hardware and the remote do

    @rule(index=st.integers(0, 50), status=st.sampled_from([0, 0, 5]))
    def tx_done(self, index: int, status: int) -> None:
        pair = self.find(index, slot=True)
        if pair is None:
            return
        request, model = pair
        model.slot = False
        if status:
            model.tag = False
            if model.lives:
                self.model_end(model, "failed")
        elif model.status == "sent":
            model.status = "awaiting reply" if model.tied else "done"
        self.model_refill()
        self.driver.tx_done(self.driver.queue, [request.handle], status)

    @rule(index=st.integers(0, 50))
    def reply(self, index: int) -> None:
        pair = self.find(index, tag=True)
        if pair is None:
            return
        request, model = pair
        if model.lives:
            self.model_end(model, "done")
        else:
            self.counts["late"] += 1
        model.slot = model.tag = False
        reply = bytes([request.tag, 0, 0, 0]) + bytes([index])
        self.model_refill()
        self.driver.received(self.driver.channels[0], [reply])
        if request.status == "done":
            assert request.result() == reply

    @rule(tag=st.integers(1, TAGS))
    def reply_with_an_unused_tag(self, tag: int) -> None:
        if any(model.tag and request.tag == tag for request, model in self.pairs):
            return
        self.counts["unknown"] += 1
        self.driver.received(self.driver.channels[0], [bytes([tag, 0, 0, 0])])

    @rule()
    def notify(self) -> None:
        self.counts["notifications"] += 1
        self.driver.received(self.driver.channels[0], [b"\0\0\0\0sensor"])

    @precondition(lambda self: not self.lost)
    @rule(rarely=RARELY)
    def lose_the_link(self, rarely: int) -> None:
        if rarely:
            return
        self.lost = True
        self.bury()
        self.driver.link(False, 0, "test")

    @rule(rarely=RARELY)
    def new_epoch(self, rarely: int) -> None:
        if rarely and not self.lost:
            return
        if not self.lost:
            self.bury()
        self.lost = False
        self.epoch += 1
        self.driver.link(True, self.epoch)

    def bury(self) -> None:
        for _, model in self.pairs:
            if model.lives:
                self.model_end(model, "failed")
            model.slot = model.tag = False

    @rule(client=st.integers(0, 2))
    def the_hardware_is_busy_for_a_moment(self, client: int) -> None:
        if self.open[client] and not self.lost and not self.turn and self.holding("slot") < DEPTH:
            self.driver.outcomes = [Busy("at", at_ns=self.clock.now_ns() + 1)] * 2
            model = Model(client, False, 1.0)
            request = self.clients[client].post(MESSAGE)
            assert request.status == "queued"
            self.driver.outcomes = []
            self.pairs.append((request, model))
            self.lines[client].append(model)
            self.turn.append(client)
            model.status = "queued"
            self.clock.advance(2)
            self.connection._host.pump.look()
            self.model_refill()

    # -- time

    @rule(ms=st.sampled_from([1, 100, 500, 1000, 2500]))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms * 1_000_000)
        self.connection._host.pump.look()
        while due := [model for _, model in self.pairs if model.lives and self.is_late(model)]:
            first_ns = min(model.deadline_ns for model in due)  # type: ignore[type-var]
            for model in due:
                if model.deadline_ns == first_ns:
                    self.model_end(model, "timed out")
            self.model_refill(first_ns)  # who goes now has its own deadline, perhaps before the end

    def is_late(self, model: Model) -> bool:
        return model.deadline_ns is not None and self.clock.now_ns() >= model.deadline_ns

    @invariant()
    def everybody_agrees(self) -> None:
        for request, model in self.pairs:
            assert request.status == model.status, f"{request!r} and the model"
        queue = self.driver.queue
        assert queue.slots_used == self.holding("slot")
        assert queue.credits_used == self.holding("tag")
        channel = self.driver.channels[0]
        assert len(channel.correlator.busy) == self.holding("tag")
        assert len(channel.correlator.free) == TAGS - self.holding("tag")
        stats = self.connection.stats()["0"]
        for name, count in self.counts.items():
            assert getattr(stats, name) == count, name
        for status in ("done", "failed", "timed out", "cancelled", "closed"):
            ended = sum(model.status == status for _, model in self.pairs)
            assert getattr(stats, status.replace(" ", "_")) == ended
        held = [m for _, m in self.pairs if not m.lives]
        assert len(stats.held_tags) == sum(model.tag for model in held)
        assert stats.held_slots == sum(model.slot for model in held)

    def teardown(self) -> None:
        for request, model in self.pairs:
            if model.lives:
                self.model_end(model, "closed")
            elif model.status not in ("done",):
                with pytest.raises(MailboxError):
                    request.result()
        self.connection.close()
        for request, _ in self.pairs:
            assert request.over


Mailbox.TestCase.settings = settings(
    max_examples=examples(250), stateful_step_count=80, deadline=None
)
TestMailbox = Mailbox.TestCase
