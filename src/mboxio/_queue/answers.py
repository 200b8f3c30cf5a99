"""Requests of the remote: who answers them, and how the answers go out. Under the lock."""

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from mboxio._base.counts import Counts
from mboxio._base.request import Owner, Request
from mboxio._base.states import FOREVER
from mboxio._base.tap import SEEN_REMOTE_REQUEST, tagged
from mboxio._queue.backlog import BY_HANDLER
from mboxio.driver.capabilities import Capabilities

if TYPE_CHECKING:
    from mboxio._base.gate import Gate

REFUSALS_MAX = 32
"""Refusals of remote requests that may wait for a slot: a remote that floods gets no more."""


class Asked(Protocol):
    """The handler of remote requests."""

    limit: int

    @property
    def client(self) -> object:
        """Through whom the answers go back."""
        ...

    def ask(self, tag: int, message: bytes) -> None:
        """See `Handler.ask`."""


class AnswerQueue(Protocol):
    """A queue, as far as answers concern it."""

    answers: list[Request]
    capabilities: Capabilities
    depth: int
    reserve: int

    def mark_dirty(self) -> None:
        """See `Line.mark_dirty`."""


class Numbered(Protocol):
    """The life of the remote."""

    number: int


class Connected(Protocol):
    """The connection, as far as answers concern it."""

    gate: "Gate"
    closed: bool

    @property
    def channels(self) -> "Mapping[str, Approached]":
        """All channels, by name."""
        ...

    @property
    def life(self) -> Numbered:
        """The life of the remote."""
        ...


class Approached(Protocol):
    """A channel on which the remote asks."""

    asked: int
    counts: Counts
    number: int
    message_bytes: int

    @property
    def handler(self) -> Asked | None:
        """The handler of this channel."""
        ...

    @property
    def host(self) -> Connected:
        """The connection."""
        ...

    @property
    def queue(self) -> AnswerQueue:
        """The queue that it uses."""
        ...


class Answers(Owner):
    """Our side of what the remote asks on one channel, and the owner of the answers.

    It also owns what an earlier host left in the hardware (`adopt`): messages of no client.

    Args:
        channel: where the remote asks.
    """

    __slots__ = ()

    _channel: Approached
    _queue: AnswerQueue

    def __init__(self, channel: Approached) -> None:
        super().__init__()
        self._channel = channel
        self._queue = channel.queue

    def ask(self, tag: int, message: bytes) -> None:
        """Pass a request of the remote to the handler, or refuse it at once."""
        channel = self._channel
        channel.counts.remote_requests += 1
        tap = channel.host.gate.tap
        if tap is not None:
            tap.see(SEEN_REMOTE_REQUEST, channel.number, None, message, tagged(tag), 0)
        if channel.handler is None:
            self.refuse(tag, errno.ENOSYS, "no handler")
        elif channel.asked >= channel.handler.limit:
            self.refuse(tag, errno.EBUSY, "too many requests at once")
        else:
            channel.asked += 1
            channel.handler.ask(tag, message)

    def refuse(self, tag: int, status: int, text: str) -> None:
        """Answer with an error, where the wire can say so."""
        queue = self._queue
        self._channel.counts.remote_requests_refused += 1
        if self._channel.host.gate.lost or len(queue.answers) >= REFUSALS_MAX:
            return
        if queue.capabilities.matches_replies:
            self.put(tag, text.encode(), status, FOREVER, 0)  # 0: it frees no handler

    def take(self, tag: int, message: bytes, status: int, life: int, timeout_ns: int) -> None:
        """The handler has answered, and is free for another request.

        Args:
            tag: of the remote's request.
            status: 0, or the error number that the remote is told.
            life: of the remote that asked, by number; another one is not told.
            timeout_ns: how long the answer may lie in its slot.
        """
        channel = self._channel
        host = channel.host
        # `asked` is left alone: the end of that life has set it to 0.
        if life != host.life.number or host.closed:
            return
        if host.gate.lost or (status and not self._queue.capabilities.matches_replies):
            channel.asked -= 1  # the remote is gone, or the wire cannot say that a handler failed
            return
        if len(message) > channel.message_bytes:
            message, status = b"the answer is too long", errno.EMSGSIZE
        self.put(tag, message, status, timeout_ns, BY_HANDLER)

    def put(self, tag: int, message: bytes, status: int, timeout_ns: int, queued_by: int) -> None:
        """Queue an answer, before everything that waits."""
        request = Request(self, message, False, timeout_ns)
        request._remote_tag = tag
        request._remote_status = status
        request._queued_by = queued_by
        self._queue.answers.append(request)
        self._queue.mark_dirty()

    def reserve_a_slot(self) -> None:
        """Keep a slot of the queue for answers as long as a handler may have to give any."""
        queue = self._queue
        channels = self._channel.host.channels.values()
        asked = [each for each in channels if each.handler is not None and each.queue is queue]
        # The remote may take no request before it has its answer: with every slot full of requests,
        # both sides would wait forever. A queue of one slot has none to spare.
        queue.reserve = 1 if asked and queue.depth > 1 else 0
        queue.mark_dirty()
