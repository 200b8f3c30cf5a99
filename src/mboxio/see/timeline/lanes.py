"""Tracks for what overlaps, as messages in flight do and those in the backlog."""

from heapq import heappop, heappush

from mboxio.capture.event import Source
from mboxio.see.timeline.sink import Details, Family, Stage, Track, Tracks
from mboxio.see.timeline.texts import OPEN

__all__ = ["BacklogTracks", "Lanes"]


class Lanes:
    """The tracks of a family of a channel: whatever begins gets the lowest that is free.

    Args:
        tracks: makes them.
        source: the channel.
        origin: of the capture.
        family: what they are for.
        limit: how many there may be; `take` leaves it to its callers.
    """

    def __init__(
        self, tracks: Tracks, source: Source, origin: int, family: Family, limit: int
    ) -> None:
        self.tracks = tracks
        self.source = source
        self.origin = origin
        self.family = family
        self.limit = limit
        self.all: list[Track] = []
        self.free: list[int] = []

    def is_full(self) -> bool:
        """Return whether the next has to wait, or to push one out."""
        return not self.free and len(self.all) >= self.limit

    def take(self) -> Track:
        """Return the lowest free track."""
        if self.free:
            return self.all[heappop(self.free)]
        track = self.tracks.make(self.source, self.origin, self.family, len(self.all))
        self.all.append(track)
        return track

    def give_back(self, track: Track) -> None:
        """The track is free for the next."""
        heappush(self.free, track.lane)


class BacklogTracks:
    """Messages that wait for a place in the hardware's queue.

    Each has a track while there are some; the others are only counted.

    Args:
        lanes: the tracks.
    """

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.sink = lanes.tracks.sink
        self.waiting: dict[int, tuple[int, Track | None]] = {}  # since when, and where

    def enter(self, number: int, time_ns: int, details: Details) -> None:
        """A message waits from now on."""
        if number in self.waiting:
            return
        track = None if self.lanes.is_full() else self.lanes.take()
        if track is not None:
            self.sink.begin(track, time_ns, f"#{number} queued", Stage.QUEUED, details)
        self.waiting[number] = (time_ns, track)

    def leave(self, number: int, time_ns: int, details: Details = ()) -> int:
        """A message waits no longer; returns how many nanoseconds it did, 0 if it did not."""
        found = self.waiting.pop(number, None)
        if found is None:
            return 0
        since_ns, track = found
        if track is not None:
            self.sink.end(track, time_ns, details)
            self.lanes.give_back(track)
        return time_ns - since_ns

    def close(self, time_ns: int) -> None:
        """The capture is over."""
        for number in list(self.waiting):
            self.leave(number, time_ns, (("outcome", OPEN),))
