"""A channel as the remote sees it: what it works at, and what it asks."""

from mboxio.capture.event import Event, Kind, Source
from mboxio.see.timeline.channel import ChannelTimeline
from mboxio.see.timeline.flows import Flows
from mboxio.see.timeline.sink import Family, Stage, Tracks
from mboxio.see.timeline.tagged import TaggedRequests
from mboxio.see.timeline.texts import UNSEEN_REQUEST

__all__ = ["RemoteTimeline"]


class RemoteTimeline(ChannelTimeline):
    """See `mboxio.see.timeline.channel.ChannelTimeline`."""

    def __init__(self, tracks: Tracks, flows: Flows, source: Source, origin: int) -> None:
        super().__init__(tracks, flows, source, origin)
        self.served = TaggedRequests(self.lanes(Family.SERVED), Stage.SERVED)
        self.asks = TaggedRequests(self.lanes(Family.ASKED), Stage.ANSWER, is_ours=True)

    def feed(self, event: Event, time_ns: int) -> None:
        """See `ChannelTimeline`."""
        name = self.source.channel
        if event.kind == Kind.REQUEST:
            self.served.begin(event, time_ns, *self.flows.came(name, event.tag))
        elif event.kind == Kind.REMOTE_REQUEST:
            self.asks.begin(event, time_ns, self.flows.sent(name, event.tag, asks=True))
        elif event.kind in (Kind.REPLY, Kind.ANSWER):
            pairs = self.served if event.kind == Kind.REPLY else self.asks
            if not pairs.answer(event, time_ns):
                self.note(event, time_ns, UNSEEN_REQUEST)
        else:
            self.note(event, time_ns)

    def close(self, time_ns: int) -> None:
        """See `ChannelTimeline`."""
        self.served.close(time_ns)
        self.asks.close(time_ns)
