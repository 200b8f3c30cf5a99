"""What the remote asks: who answers, and what it hears where nobody does. Under the lock."""

import errno
from typing import Any

REFUSALS_MAX = 32
"""Refusals of remote requests that may wait for a slot: a remote that floods hears no more."""


def take_remote_request(channel: Any, tag: int, message: bytes) -> None:
    """The remote asks: have the handler answer, or say at once that nobody will."""
    channel.counts.remote_requests += 1
    if channel.handler is None:
        refuse(channel, tag, errno.ENOSYS, "no handler")
    elif channel.asked >= channel.handler.limit:
        refuse(channel, tag, errno.EBUSY, "too many requests at once")
    else:
        channel.asked += 1
        channel.handler.ask(tag, message)


def refuse(channel: Any, tag: int, status: int, text: str) -> None:
    """Answer a remote request with an error, where the wire can say so."""
    channel.counts.remote_requests_refused += 1
    room = len(channel.queue.answers) < REFUSALS_MAX
    if room and channel.queue.capabilities.matches_replies:
        channel.host.voice(channel).send_answer(tag, text.encode(), status, 0)


def reserve_a_slot(channel: Any) -> None:
    """Keep a slot of the queue for answers as long as somebody may have to give any."""
    asked = any(
        each.handler is not None and each.queue is channel.queue
        for each in channel.host.channels.values()
    )
    channel.queue.reserve = 1 if asked and channel.queue.depth > 1 else 0
    channel.queue.mark_dirty()
