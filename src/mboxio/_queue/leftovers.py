"""Messages that an earlier user of the hardware left in a queue; the remote will answer them."""

from collections.abc import Callable
from typing import Protocol

from mboxio._base.gate import Gate
from mboxio._base.request import Lent, Owner, Request
from mboxio._base.states import (
    CLOSE,
    FOREVER,
    HAND_OVER,
    HOLDS_CREDIT,
    HOLDS_SLOT,
    HOLDS_TAG,
    SEND,
)
from mboxio._queue.order import Order
from mboxio._queue.window import Window
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.correlate import Correlator


class Places(Protocol):
    """A queue, as far as a message occupies it."""

    capabilities: Capabilities
    credits: int
    credits_used: int
    gate: Gate
    next_deadline_ns: int
    slots_used: int
    window: Window


class Adopting(Protocol):
    """A channel on which another program has sent."""

    correlator: Correlator
    order: Order
    ties: bool

    @property
    def answering(self) -> Owner:
        """The owner of messages that no client of the channel sent."""
        ...

    @property
    def queue(self) -> Places:
        """The queue that it uses."""
        ...


def adopt(channel: Adopting, tag: int, lent: Callable[[int], Lent] | None) -> None:
    """Hold the slot, tag and credit of a message that was not sent from here, until their proofs.

    Under the lock. It stands in the window like a request that was closed, so `stats` shows it.

    Args:
        channel: where it was sent.
        tag: what its reply will be known by; -1 if no reply can be taken for another's. Where
            replies come in order, each such message has one.
        lent: takes its handle, and returns the memory that it lent to the remote.
    """
    queue, correlator = channel.queue, channel.correlator
    request = Request(channel.answering, b"", True, FOREVER)
    request._holds = HOLDS_SLOT
    queue.slots_used += 1
    if correlator.in_order:
        correlator.in_flight += 1
        request._holds |= HOLDS_TAG
        channel.order.expect(request)
        # Nobody knows whether the remote answers it at all: if not, the order is lost.
        timeout_ns = int((queue.capabilities.timeout_s or 1.0) * 1e9)
        request._deadline_ns = queue.gate.clock.now_ns() + timeout_ns
        queue.next_deadline_ns = min(queue.next_deadline_ns, request._deadline_ns)
    elif channel.ties and tag in correlator.free:
        correlator.free.remove(tag)
        correlator.busy[tag] = request
        request.tag = tag
        request._holds |= HOLDS_TAG
    queue.window.add(request)
    if lent is not None:
        queue.window.lend(request.handle, lent(request.handle))
    if queue.credits != FOREVER and (request._holds & HOLDS_TAG or lent is not None):
        request._holds |= HOLDS_CREDIT
        queue.credits_used += 1
    for event in (SEND, HAND_OVER, CLOSE):
        request._step(event)
    request.over = True  # it has no waiter, and no owner that learns of its end
