"""Sends recorded messages to a remote again, and compares what comes back."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from mboxio._base.timeouts import DEFAULT
from mboxio.capture.event import Kind
from mboxio.client.blocking import Request
from mboxio.client.connection import Connection
from mboxio.driver.correlate import Correlator
from mboxio.errors import MailboxError, RemoteGone, WrongMessage
from mboxio.see.replay.conversation import UNKNOWN, Exchange
from mboxio.see.replay.difference import Difference
from mboxio.see.replay.outcome import received, recorded
from mboxio.see.replay.pace import LONGEST_NS, Pace
from mboxio.see.replay.replayed_channel import ReplayedChannel
from mboxio.see.replay.selection import Selection
from mboxio.see.replay.wire import correlator_of, untagged

__all__ = ["Rerun"]

LOOK_S = 0.1
BACKLOG = 1 << 16
LEAST_S = 1e-3


@dataclass(slots=True)
class Sent:
    """A message on its way."""

    number: int
    channel: "ReplayedChannel"
    exchange: Exchange
    request: Request[bytes] | None = None
    error: MailboxError | None = None

    def is_over(self) -> bool:
        """Return whether it ended; looks for news and never waits."""
        return self.request is None or self.request.done()


class Rerun:
    """Sends what was recorded to the channels of a connection. A context manager.

    ::

        with mboxio.connect("shm:board") as connection:
            with Rerun(select("session.pcapng"), connection) as rerun:
                assert list(rerun) == []

    Iterating sends, waits, and yields each `Difference`, in the order of the messages. Messages
    leave with the recorded gaps, and none before those that had ended when it left, nor before what
    the remote had said of its own accord by then, as long as it says that. Recorded time-outs have
    to time out again. Messages that their host cancelled are sent and not compared.
    What the remote asks is answered as it was.

    Args:
        selection: see `select`.
        connection: where.
        channels: the name there of a channel of the recording, where that is another.
        pace: how recorded times become times of the replay.
        in_flight: how many messages may be under way at once; None: as many as were.
        timeout_s: deadline of each reply, in seconds; None waits forever. Left out: that of the
            channel, or what a recorded time-out took.
        grace_s: how much later than recorded the remote may say something of its own accord, in
            seconds.
        correlator: how messages are stamped, where the controller does not say.
        check: called often while this waits; it may raise to end it.

    Raises:
        AddressError: there is no such channel.
        ValueError: ``in_flight`` is not 1 or more.

    Attributes:
        sent, same, different: how many messages were sent, and of those that were compared, how
            many ended as recorded or otherwise.
        stopped: why not everything was sent; empty if everything was.
        said, heard: how many unsolicited messages were recorded, and came; at the end.
    """

    def __init__(
        self,
        selection: Selection,
        connection: Connection,
        *,
        channels: Mapping[str, str] | None = None,
        pace: Pace | None = None,
        in_flight: int | None = None,
        timeout_s: float | None = DEFAULT,
        grace_s: float = 0.2,
        correlator: Correlator | None = None,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        if in_flight is not None and in_flight < 1:
            raise ValueError(f"in_flight={in_flight}: it is 1 or more")
        self.sent = self.same = self.different = self.said = self.heard = 0
        self.stopped = ""
        self._pace = pace or Pace()
        self._in_flight = in_flight
        self._timeout_s = timeout_s
        self._grace_ns = round(grace_s * 1e9)
        self._check = check
        self._line: deque[Sent] = deque()  # not compared yet, in the order of sending
        self._under_way: list[Sent] = []  # of those, what was not over at the last look
        self._channels: list[ReplayedChannel] = []
        self._plan: list[tuple[ReplayedChannel, Exchange, int]] = []
        now = correlator or correlator_of(connection.address)
        try:
            for each in selection.conversations:
                source = each.source
                name = (channels or {}).get(source.channel) or source.channel or source.number
                client = connection.client(name, backlog=BACKLOG, correlator=correlator)
                then = correlator or correlator_of(source.address)
                self._channels.append(ReplayedChannel(each, client, then, now))
                self._plan += [(self._channels[-1], *one) for one in self._channels[-1].planned()]
        except BaseException:
            self.close()
            raise
        self._plan.sort(key=lambda each: each[1].at_ns)
        ends_ns = (each.exchanges[-1].at_ns for each in selection.conversations)
        self._last_ns = max(ends_ns, default=0)

    @property
    def count(self) -> int:
        """How many messages there are to send."""
        return len(self._plan)

    def close(self) -> None:
        """End what is under way."""
        for each in self._channels:
            each.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Difference]:
        before_ns = self._plan[0][1].at_ns if self._plan else 0
        due_ns = time.monotonic_ns()
        for number, (channel, exchange, said) in enumerate(self._plan, 1):
            due_ns += self._pace.scaled_ns(exchange.at_ns - before_ns)
            before_ns = exchange.at_ns
            yield from self._make_room(exchange)
            self._hear(channel, said)
            yield from self._wait_until(due_ns)
            sent = Sent(number, channel, exchange)
            self._send(sent)
            self._line.append(sent)
            self._under_way.append(sent)
            yield from self._settle()
            if self.stopped:
                break
        while self._line:
            self._wait_for(self._line[0])
            yield from self._settle()
        self._listen(due_ns + self._pace.scaled_ns(self._last_ns - before_ns))

    # -- inside

    def _send(self, sent: Sent) -> None:
        """Hand one message over; an error is its end."""
        exchange = sent.exchange
        message = untagged(exchange.message, sent.channel.then)
        client = sent.channel.client
        verb: Any = client.submit if exchange.kind is Kind.REQUEST else client.post
        self.sent += 1
        try:
            sent.request = verb(message, timeout_s=self._timeout_of(exchange))
        except MailboxError as error:
            sent.error = error
            if isinstance(error, RemoteGone):
                self.sent -= 1
                self.stopped = str(error)
        except ValueError as error:  # of a correlator: the message has no place for a tag
            sent.error = WrongMessage(str(error), channel=client.name, handed_over="no")

    def _timeout_of(self, exchange: Exchange) -> Any:
        if self._timeout_s is not DEFAULT or exchange.end in ("done", "failed", UNKNOWN):
            return self._timeout_s
        return min(max(exchange.took_ns / 1e9, LEAST_S), LONGEST_NS / 1e9)

    def _make_room(self, exchange: Exchange) -> Iterator[Difference]:
        """Wait for what had ended when a message left, or for one of too many."""
        self._under_way = [each for each in self._under_way if not each.is_over()]
        if self._in_flight is None:
            for each in self._under_way:
                if each.exchange.end != UNKNOWN and each.exchange.end_ns <= exchange.at_ns:
                    self._wait_for(each)
        else:
            while len(self._under_way) >= self._in_flight:
                self._wait_for(self._under_way.pop(0))
        yield from self._settle()

    def _hear(self, channel: ReplayedChannel, said: int) -> None:
        """Wait for what the remote had said before a message: it may be what caused it."""
        if channel.patient and channel.heard + channel.answered < said:
            channel.listen(said, time.monotonic_ns() + self._grace_ns, self._check)
            channel.patient = channel.heard + channel.answered >= said  # it may not say it at all

    def _wait_for(self, sent: Sent) -> None:
        self._check()
        while sent.request is not None and not sent.request.wait(LOOK_S):
            self._check()

    def _wait_until(self, due_ns: int) -> Iterator[Difference]:
        """Let the time of a gap pass; what is under way goes on."""
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            pause_s = min(left_ns / 1e9, LOOK_S)
            waiting = next((each for each in self._under_way if not each.is_over()), None)
            if waiting is None or waiting.request is None:
                time.sleep(pause_s)
            else:
                waiting.request.wait(pause_s)
            self._check()
            yield from self._settle()

    def _listen(self, until_ns: int) -> None:
        """Let the remote say what it said after the last message, and count that."""
        until_ns = max(until_ns, time.monotonic_ns()) + self._grace_ns
        for each in self._channels:
            each.listen(0 if self.stopped else each.all, until_ns, self._check)
        self.said = sum(each.said for each in self._channels)
        self.heard = sum(each.heard for each in self._channels)

    def _settle(self) -> Iterator[Difference]:
        """Compare those that are over, up to the first that is not."""
        while self._line and self._line[0].is_over():
            found = self._compared(self._line.popleft())
            if found is not None:
                yield found

    def _compared(self, sent: Sent) -> Difference | None:
        channel, exchange, request, error = sent.channel, sent.exchange, sent.request, sent.error
        then = recorded(exchange, channel.then)
        if then is None:
            return None
        reply = None
        if request is not None:
            error = request.exception()
            if error is None and exchange.kind is Kind.REQUEST:
                reply = untagged(request.result(), channel.now)
        now = received(reply, error)
        if then.is_like(now):
            self.same += 1
            return None
        self.different += 1
        return Difference(
            sent.number,
            len(self._plan),
            exchange.kind is Kind.REQUEST,
            channel.conversation.source,
            channel.client.name,
            exchange.at_ns - self._plan[0][1].at_ns,
            untagged(exchange.message, channel.then),
            then,
            now,
        )
