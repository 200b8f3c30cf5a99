"""A channel on a timeline, as one side sees it: what happens without a duration, and counters."""

from mboxio.capture.event import Event, Kind, Source
from mboxio.see.timeline.flows import Flows
from mboxio.see.timeline.lanes import Lanes
from mboxio.see.timeline.sink import Family, Track, Tracks
from mboxio.see.timeline.texts import instant_details, instant_name

__all__ = ["ChannelTimeline"]

LANES_MAX = 1024
"""What begins beyond that ends the oldest: the capture lacks their ends."""
OWN_TRACKS = {Kind.DOORBELL: Family.DOORBELLS, Kind.NOTIFICATION: Family.NOTIFICATIONS}


class ChannelTimeline:
    """What the timelines of a channel at both sides have.

    Args:
        tracks: makes the tracks.
        flows: between both sides.
        source: the channel, and the side that sees it.
        origin: of the capture.
    """

    def __init__(self, tracks: Tracks, flows: Flows, source: Source, origin: int) -> None:
        self.tracks = tracks
        self.sink = tracks.sink
        self.flows = flows
        self.source = source
        self.origin = origin
        self.losses = 0  # that it knows of
        self.single: dict[Family, Track] = {}
        self.counted: dict[Family, int] = {}

    def feed(self, event: Event, time_ns: int) -> None:
        """Something happened."""
        raise NotImplementedError

    def doubt(self) -> None:
        """Events were lost: what is open may have ended."""

    def close(self, time_ns: int) -> None:
        """The capture is over."""
        raise NotImplementedError

    def lanes(self, family: Family, limit: int = LANES_MAX) -> Lanes:
        """Return new tracks for what overlaps."""
        return Lanes(self.tracks, self.source, self.origin, family, limit)

    def one(self, family: Family) -> Track:
        """Return the only track of a family."""
        track = self.single.get(family)
        if track is None:
            track = self.single[family] = self.tracks.make(self.source, self.origin, family)
        return track

    def note(self, event: Event, time_ns: int, more: str = "") -> None:
        """Show an event as an instant, if there is anything to show."""
        name = instant_name(event)
        if name:
            track = self.one(OWN_TRACKS.get(event.kind, Family.EVENTS))
            self.sink.instant(track, time_ns, name + more, instant_details(event))

    def count(self, family: Family, time_ns: int, value: int) -> None:
        """Write a counter, if it has changed."""
        if self.counted.get(family) != value:
            self.counted[family] = value
            self.sink.count(self.one(family), time_ns, value)
