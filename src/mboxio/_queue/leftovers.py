"""Messages that an earlier user of the hardware left in a queue; the remote will answer them."""

from typing import Protocol

from mboxio._base.request import Owner, Request
from mboxio._base.states import (
    CLOSE,
    FOREVER,
    HAND_OVER,
    HOLDS_CREDIT,
    HOLDS_SLOT,
    HOLDS_TAG,
    SEND,
)
from mboxio._queue.window import Window
from mboxio.driver.correlate import Correlator


class Places(Protocol):
    """A queue, as far as a message occupies it."""

    credits: int
    credits_used: int
    slots_used: int
    window: Window


class Adopting(Protocol):
    """A channel on which another program has sent."""

    correlator: Correlator
    ties: bool

    @property
    def answering(self) -> Owner:
        """The owner of messages that no client of the channel sent."""
        ...

    @property
    def queue(self) -> Places:
        """The queue that it uses."""
        ...


def adopt(channel: Adopting, tag: int) -> None:
    """Hold the slot, tag and credit of a message that was not sent from here, until their proofs.

    Under the lock. It stands in the window like a request that was closed, so `stats` shows it.

    Args:
        channel: where it was sent.
        tag: what its reply will be known by; -1 if no reply can be taken for another's.
    """
    queue = channel.queue
    request = Request(channel.answering, b"", True, FOREVER)
    request._holds = HOLDS_SLOT
    queue.slots_used += 1
    if channel.ties and tag in channel.correlator.free:
        channel.correlator.free.remove(tag)
        channel.correlator.busy[tag] = request
        request.tag = tag
        request._holds |= HOLDS_TAG
        if queue.credits != FOREVER:
            request._holds |= HOLDS_CREDIT
            queue.credits_used += 1
    queue.window.add(request)
    for event in (SEND, HAND_OVER, CLOSE):
        request._step(event)
    request.over = True  # it has no waiter, and no owner that learns of its end
