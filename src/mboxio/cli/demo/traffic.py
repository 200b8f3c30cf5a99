"""What the host programs of the demos do on their channels, and what they check."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from functools import partial
from struct import Struct
from time import monotonic
from typing import Any

import mboxio
from mboxio.cli.demo.firmware import QUESTION, SENSED, answer_to
from mboxio.cli.demo.process import PATIENCE_S
from mboxio.cli.demo.screen import Screen

__all__ = [
    "BACKLOG",
    "AnsweringHost",
    "Asking",
    "Legacy",
    "PowerTraffic",
    "Sensor",
    "TrafficEnds",
    "arrived",
    "measured",
    "ticking",
]

CLIENTS = 4
CLIENT_BACKLOG = 16
BACKLOG = 20
LOOK_S = 0.05
NUMBERED = Struct("<IQ")

TrafficEnds = Counter[tuple[str, str, str]]
"""How requests failed: error, stage, handed over."""


def end_of(error: mboxio.MailboxError) -> tuple[str, str, str]:
    """Return what `TrafficEnds` counts."""
    return type(error).__name__, error.stage or "none", error.handed_over or "none"


class Asking:
    """Requests of one thread: so many under way, and whether each got the reply that it is due.

    Args:
        ask: sends the request of this number; returns it, what gives its reply, and the reply due.
        tick: called between requests, every now and then.
    """

    def __init__(
        self,
        ask: Callable[[int], tuple[mboxio.Request[bytes], Callable[[], Any], Any]],
        tick: Callable[[], object],
    ) -> None:
        self.ask = ask
        self.tick = tick
        self.pending: deque[tuple[mboxio.Request[bytes], Callable[[], Any], Any]] = deque()
        self.sent = self.answered = self.failed = self.mispaired = 0
        self.ends: TrafficEnds = Counter()

    def run(
        self, in_flight: int, seconds: float, tell: Callable[[float], object] | None = None
    ) -> float:
        """Keep requests in flight for a while; returns how many were answered per second.

        Args:
            tell: called with that number now and then.
        """
        before, began_s = self.answered, monotonic()
        while (spent_s := monotonic() - began_s) < seconds:
            self.fill(in_flight)
            self.collect()
            if tell is not None:
                tell((self.answered - before) / max(spent_s, 1e-3))
            self.tick()
        return (self.answered - before) / (monotonic() - began_s)

    def fill(self, limit: int) -> None:
        """Ask until ``limit`` requests are pending or no place is left."""
        while len(self.pending) < limit:
            try:
                pending = self.ask(self.sent)
            except mboxio.QueueFull:
                return
            self.sent += 1
            self.pending.append(pending)

    def collect(self) -> None:
        """Wait a little for the oldest request; check all that are over."""
        if self.pending and not self.pending[0][0].over:
            self.pending[0][0].wait(LOOK_S)
        while self.pending and self.pending[0][0].over:
            _, result, due = self.pending.popleft()
            self.check(result, due)

    def check(self, result: Callable[[], Any], due: Any) -> None:
        """Count how a request ended."""
        try:
            reply = result()
        except mboxio.MailboxError as error:
            self.failed += 1
            self.ends[end_of(error)] += 1
        else:
            self.answered += 1
            self.mispaired += reply != due

    def once(self, result: Callable[[], Any], due: Any) -> float:
        """Make one request by itself; returns how long it took. Raises what it raises."""
        began_s = monotonic()
        self.sent += 1
        try:
            reply = result()
        except mboxio.MailboxError:
            self.failed += 1
            raise
        self.answered += 1
        self.mispaired += reply != due
        return monotonic() - began_s

    def drain(self, seconds: float) -> float:
        """Wait until nothing is pending; returns how long that took."""
        began_s = monotonic()
        while self.pending and monotonic() - began_s < seconds:
            self.collect()
            self.tick()
        return monotonic() - began_s

    def broken(self, stats: mboxio.ChannelStats) -> Iterator[str]:
        """Say what went wrong, in words; nothing if all guarantees were kept.

        Args:
            stats: of the channel, where nothing is under way any more.
        """
        if self.mispaired or stats.unknown:
            yield f"{self.mispaired} wrong replies, {stats.unknown} that answer nothing"
        if self.pending or self.sent != self.answered + self.failed:
            yield f"{self.sent - self.answered - self.failed} requests did not end"
        if any(kind != "RemoteGone" for kind, _, _ in self.ends):
            yield f"requests failed without need: {dict(self.ends)}"
        if stats.held_slots or stats.held_tags or stats.held_credits:
            yield f"held: {stats.held_slots} slots, tags {stats.held_tags}"

    def counted(self) -> dict[str, int]:
        """Return the counts, as data."""
        names = ("answered", "failed", "mispaired")
        return {"requests": self.sent, **{name: getattr(self, name) for name in names}}


def ticking(*looks: Callable[[], object]) -> Callable[[], None]:
    """Return what makes all these looks, but not too often."""
    last_s = 0.0

    def tick() -> None:
        nonlocal last_s
        if monotonic() - last_s >= LOOK_S:
            for look in looks:
                look()
            last_s = monotonic()

    return tick


def measured(
    asking: Asking,
    screen: Screen,
    name: str,
    in_flight: int,
    seconds: float,
    first: float = 0.0,
    what: str = "requests",
) -> float:
    """Measure for a while in a row of its own, and wait for the end of all; returns the rate.

    Args:
        first: the rate to compare with; 0: none.
        what: is counted.
    """
    row = screen.row(name)

    def tell(rate: float) -> None:
        row.text = f"{in_flight:>2} in flight: {rate:>9,.0f} {what}/s"
        if first:
            row.share, row.note = 1.0, f"{rate / first:.1f}×"

    rate = asking.run(in_flight, seconds, tell)
    tell(rate)
    asking.drain(PATIENCE_S)
    screen.finish(row)
    return rate


class PowerTraffic(Asking):
    """Some clients of one channel, driven by one thread; every reply carries its number.

    Args:
        connection: the host's.
        tick: called between requests, every now and then.
        channel: its name.
        clients: how many.
    """

    def __init__(
        self,
        connection: mboxio.Connection,
        tick: Callable[[], object],
        channel: str = "power",
        clients: int = CLIENTS,
    ) -> None:
        super().__init__(self.submit, tick)
        self.clients = [
            connection.client(channel, backlog=CLIENT_BACKLOG, timeout_s=PATIENCE_S)
            for _ in range(clients)
        ]

    def submit(self, number: int) -> tuple[mboxio.Request[bytes], Callable[[], Any], Any]:
        """See `Asking`."""
        client = number % len(self.clients)
        message = NUMBERED.pack(client, number)
        request = self.clients[client].submit(message)
        return request, request.result, answer_to(message)

    def first_reply(self) -> float:
        """Send one request, which waits for a lost remote; returns how long it took."""
        message = NUMBERED.pack(0, self.sent)
        ask = partial(self.clients[0].request, message, queue_timeout_s=PATIENCE_S)
        return self.once(ask, answer_to(message))


def arrived(messages: mboxio.Messages) -> Iterator[bytes | None]:
    """Yield what has come, and None where the remote died.

    Not for long: where CPUs are scarce, more may come as fast as it is taken.
    """
    end_s = monotonic() + LOOK_S
    while monotonic() < end_s:
        try:
            yield messages.get(timeout_s=0)
        except mboxio.RequestTimeout:
            return
        except mboxio.MessagesLost:
            continue  # the numbers show it
        except mboxio.RemoteGone:
            yield None


class Sensor:
    """Listens, and checks that numbers rise; a gap is what the remote had no place for."""

    def __init__(self, connection: mboxio.Connection) -> None:
        self.messages = connection.client("sensor").subscribe()
        self.received = self.lost = self.disordered = 0
        self.latest = -1

    def look(self) -> None:
        """Take what has come."""
        for message in arrived(self.messages):
            if message is None:
                self.latest = -1
                continue
            (number,) = SENSED.unpack(message)
            self.received += 1
            if number <= self.latest:
                self.disordered += 1
            elif self.latest >= 0:
                self.lost += number - self.latest - 1
            self.latest = number


class AnsweringHost:
    """Answers what the remote asks; how well is in the next question."""

    def __init__(self, connection: mboxio.Connection) -> None:
        self.answered = self.wrong = 0
        connection.client("host").on_request(self.answer)

    def answer(self, question: bytes) -> bytes:
        """The handler."""
        self.answered += 1
        self.wrong = max(self.wrong, QUESTION.unpack(question)[2])
        return answer_to(question)


class Legacy:
    """The classic style: one active message, a backlog of 20, TX done by callback, no replies."""

    def __init__(self, connection: mboxio.Connection) -> None:
        ports = mboxio.Ports(tx_prepare=self.prepare, tx_done=self.done)
        self.client = connection.client(
            "legacy", backlog=BACKLOG, timeout_s=PATIENCE_S, ports=ports
        )
        self.sent = self.tx_done = self.failed = self.disordered = self.unprepared = 0
        self.prepared: set[bytes] = set()
        self.due: deque[bytes] = deque()
        self.pending: deque[mboxio.Request[bytes]] = deque()
        self.ends: TrafficEnds = Counter()

    def prepare(self, message: bytes) -> None:
        """A port: the message is about to leave."""
        self.prepared.add(message)

    def done(self, message: bytes, status: int) -> None:
        """A port: the message left, or never will."""
        if status:
            self.failed += 1
        else:
            self.tx_done += 1
            self.unprepared += message not in self.prepared
        self.prepared.discard(message)
        self.disordered += not self.due or self.due.popleft() != message

    @property
    def queued(self) -> int:
        """How many messages wait in the backlog."""
        return len(self.client._backlog)

    def fill(self) -> None:
        """Post until the backlog refuses more."""
        while True:
            message = SENSED.pack(self.sent)
            self.due.append(message)
            try:
                self.pending.append(self.client.post(message))
            except mboxio.QueueFull:
                self.due.pop()
                return
            self.sent += 1

    def look(self) -> None:
        """Take note of how messages failed."""
        while self.pending and self.pending[0].over:
            error = self.pending.popleft().exception()
            if error is not None:
                self.ends[end_of(error)] += 1
