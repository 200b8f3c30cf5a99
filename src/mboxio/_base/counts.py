"""What a channel counts while messages pass: plain numbers, because every message touches them."""

from collections.abc import Sequence, Sized
from typing import Protocol

from mboxio._base.states import CANCEL, CLOSE, COMPLETE, FAIL, TIME_OUT


class Waiting(Protocol):
    """A client, as its channel is counted."""

    @property
    def _backlog(self) -> Sized:
        """What waits."""
        ...


class Reading(Protocol):
    """A subscription, as its channel is counted."""

    lost_in_all: int


class Stepping(Protocol):
    """The order of its replies."""

    out_of_step: bool


class Tallied(Protocol):
    """What is counted of a channel."""

    freed: dict[str, int]
    lost_by_subscribers: int

    @property
    def order(self) -> Stepping:
        """Whether its replies can be told apart."""
        ...

    @property
    def clients(self) -> Sequence[Waiting]:
        """Its clients."""
        ...

    @property
    def subscriptions(self) -> Sequence[Reading]:
        """Its subscriptions."""
        ...


class Counts:
    """The counts of one channel; `ChannelStats` says what each of them means."""

    __slots__ = (
        "sent",
        "done",
        "failed",
        "timed_out",
        "cancelled",
        "closed",
        "late",
        "unknown",
        "notifications",
        "unclaimed",
        "remote_requests",
        "remote_requests_refused",
    )

    def __init__(self) -> None:
        self.sent = self.done = self.failed = self.timed_out = self.cancelled = self.closed = 0
        self.late = self.unknown = self.notifications = self.unclaimed = 0
        self.remote_requests = self.remote_requests_refused = 0

    def ended(self, event: int) -> None:
        """Count a request by the event that ended it."""
        if event == COMPLETE:
            self.done += 1
        elif event == FAIL:
            self.failed += 1
        elif event == TIME_OUT:
            self.timed_out += 1
        elif event == CANCEL:
            self.cancelled += 1
        elif event == CLOSE:
            self.closed += 1

    def passed(self) -> int:
        """Return how many messages have passed, but for those that nobody can have asked for."""
        return self.sent + self.done + self.late + self.notifications + self.remote_requests

    def tally(self, channel: Tallied, in_flight: int) -> tuple[object, ...]:
        """Return the fields of `ChannelStats` for a channel of which nothing is held.

        Args:
            channel: whose counts these are.
            in_flight: how many of its requests are with the hardware.
        """
        queued = 0
        lost = channel.lost_by_subscribers
        for client in channel.clients:
            queued += len(client._backlog)
        for subscription in channel.subscriptions:
            lost += subscription.lost_in_all
        return (
            self.sent,
            self.done,
            self.failed,
            self.timed_out,
            self.cancelled,
            self.closed,
            self.late,
            self.unknown,
            self.notifications,
            self.unclaimed,
            self.remote_requests,
            self.remote_requests_refused,
            in_flight,
            queued,
            0,
            0,
            (),
            0,
            dict(channel.freed),
            lost,
            channel.order.out_of_step,
        )
