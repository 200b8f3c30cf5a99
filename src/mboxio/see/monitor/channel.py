"""One channel as its events tell it: counts, times, and the messages that are on the way."""

from itertools import islice

from mboxio._base.texts import remote_text
from mboxio.capture.event import OUTCOMES, Source
from mboxio.see.monitor.histogram import Rate, Times
from mboxio.see.monitor.record import DONE, Record

__all__ = ["OPEN_MAX", "RECENT_MAX", "ChannelState", "epoch_of"]

OPEN_MAX = 2048
"""Messages on the way that a channel remembers; the oldest are forgotten, and counted."""
RECENT_MAX = 64


class ChannelState:
    """A channel, as one side of it saw it.

    Args:
        source: which.
        window_ns: percentiles and rates are recent ones, see `Times`; None: of everything.
    """

    def __init__(self, source: Source, window_ns: int | None = None) -> None:
        self.source = source
        side = "" if source.side == "host" else f" ({source.side})"
        self.name = remote_text(f"{source}{side}")
        self.window_ns = window_ns
        self.link = "?"
        self.epoch: int | None = None
        self.link_why = ""
        self.stopped = ""
        self.out_of_step = False
        self.overflow = 0
        self.clear()
        self.open: dict[int, Record] = {}
        """By number; at the remote by the tag, negative."""
        self.held: dict[int, Record] = {}
        self.recent: dict[int, Record] = {}
        self.forgotten = 0
        self.doubt_ns: int | None = None
        """When events were last lost: what is older may be over, and nobody saw it."""
        self.sent_last: bytes | None = None
        self.sent_before: bytes | None = None
        self.came_last: bytes | None = None
        self.came_before: bytes | None = None
        self.came_unseen = 0

    def clear(self) -> None:
        """Count from zero; messages on the way stay."""
        self.counts = dict.fromkeys(OUTCOMES[DONE:], 0)
        self.late = self.unknown = self.refused = self.busy = self.sent = 0
        self.notifications = self.remote_requests = self.answers = self.doorbells = 0
        self.lost = 0
        self.freed: dict[str, int] = {}
        self.rate = Rate()
        self.trip, self.queueing = Times(self.window_ns), Times(self.window_ns)
        self.to_tx, self.replying = Times(self.window_ns), Times(self.window_ns)

    # -- what is to be told

    @property
    def slots_used(self) -> int:
        """Messages in the slots of the hardware, also those that hold one after their end."""
        return sum(each.in_slot for table in (self.open, self.held) for each in table.values())

    @property
    def queued(self) -> int:
        """Messages that wait for their place."""
        return sum(each.sent_ns is None for each in self.open.values())

    @property
    def in_flight(self) -> int:
        """Messages that the hardware or the remote has, and that are not over."""
        return len(self.open) - self.queued

    def oldest(self) -> Record | None:
        """Return the message that is on the way for the longest time."""
        return next(iter(self.open.values()), None)

    def stuck(self, limit: int) -> list[Record]:
        """Return the messages that are not over, oldest first, and then those that are held."""
        waiting = list(islice(self.open.values(), limit))
        return waiting + list(islice(self.held.values(), limit - len(waiting)))

    def ended(self, limit: int) -> list[Record]:
        """Return the messages that were over last, newest first."""
        return list(islice(reversed(self.recent.values()), limit))

    def requests_per_s(self, now_ns: int) -> float:
        """Return how many messages left (at the remote: came) per second."""
        if self.window_ns is None:
            return self.rate.average(now_ns)
        return self.rate.per_s(now_ns)


def epoch_of(epoch: int) -> str:
    """Return an epoch; one that is not counted, but drawn, as hex."""
    return f"{epoch}" if 0 <= epoch < 1000 else f"{epoch & 0xFFFFFFFF:#010x}"
