"""What the demo's host program does on the four channels, and what it checks."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from struct import Struct
from time import monotonic

import mboxio
from mboxio.cli.demo.firmware import QUESTION, SENSED, answer_to

__all__ = ["BACKLOG", "AnsweringHost", "Legacy", "PowerTraffic", "Sensor", "TrafficEnds", "arrived"]

CLIENTS = 4
CLIENT_BACKLOG = 16
BACKLOG = 20
PATIENCE_S = 5.0
LOOK_S = 0.05
NUMBERED = Struct("<IQ")

TrafficEnds = Counter[tuple[str, str, str]]
"""How requests failed: error, stage, handed over."""


def end_of(error: mboxio.MailboxError) -> tuple[str, str, str]:
    """Return what `TrafficEnds` counts."""
    return type(error).__name__, error.stage or "none", error.handed_over or "none"


class PowerTraffic:
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
        self.clients = [
            connection.client(channel, backlog=CLIENT_BACKLOG, timeout_s=PATIENCE_S)
            for _ in range(clients)
        ]
        self.tick = tick
        self.pending: deque[tuple[mboxio.Request[bytes], bytes]] = deque()
        self.sent = self.answered = self.failed = self.mispaired = 0
        self.ends: TrafficEnds = Counter()

    def run(self, in_flight: int, seconds: float) -> float:
        """Keep requests in flight for a while; returns how many were answered per second."""
        before, began_s = self.answered, monotonic()
        while monotonic() - began_s < seconds:
            self.fill(in_flight)
            self.collect()
            self.tick()
        spent_s = monotonic() - began_s
        return (self.answered - before) / spent_s

    def fill(self, limit: int) -> None:
        """Submit until ``limit`` requests are pending or no place is left."""
        while len(self.pending) < limit:
            number = self.sent % len(self.clients)
            message = NUMBERED.pack(number, self.sent)
            try:
                request = self.clients[number].submit(message)
            except mboxio.QueueFull:
                return
            self.sent += 1
            self.pending.append((request, answer_to(message)))

    def collect(self) -> None:
        """Wait a little for the oldest request; check all that are over."""
        if self.pending and not self.pending[0][0].over:
            self.pending[0][0].wait(LOOK_S)
        while self.pending and self.pending[0][0].over:
            request, expected = self.pending.popleft()
            self.check(request, expected)

    def check(self, request: mboxio.Request[bytes], expected: bytes) -> None:
        """Count how a request ended."""
        try:
            reply = request.result()
        except mboxio.MailboxError as error:
            self.failed += 1
            self.ends[end_of(error)] += 1
        else:
            self.answered += 1
            self.mispaired += reply != expected

    def drain(self, seconds: float) -> float:
        """Wait until nothing is pending; returns how long that took."""
        began_s = monotonic()
        while self.pending and monotonic() - began_s < seconds:
            self.collect()
            self.tick()
        return monotonic() - began_s

    def first_reply(self) -> float:
        """Send one request, which waits for a lost remote; returns how long it took."""
        message = NUMBERED.pack(0, self.sent)
        self.sent += 1
        began_s = monotonic()
        try:
            reply = self.clients[0].request(message, queue_timeout_s=PATIENCE_S)
        except mboxio.MailboxError:
            self.failed += 1
            raise
        self.answered += 1
        self.mispaired += reply != answer_to(message)
        return monotonic() - began_s


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
