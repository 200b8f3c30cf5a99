"""What a channel counts. Nothing is lost silently: what is dropped shows here."""

from dataclasses import dataclass, field, fields
from typing import Any

from mboxio.states import DONE, HOLDS_CREDIT, HOLDS_MEMORY, HOLDS_SLOT


@dataclass(frozen=True, kw_only=True)
class ChannelStats:
    """Counts of one channel since it was connected; all clients together.

    Args:
        sent: attempts to hand a message over that the driver was asked for.
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
    freed_by: dict[str, int] = field(default_factory=dict[str, int])
    messages_lost: int = 0
    out_of_step: bool = False

    def __repr__(self) -> str:
        """Show what is not zero, which is what people look for."""
        counts = ((each.name, getattr(self, each.name)) for each in fields(self))
        shown = ", ".join(f"{name}={count!r}" for name, count in counts if count)
        return f"{type(self).__name__}({shown})"


def collect(channel: Any) -> ChannelStats:
    """Count what happened on a channel and what is held. Under the lock."""
    held = channel.held()
    return ChannelStats(
        **channel.counts.all(),
        in_flight=sum(
            request.owner.channel is channel and request.state < DONE
            for request in channel.queue.in_flight()
        ),
        queued=sum(len(client.backlog) for client in channel.clients),
        held_slots=sum(bool(request.holds & HOLDS_SLOT) for request in held),
        held_credits=sum(bool(request.holds & HOLDS_CREDIT) for request in held),
        held_tags=tuple(channel.held_tags()),
        held_memory=sum(bool(request.holds & HOLDS_MEMORY) for request in held),
        freed_by=dict(channel.freed),
        messages_lost=channel.lost_by_subscribers
        + sum(subscription.lost_in_all for subscription in channel.subscriptions),
        out_of_step=channel.out_of_step,
    )
