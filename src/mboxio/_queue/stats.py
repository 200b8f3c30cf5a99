"""The counts of a channel. Nothing is lost silently: dropped messages show here."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from mboxio._base.counts import Counts, Tallied
from mboxio._base.request import Request
from mboxio._base.states import DONE, HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT
from mboxio._queue.reasons import held_tags
from mboxio._queue.window import Window


class ChannelStats(NamedTuple):
    """Counts of one channel since it was connected; all clients together.

    Args:
        sent: messages that left; what the hardware refused is none of them.
        done, failed, timed_out, cancelled, closed: requests by how they ended.
        late: replies for requests that were over.
        unknown: replies that answer nothing we know.
        notifications: unsolicited messages; ``unclaimed`` of them met no subscriber.
        remote_requests: what the remote asked; ``remote_requests_refused`` of them unanswered.
        in_flight, queued: requests that live now, with the hardware and in backlogs.
        held_slots, held_credits, held_tags, held_memory: what outlived its request and waits
            for its proof.
        freed_by: how many held requests were freed, by the proof that freed them.
        messages_lost: notifications that subscribers were too slow for.
        out_of_step: an in-order channel has lost a reply.
    """

    sent: int
    done: int
    failed: int
    timed_out: int
    cancelled: int
    closed: int
    late: int
    unknown: int
    notifications: int
    unclaimed: int
    remote_requests: int
    remote_requests_refused: int
    in_flight: int
    queued: int
    held_slots: int
    held_credits: int
    held_tags: tuple[int, ...]
    held_memory: int
    freed_by: dict[str, int]
    messages_lost: int
    out_of_step: bool

    def __repr__(self) -> str:
        """Show what is not zero, which is what people look for."""
        told = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items() if value)
        return f"ChannelStats({told})"


class Counted(Tallied, Protocol):
    """A channel."""

    name: str
    counts: Counts
    ties: bool


class Used(Protocol):
    """A queue."""

    window: Window

    def in_flight(self) -> list[Request]:
        """See `Held.in_flight`."""
        ...


def collect(channels: Iterable[Counted], queues: Iterable[Used]) -> dict[str, ChannelStats]:
    """Count what happened on every channel and what is held. Under the lock."""
    alive: dict[Counted, list[Request]] = {}
    held: dict[Counted, list[Request]] = {}
    for queue in queues:
        if queue.window.used:  # an idle queue costs no walk through its table
            for request in queue.in_flight():
                found = alive if request._state < DONE else held
                found.setdefault(request._owner._channel, []).append(request)
    return {
        channel.name: _count(channel, len(alive.get(channel, ())), held.get(channel, []))
        for channel in channels
    }


def _count(channel: Counted, in_flight: int, held: list[Request]) -> ChannelStats:
    counted = ChannelStats._make(channel.counts.tally(channel, in_flight))
    if not held:  # as nearly always: a monitor asks for all channels again and again
        return counted
    holds = [request._holds for request in held]
    return counted._replace(
        held_slots=sum(1 for each in holds if each & HOLDS_SLOT),
        held_credits=sum(1 for each in holds if each & HOLDS_CREDIT),
        held_tags=tuple(held_tags(held, channel.ties)),
        held_memory=sum(1 for each in holds if each & HOLDS_MEMORY),
    )
