"""A timeline that is collected for a picture: bars, and what each of them says."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mboxio.see.timeline.scale import duration
from mboxio.see.timeline.sink import Details, Family, Stage, Track
from mboxio.see.timeline.texts import LINK_UP, OPEN, QUEUED_NS, REPLY, REPLY_BYTES, SENT, TX_DONE

__all__ = ["Bar", "Mark", "Picture"]

BARS_MAX = 20_000
"""A picture of more shows none of them."""
BEYOND_MAX = 10_000
"""Events that are read beyond the end of a picture, to know how the messages in it went on."""
TOLD = frozenset(("bytes", "outcome", "text", "status", "handed over"))
"""The details that a picture has room for."""
USUAL = frozenset((SENT, REPLY, TX_DONE, OPEN, "answer"))


@dataclass(slots=True)
class Mark:
    """Something without a duration."""

    time_ns: int
    text: str


@dataclass(slots=True)
class Bar:
    """A slice, with its stages one after the other.

    Args:
        start_ns: when it begins.
        end_ns: when it ends.
        name: of it.
        details: what else is known.
        stages: each with its begin and end.
        marks: what happened within it that is not usual.
    """

    start_ns: int
    end_ns: int
    name: str
    details: list[tuple[str, int | str]]
    stages: list[tuple[Stage, int, int]] = field(default_factory=list[tuple[Stage, int, int]])
    marks: list[Mark] = field(default_factory=list[Mark])

    @property
    def is_usual(self) -> bool:
        """Whether nothing special happened."""
        return not self.marks

    def text(self) -> str:
        """Return what it is, in a line."""
        parts = [f"{self.name}: {duration(self.end_ns - self.start_ns)}"]
        if len(self.stages) > 1:
            parts += [f"{stage} {duration(end - start)}" for stage, start, end in self.stages]
        for name, value in self.details:
            if name in TOLD and value != "done":
                parts.append(f"{name} {value}")
            elif name == QUEUED_NS:
                parts.append(f"queued {duration(int(value))} before")
        return ", ".join(parts)


class Picture:
    """Takes a timeline in for a picture; see `mboxio.see.timeline.sink.Sink`.

    Times count from the first thing that is shown.

    Args:
        from_ns: nothing before is shown.
        to_ns: nothing after is shown; None: up to the end.
        limit: how many bars are kept at most.
    """

    def __init__(self, from_ns: int = 0, to_ns: int | None = None, limit: int = BARS_MAX) -> None:
        self.from_ns = from_ns
        self.to_ns = to_ns
        self.limit = limit
        self.zero_ns: int | None = None
        self.last_ns = 0
        self.bars: dict[Track, list[Bar]] = {}
        self.notes: dict[Track, list[Mark]] = {}
        self.open: dict[Track, list[Bar]] = {}  # the bar, and once more while a stage is open
        self.kept = 0
        self.pending = 0  # bars that began within the picture, and have not ended
        self.beyond = 0  # events that were read to know their ends
        self.is_full = False

    def is_over(self, time_ns: int) -> bool:
        """Return whether reading may end with an event of this time: no more would be shown."""
        if self.zero_ns is None or self.to_ns is None or time_ns <= self.zero_ns + self.to_ns:
            return False
        self.beyond += 1
        return not self.pending or self.beyond > BEYOND_MAX

    def tracks(self) -> Iterable[Track]:
        """Return the tracks of which there is something."""
        return [*(each for each, bars in self.bars.items() if bars), *self.notes]

    def span(self) -> tuple[int, int]:
        """Return from when until when there is something to show."""
        zero_ns = self.zero_ns or 0
        end_ns = max(self.last_ns - zero_ns, 0)
        if self.to_ns is not None:
            end_ns = min(self.to_ns, end_ns)
        return self.from_ns, max(end_ns, self.from_ns)

    # -- see `Sink`

    def track(self, track: Track) -> None:
        """See `Sink`."""
        if track.family not in (Family.EVENTS, Family.NOTIFICATIONS, Family.DOORBELLS):
            self.bars[track] = []
            self.open[track] = []

    def begin(
        self,
        track: Track,
        time_ns: int,
        name: str,
        stage: Stage | None = None,
        details: Details = (),
        flow: int = 0,
    ) -> None:
        """See `Sink`."""
        if self.zero_ns is None:
            self.zero_ns = time_ns
        now_ns = time_ns - self.zero_ns
        open_here = self.open[track]
        if not open_here and self.begins_in_time(now_ns):
            self.pending += 1
        bar = open_here[0] if open_here else Bar(now_ns, now_ns, name, list(details))
        open_here.append(bar)
        if stage is not None:
            bar.stages.append((stage, now_ns, now_ns))

    def end(self, track: Track, time_ns: int, details: Details = ()) -> None:
        """See `Sink`."""
        now_ns = time_ns - (self.zero_ns or 0)
        open_here = self.open[track]
        bar = open_here.pop()
        if bar.stages and bar.stages[-1][1] == bar.stages[-1][2]:
            stage, start_ns, _ = bar.stages[-1]
            bar.stages[-1] = (stage, start_ns, now_ns)
        if open_here:
            return
        bar.end_ns = now_ns
        bar.details += details
        if [each[0] for each in bar.stages] == [Stage.TO_TX_DONE] and has_reply(details):
            bar.stages = [(Stage.IN_FLIGHT, *bar.stages[0][1:])]
        self.last_ns = max(self.last_ns, time_ns)
        if not self.begins_in_time(bar.start_ns):
            return
        self.pending -= 1
        if bar.end_ns >= self.from_ns and self.kept < 2 * self.limit:
            self.bars[track].append(bar)
            self.kept += 1
            if self.kept == self.limit:  # what is open now belongs to it
                self.is_full = True
                self.to_ns = now_ns

    def instant(
        self, track: Track, time_ns: int, name: str, details: Details = (), flow: int = 0
    ) -> None:
        """See `Sink`."""
        if self.zero_ns is None:
            if name == LINK_UP or track.family == Family.DOORBELLS:
                return  # before anything that is shown: no picture begins with it
            self.zero_ns = time_ns
        now_ns = time_ns - self.zero_ns
        open_here = self.open.get(track)
        if open_here:
            if name not in USUAL:
                open_here[0].marks.append(Mark(now_ns, name))
        elif track.family != Family.DOORBELLS and self.shows(now_ns):
            text = ", ".join([name, *(f"{key} {value}" for key, value in details)])
            self.last_ns = max(self.last_ns, time_ns)
            notes = self.notes.setdefault(track, [])
            if len(notes) < self.limit:
                notes.append(Mark(now_ns, text))

    def begins_in_time(self, now_ns: int) -> bool:
        """Return whether a bar begins before the end of the picture."""
        return self.to_ns is None or now_ns <= self.to_ns

    def shows(self, now_ns: int) -> bool:
        """Return whether a moment is in the picture."""
        return now_ns >= self.from_ns and self.begins_in_time(now_ns)

    def count(self, track: Track, time_ns: int, value: int) -> None:
        """See `Sink`; the bars show it."""


def has_reply(details: Details) -> bool:
    """Return whether a request ended with its reply."""
    return any(name == REPLY_BYTES for name, _ in details)
