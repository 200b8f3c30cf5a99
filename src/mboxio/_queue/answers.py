"""Requests of the remote: the handler that answers, or a refusal. Under the lock."""

import errno
from collections.abc import Mapping
from typing import Any, Protocol

from mboxio._base.counts import Counts
from mboxio._base.request import Request
from mboxio.driver.capabilities import Capabilities

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


class Answering(Protocol):
    """A queue, as far as answers concern it."""

    answers: list[Request]
    capabilities: Capabilities
    depth: int
    reserve: int

    def mark_dirty(self) -> None:
        """See `Line.mark_dirty`."""


class Voice(Protocol):
    """A client that can send answers on a channel."""

    def _send_answer(self, tag: int, message: bytes, status: int, queued_by: int) -> None:
        """See `Endpoint._send_answer`."""


class Channels(Protocol):
    """The connection, as far as answers concern it."""

    @property
    def channels(self) -> "Mapping[str, Approached]":
        """All channels, by name."""
        ...

    def voice(self, channel: Any) -> Voice:
        """See `Host.voice`."""
        ...


class Approached(Protocol):
    """A channel on which the remote asks."""

    asked: int
    counts: Counts

    @property
    def handler(self) -> Asked | None:
        """The handler of this channel."""
        ...

    @property
    def host(self) -> Channels:
        """The connection."""
        ...

    @property
    def queue(self) -> Answering:
        """The queue that it uses."""
        ...


def take_remote_request(channel: Approached, tag: int, message: bytes) -> None:
    """Pass a request of the remote to the handler, or refuse it at once."""
    channel.counts.remote_requests += 1
    if channel.handler is None:
        refuse(channel, tag, errno.ENOSYS, "no handler")
    elif channel.asked >= channel.handler.limit:
        refuse(channel, tag, errno.EBUSY, "too many requests at once")
    else:
        channel.asked += 1
        channel.handler.ask(tag, message)


def refuse(channel: Approached, tag: int, status: int, text: str) -> None:
    """Answer a remote request with an error, where the wire can say so."""
    channel.counts.remote_requests_refused += 1
    room = len(channel.queue.answers) < REFUSALS_MAX
    if room and channel.queue.capabilities.matches_replies:
        channel.host.voice(channel)._send_answer(tag, text.encode(), status, 0)


def reserve_a_slot(channel: Approached) -> None:
    """Keep a slot of the queue for answers as long as a handler may have to give any."""
    asked = any(
        each.handler is not None and each.queue is channel.queue
        for each in channel.host.channels.values()
    )
    channel.queue.reserve = 1 if asked and channel.queue.depth > 1 else 0
    channel.queue.mark_dirty()
