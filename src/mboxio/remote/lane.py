"""One channel of one connection: its two rings, and what is under way between them."""

import errno
import heapq
from collections import deque
from collections.abc import Iterable

from mboxio._base.native import Mutex
from mboxio.errors import RemoteError
from mboxio.regions import Region
from mboxio.remote.channel import RemoteChannel, error_message
from mboxio.remote.faults import Disturbance, Rings, lie, oversize, push_header
from mboxio.remote.questions import Answered, Questions
from mboxio.remote.stats import RemoteStats
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST, Armed, consumer, producer

__all__ = ["Lane"]

_Reply = tuple[int, int, bytes]

BATCH = 16
RETRY_MIN_NS = 1_000_000
RETRY_MAX_NS = 32_000_000


class Lane:
    """One channel of one connection.

    Messages are taken by the serving thread only; the ring to the host is pushed to by any.

    Args:
        channel: what is served.
        layout: where its rings lie.
        region: the memory of the connection.
        armed: the armed words of the connection, if it has any.
        stats: where to count.
    """

    def __init__(
        self,
        channel: RemoteChannel,
        layout: Rings,
        region: Region,
        armed: Armed | None,
        stats: RemoteStats,
    ) -> None:
        self.channel = channel
        self.layout = layout
        self.closed = False
        self._region = region
        self._stats = stats
        self._guard = Mutex()  # of the ring to the host, and of `closed`
        self._consumer = consumer(region, layout.to_remote)
        self._producer = producer(region, layout.to_host, armed)
        # What was taken is answered or waits here, and no more is taken than may wait.
        self._waiting: deque[_Reply] = deque()
        self._due: list[tuple[int, int, _Reply]] = []
        self._limit = 2 * max(channel.spec.depth, channel.workers)
        self._sequence = 0
        self._held: tuple[int, int, _Reply] | None = None
        self._retry_ns = self._pause_ns = 0
        self.questions = Questions(channel.name)

    def stirs(self) -> bool:
        """Return, at little cost, whether `serve` may have something to do."""
        return self._consumer.news() or bool(self._due) or bool(self._waiting)

    def serve(self, now_ns: int) -> bool:
        """Take a batch, answer it and send what is due; False: there was nothing to do.

        Raises:
            RemoteError: the host broke the protocol.
        """
        if not self.stirs():
            return False
        due, waiting = self._due, self._waiting
        room = self._limit - len(due) - len(waiting)  # a host that reads nothing is not read either
        batch = self._consumer.pop_batch(min(room, BATCH)) if room > 0 else []
        replies = self._handle(batch, now_ns) if batch else []
        while due and due[0][0] <= now_ns:
            replies.append(heapq.heappop(due)[2])
        if (replies or waiting) and self._send(replies, now_ns):
            return True
        return bool(batch)

    def quiet(self) -> bool:
        """Return whether nothing can be taken now.

        Raises:
            RemoteError: the host broke the protocol.
        """
        room = self._limit - len(self._due) - len(self._waiting)
        return room <= 0 or not self._consumer.pending()

    def next_ns(self) -> int | None:
        """Return when there is something to do even if the host does nothing."""
        if self._waiting:
            return self._retry_ns
        return self._due[0][0] if self._due else None

    def push(self, kind: int, tag: int, message: bytes) -> bool:
        """Send a message of the remote's own accord; False: there is no place now.

        Raises:
            MessageTooLong: longer than the channel carries.
            RemoteError: the host broke the protocol.
        """
        self._guard.acquire()
        try:
            return self._push(kind, tag, message)
        finally:
            self._guard.release()

    def ask(self, message: bytes, answered: Answered) -> int:
        """Send a request of the remote and return its tag.

        Raises:
            QueueFull: the ring is full, or the host answers nothing.
            MessageTooLong: longer than the channel carries.
            RemoteError: the host broke the protocol.
        """
        self._guard.acquire()
        try:

            def push(kind: int, tag: int, message: bytes) -> bool:
                return self._push(kind, tag, message)

            return self.questions.ask(push, message, answered)
        finally:
            self._guard.release()

    def lie(self, field: str, value: int) -> bool:
        """Lie to the host; see `faults.lie`."""
        self._guard.acquire()
        try:
            if self.closed or not lie(self._region, self.layout, field, value):
                return False
            if field not in ("front", "rear"):
                self._producer.reset()
            return True
        finally:
            self._guard.release()

    def close(self) -> None:
        """Send nothing more."""
        self._guard.acquire()
        self.closed = True
        self._guard.release()

    def _handle(self, batch: Iterable[_Reply], now_ns: int) -> list[_Reply]:
        """Call the handler for each message; return the replies that go out at once."""
        channel, stats = self.channel, self._stats
        if not channel.host_sends:
            raise RemoteError(f"the host lied: it sent on channel {channel.name}, where it listens")
        handler, disturbance = channel.handler, channel.disturbance
        timed = channel.latency_ns != 0 or disturbance is not None
        replies: list[_Reply] = []
        requests = 0
        for kind, tag, message in batch:
            if kind > REQUEST:
                if self.questions.answer(kind, tag, message):
                    stats.answered += 1
                else:
                    stats.unknown += 1
                continue
            answer = REPLY
            try:
                reply = handler(message)
                if reply is not None and type(reply) is not bytes:
                    reply = channel.answer_of(reply)
            except Exception as error:
                stats.failures += 1
                answer, reply = ERROR, channel.failed(error)
            if kind == REQUEST:
                requests += 1
            else:
                stats.messages += 1
                reply = reply if channel.legacy and answer == REPLY else None
                answer, tag = MESSAGE, 0
            if not channel.host_receives:
                reply = None
            if timed:
                self._schedule(answer, tag, reply, channel.due_ns(now_ns), disturbance)
            elif reply is not None:
                replies.append((answer, tag, reply))
        stats.requests += requests
        return replies

    def _schedule(
        self, kind: int, tag: int, reply: bytes | None, due_ns: int, disturbance: Disturbance | None
    ) -> None:
        if reply is None:
            return
        if disturbance is None:
            self._add(due_ns, (kind, tag, reply))
            return
        fate, stats = disturbance.draw(), self._stats
        if fate.missing:
            stats.missing += 1
            return
        if fate.oversize:
            stats.oversize += 1
            kind = -kind
        if fate.late:
            stats.late += 1
            due_ns += disturbance.late_ns
        if fate.reorder and self._held not in self._due:
            stats.reordered += 1
            self._held = self._add(due_ns + disturbance.reorder_ns, (kind, tag, reply))
        else:
            self._add(due_ns, (kind, tag, reply))
            self._let_go(due_ns)
        if fate.duplicate:
            stats.duplicate += 1
            self._add(due_ns, (kind, tag, reply))

    def _add(self, due_ns: int, reply: _Reply) -> tuple[int, int, _Reply]:
        self._sequence += 1
        entry = (due_ns, self._sequence, reply)
        heapq.heappush(self._due, entry)
        return entry

    def _let_go(self, due_ns: int) -> None:
        """Let the reply that was held back follow the one that goes at `due_ns`."""
        held, self._held = self._held, None
        if held in self._due:
            self._due.remove(held)
            heapq.heapify(self._due)
            self._add(due_ns, held[2])

    def _send(self, replies: list[_Reply], now_ns: int) -> bool:
        """Push what waits and then `replies`; False: the ring took none of it."""
        # One guard for the whole batch. Replies leave in the order in which they were due, so one
        # that finds the ring full makes all behind it wait, too.
        waiting = self._waiting
        sent = 0
        self._guard.acquire()
        try:
            if self.closed:
                return False
            while waiting and self._put(*waiting[0]):
                waiting.popleft()
                sent += 1
            if waiting:
                waiting.extend(replies)
            else:
                for number, (kind, tag, message) in enumerate(replies):
                    if not self._put(kind, tag, message):
                        waiting.extend(replies[number:])
                        break
                    sent += 1
        finally:
            self._guard.release()
        self._stats.replies += sent
        if not waiting:
            return sent > 0
        # Something moved, or something new waits: look again soon. Else the host takes nothing, and
        # a look every millisecond would keep a CPU awake for it.
        if sent or replies:
            self._pause_ns = RETRY_MIN_NS
            self._retry_ns = now_ns + RETRY_MIN_NS
        elif now_ns >= self._retry_ns:
            self._pause_ns = min(2 * self._pause_ns, RETRY_MAX_NS)
            self._retry_ns = now_ns + self._pause_ns
        return sent > 0

    def _push(self, kind: int, tag: int, message: bytes) -> bool:
        # What waits was there first.
        return not (self.closed or self._waiting) and self._producer.push(kind, tag, message)

    def _put(self, kind: int, tag: int, message: bytes) -> bool:
        """Push a reply, or an error where it is too long; a negative kind lies about its length."""
        if kind < 0:
            ring = self.layout.to_host
            if not push_header(self._region, ring, -kind, tag, oversize(ring)):
                return False
            self._producer.reset()
            return True
        if len(message) > self._producer.message_bytes:
            limit = self._producer.message_bytes
            text = f"the message has {len(message)} bytes, the ring takes {limit}"
            kind, message = ERROR, error_message(errno.EMSGSIZE, text, limit)
        return self._producer.push(kind, tag, message)
