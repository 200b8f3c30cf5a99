"""What a timeline is made of: slices, instants and counters on tracks, and what takes them in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

from mboxio.capture.event import Source

__all__ = ["Details", "Family", "Sink", "Stage", "Track", "Tracks"]

Details = Sequence[tuple[str, int | str]]
"""Names and values, for whoever looks closer."""


class Family(IntEnum):
    """What the tracks of a channel are about; viewers show them in this order."""

    EVENTS = 0
    IN_FLIGHT = 1
    """A track for each message in flight: the lowest that is free, until nothing is held."""
    QUEUED = 2
    """Messages in the backlog, a track for each of them."""
    SERVED = 3
    """At the remote: requests that it works at, a track for each at a time."""
    ASKED = 4
    """Requests of the remote, a track for each at a time."""
    NOTIFICATIONS = 5
    DOORBELLS = 6
    IN_FLIGHT_COUNT = 7
    BACKLOG_COUNT = 8

    @property
    def is_counter(self) -> bool:
        """Whether its tracks have numbers in place of slices."""
        return self >= Family.IN_FLIGHT_COUNT


class Stage(StrEnum):
    """What a message waits for."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    """The driver has it and has not handed it over."""
    TO_TX_DONE = "to TX done"
    AWAITING_REPLY = "awaiting reply"
    IN_FLIGHT = "in flight"
    """Both of them: its reply came before anybody had noticed its TX done. For pictures."""
    HELD = "held"
    """Its request is over, and the remote may still use what it holds."""
    SERVED = "served"
    ANSWER = "awaiting answer"
    """A request of the remote."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A line of a timeline.

    Args:
        key: its number within the timeline, from 1.
        source: the channel that it belongs to, as one side sees it.
        origin: which capture it is from, from 0.
        family: what it is about.
        lane: its number within the family, from 0.
    """

    key: int
    source: Source
    origin: int
    family: Family
    lane: int = 0


class Sink(Protocol):
    """What takes a timeline in: a file, or a picture.

    Calls come in the order of time. Slices of a track nest: ``end`` ends the one that began last.
    """

    def track(self, track: Track) -> None:
        """A track is there; called before anything happens on it."""
        ...

    def begin(
        self,
        track: Track,
        time_ns: int,
        name: str,
        stage: Stage | None = None,
        details: Details = (),
        flow: int = 0,
    ) -> None:
        """A slice begins.

        Args:
            track: on which.
            time_ns: when.
            name: of the slice.
            stage: that it is; None for a request as a whole.
            details: what else is known.
            flow: ties slices and instants that belong together, by arrows; 0: none.
        """
        ...

    def end(self, track: Track, time_ns: int, details: Details = ()) -> None:
        """The slice that began last ends."""
        ...

    def instant(
        self, track: Track, time_ns: int, name: str, details: Details = (), flow: int = 0
    ) -> None:
        """Something without a duration happened."""
        ...

    def count(self, track: Track, time_ns: int, value: int) -> None:
        """A counter has a new value."""
        ...


class Tracks:
    """Makes tracks, each with a number of its own.

    Args:
        sink: is told of each.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.made = 0

    def make(self, source: Source, origin: int, family: Family, lane: int = 0) -> Track:
        """Return a new track."""
        self.made += 1
        track = Track(self.made, source, origin, family, lane)
        self.sink.track(track)
        return track
