"""A channel as one host is served on it: its two rings, and what is under way between them."""

import errno
import heapq

from mboxio._base.native import Mutex
from mboxio._base.tap import (
    SEEN_ANSWER,
    SEEN_MESSAGE,
    SEEN_NOTIFICATION,
    SEEN_REMOTE_REQUEST,
    SEEN_REPLY,
    SEEN_REQUEST,
    tagged,
)
from mboxio.errors import RemoteError
from mboxio.regions import Region
from mboxio.remote.channel import RemoteChannel, error_message, read_error
from mboxio.remote.delayed import Delayed, Reply
from mboxio.remote.faults import Rings, lie, oversize, push_header
from mboxio.remote.questions import Answered, Questions
from mboxio.remote.stats import RemoteStats
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST, Armed, consumer, producer

__all__ = ["ServedChannel"]

CAME = {MESSAGE: SEEN_MESSAGE, REQUEST: SEEN_REQUEST, REPLY: SEEN_ANSWER, ERROR: SEEN_ANSWER}
LEFT = {
    MESSAGE: SEEN_NOTIFICATION,
    REQUEST: SEEN_REMOTE_REQUEST,
    REPLY: SEEN_REPLY,
    ERROR: SEEN_REPLY,
}
"""What a slot's kind means where it came, and where it left."""

BATCH = 16
RETRY_MIN_NS = 1_000_000
RETRY_MAX_NS = 32_000_000


class ServedChannel:
    """A `RemoteChannel` as the host of one connection is served on it.

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
        self._waiting: list[Reply] = []
        self._delayed = Delayed(stats)
        self._due = self._delayed.due
        self._limit = 2 * max(channel.spec.depth, channel.workers)
        self._sent = 0  # replies, by the call of `serve` that runs
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
        due = self._due
        waited = len(self._waiting)
        room = self._limit - len(due) - waited  # a host that reads nothing is not read either
        self._sent = 0
        if waited:
            self._send_waiting()
        taken = self._take(min(room, BATCH), now_ns) if room > 0 else 0
        while due and due[0][0] <= now_ns:
            kind, tag, message = heapq.heappop(due)[2]
            self._reply(kind, tag, message)
        self._stats.replies += self._sent
        if self._waiting:
            self._pause(waited, now_ns)
        return taken > 0 or self._sent > 0

    def quiet(self) -> bool:
        """Return whether nothing can be taken now.

        Raises:
            RemoteError: the host broke the protocol.
        """
        # Without room, `next_ns` says when to look again.
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

    def _take(self, limit: int, now_ns: int) -> int:
        """Take up to `limit` messages and answer them; return how many there were."""
        channel, stats, rx = self.channel, self._stats, self._consumer
        handler, disturbance = channel.handler, channel.disturbance
        timed = channel.latency_ns != 0 or disturbance is not None
        reply: bytes | None = None
        kind = answer = tag = taken = 0
        while taken < limit:
            try:
                message = rx.take()
            except RemoteError:
                if not taken:
                    raise
                break  # what came before the lie is answered; the next call raises it
            # An index of each ring lies on one line, which the host looks at: the last answer goes
            # out and this place is given back in one breath, before a handler that may take long.
            if reply is not None:
                self._reply(answer, tag, reply)
                reply = None
            if message is None:
                break
            rx.release()
            taken += 1
            if not channel.host_sends:
                raise RemoteError(
                    f"the host lied: it sent on channel {channel.name}, where it listens"
                )
            kind = rx.kind
            tag = rx.tag
            if channel.tap is not None:
                self._tell(CAME[kind], kind, tag, message)
            if kind > REQUEST:
                if self.questions.answer(kind, tag, message):
                    stats.answered += 1
                else:
                    stats.unknown += 1
                continue
            answer = REPLY
            try:
                made = handler(message)
                reply = made if made is None or type(made) is bytes else channel.answer_of(made)
            except Exception as error:
                stats.failures += 1
                answer, reply = ERROR, channel.failed(error)
            if kind == REQUEST:
                stats.requests += 1
            else:
                stats.messages += 1
                reply = reply if channel.legacy and answer == REPLY else None
                answer = MESSAGE
                tag = 0
            if not channel.host_receives:
                reply = None
            if timed:
                due_ns = channel.due_ns(now_ns)
                if reply is not None:
                    self._delayed.add((answer, tag, reply), due_ns, disturbance)
                    reply = None
        if reply is not None:
            self._reply(answer, tag, reply)
        return taken

    def _reply(self, kind: int, tag: int, message: bytes) -> None:
        """Send a reply; where there is no place, it waits, and all that come after it."""
        self._guard.acquire()
        try:
            if not self.closed:
                if self._waiting or not self._put(kind, tag, message):
                    self._waiting.append((kind, tag, message))
                else:
                    self._sent += 1
        finally:
            self._guard.release()

    def _send_waiting(self) -> None:
        """Send what found no place, in order."""
        waiting = self._waiting
        self._guard.acquire()
        try:
            while self._sent < len(waiting) and not self.closed:
                kind, tag, message = waiting[self._sent]
                if not self._put(kind, tag, message):
                    break
                self._sent += 1
            del waiting[: self._sent]
        finally:
            self._guard.release()

    def _pause(self, waited: int, now_ns: int) -> None:
        """Say when to try again to send what waits; `waited`: how many did before this call."""
        # Something moved, or something new waits: look again soon. Else the host takes nothing, and
        # a look every millisecond would keep a CPU awake for it.
        if self._sent or len(self._waiting) != waited:
            self._pause_ns = RETRY_MIN_NS
            self._retry_ns = now_ns + RETRY_MIN_NS
        elif now_ns >= self._retry_ns:
            self._pause_ns = min(2 * self._pause_ns, RETRY_MAX_NS)
            self._retry_ns = now_ns + self._pause_ns

    def _push(self, kind: int, tag: int, message: bytes) -> bool:
        # What waits was there first.
        if self.closed or self._waiting or not self._producer.push(kind, tag, message):
            return False
        if self.channel.tap is not None:
            self._tell(LEFT[kind], kind, tag, bytes(message))  # any buffer can be pushed
        return True

    def _put(self, kind: int, tag: int, message: bytes) -> bool:
        """Push a reply, or an error where it is too long; a negative kind lies about its length."""
        if kind < 0:
            ring = self.layout.to_host
            if not push_header(self._region, ring, -kind, tag, oversize(ring)):
                return False
            self._producer.reset()  # the slot was published behind its back
            return True
        if len(message) > self._producer.message_bytes:
            limit = self._producer.message_bytes
            text = f"the message has {len(message)} bytes, the ring takes {limit}"
            kind, message = ERROR, error_message(errno.EMSGSIZE, text, limit)
        if not self._producer.push(kind, tag, message):
            return False
        if self.channel.tap is not None:
            self._tell(LEFT[kind], kind, tag, message)
        return True

    def _tell(self, seen: int, kind: int, tag: int, message: bytes) -> None:
        """Tell who listens of a message that came or left."""
        tap, status = self.channel.tap, 0
        if kind == ERROR:
            status, message = read_error(message)
        if tap is not None:
            untagged = seen == SEEN_NOTIFICATION
            shown = status if untagged else tagged(tag, status)
            tap.see(seen, self.channel.number, None, message, shown, 0)
