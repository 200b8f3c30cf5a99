"""Events become slices: those of several captures, in the order of time, channel by channel."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import heappop, heappush, heappushpop, merge
from itertools import chain, islice

from mboxio.capture.event import Event, Source
from mboxio.see.timeline.channel import ChannelTimeline
from mboxio.see.timeline.flows import Flows
from mboxio.see.timeline.host import HostTimeline
from mboxio.see.timeline.remote import RemoteTimeline
from mboxio.see.timeline.sink import Family, Sink, Tracks

__all__ = ["Merged", "Timeline"]

WINDOW = 64
AHEAD = 4096
"""Events that are read to find out whether there is a remote."""
TIME_MAX_NS = (1 << 63) - 1


class Timeline:
    """Makes a timeline of events, as they come. Whatever they are, it is well formed.

    Args:
        sink: takes it in.
        with_remote: whether events of the remote are expected, so that arrows may lead there from
            the start; they do from its first event on.
        window: so many events wait for earlier ones that come a little late: some are told of
            after others that they caused.
    """

    def __init__(self, sink: Sink, with_remote: bool = False, window: int = WINDOW) -> None:
        self.tracks = Tracks(sink)
        self.flows = Flows()
        self.flows.has_remote = with_remote
        self.window = window
        self.channels: dict[tuple[int, Source], ChannelTimeline] = {}
        self.waiting: list[tuple[int, int, Event, int]] = []
        self.now_ns = 0
        self.events = 0
        self.lost = 0
        self.losses: dict[int, int] = {}  # how often events of a capture were lost

    def feed(self, event: Event, origin: int = 0) -> None:
        """Something happened.

        Args:
            event: comes in the order of time, nearly; one that is too late is taken to happen now.
            origin: from which capture it is. Requests of two captures have nothing in common.
        """
        self.events += 1
        waiting = (event.time_ns, self.events, event, origin)
        if len(self.waiting) < self.window:
            heappush(self.waiting, waiting)
        else:
            _, _, event, origin = heappushpop(self.waiting, waiting)
            self.take(event, origin)

    def take(self, event: Event, origin: int) -> None:
        """The next in the order of time."""
        self.now_ns = time_ns = min(max(event.time_ns, self.now_ns), TIME_MAX_NS)
        channel = self.channels.get((origin, event.source)) or self.new(event.source, origin)
        if event.lost:
            self.lose(event.lost, channel)
        losses = self.losses.get(origin, 0)
        if channel.losses != losses:
            channel.losses = losses
            channel.doubt()
        channel.feed(event, time_ns)

    def close(self) -> None:
        """The captures are over: whatever is open ends now."""
        while self.waiting:
            _, _, event, origin = heappop(self.waiting)
            self.take(event, origin)
        for channel in self.channels.values():
            channel.close(self.now_ns)

    def new(self, source: Source, origin: int) -> ChannelTimeline:
        """Return a channel that was not seen before."""
        if source.side == "remote":
            self.flows.has_remote = True
        kind = RemoteTimeline if source.side == "remote" else HostTimeline
        channel = kind(self.tracks, self.flows, source, origin)
        channel.losses = self.losses.get(origin, 0)
        self.channels[origin, source] = channel
        return channel

    def lose(self, count: int, channel: ChannelTimeline) -> None:
        """Events of this capture were not written."""
        self.lost += count
        name = "1 event lost" if count == 1 else f"{count} events lost"
        channel.sink.instant(channel.one(Family.EVENTS), self.now_ns, name)
        self.losses[channel.origin] = self.losses.get(channel.origin, 0) + 1


class Merged:
    """The events of captures, each with the number of its capture, in the order of time.

    Args:
        captures: each nearly in the order of time.
        channels: names of those that are wanted; empty: all.

    Attributes:
        seen: names of the channels that there are, wanted or not.
        spans: from when until when the events of each capture that had any were, in nanoseconds.
    """

    def __init__(self, captures: Sequence[Iterable[Event]], channels: Collection[str] = ()) -> None:
        self.channels = frozenset(channels)
        self.seen: set[str] = set()
        self.spans: dict[int, tuple[int, int]] = {}
        numbered = [self._wanted(origin, each) for origin, each in enumerate(captures)]
        self._events = merge(*numbered, key=_time)
        self._ahead = list(islice(self._events, AHEAD))
        self.with_remote = len(captures) > 1 or any(
            event.source.side == "remote" for _, event in self._ahead
        )
        """Whether arrows may lead to a remote."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no event that is wanted."""
        return not self._ahead

    @property
    def apart(self) -> bool:
        """Whether some captures have no moment in common with any other; known at the end."""
        spans = self.spans
        return len(spans) > 1 and not all(
            any(
                first <= other_last and other_first <= last
                for other, (other_first, other_last) in spans.items()
                if other != each
            )
            for each, (first, last) in spans.items()
        )

    def feed(self, timeline: Timeline) -> Iterator[int]:
        """Feed a timeline; yields the time of each event, and may be left."""
        for origin, event in chain(self._ahead, self._events):
            timeline.feed(event, origin)
            yield event.time_ns

    def _wanted(self, origin: int, capture: Iterable[Event]) -> Iterator[tuple[int, Event]]:
        for event in capture:
            self.seen.add(event.source.channel)
            if self.channels and event.source.channel not in self.channels:
                continue
            time_ns = event.time_ns
            first, last = self.spans.get(origin, (time_ns, time_ns))
            self.spans[origin] = (min(first, time_ns), max(last, time_ns))
            yield origin, event


def _time(numbered: tuple[int, Event]) -> int:
    return numbered[1].time_ns
