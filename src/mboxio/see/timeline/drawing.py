"""Draws pictures of timelines: captures one below the other, with one scale of time."""

from collections.abc import Sequence
from dataclasses import dataclass

from mboxio._base.texts import remote_text
from mboxio.capture.event import Source
from mboxio.see.timeline.picture import Bar, Picture
from mboxio.see.timeline.scale import Scale, duration
from mboxio.see.timeline.sink import Family, Stage, Track
from mboxio.see.timeline.svg import CLASSES, STYLE, TEXT_PX, Svg, shortened, text_width

__all__ = ["WIDTH_MIN", "Panel", "draw"]

WIDTH_MIN = 320
MARGIN = 16
GUTTER = 92
"""Left of the bars, for the names of their rows."""
LINE = 18
GAP = 14
LABEL_APART = 84
"""Between two labels of the axis."""
TINY = 1.5
"""Bars that are narrower are drawn together where they touch."""
NAMES = {
    Family.EVENTS: "events",
    Family.NOTIFICATIONS: "notifications",
    Family.IN_FLIGHT: "in flight",
    Family.QUEUED: "queued",
    Family.SERVED: "served",
    Family.ASKED: "remote asks",
}


@dataclass(frozen=True)
class Panel:
    """A capture in a picture.

    Args:
        picture: what is collected of it.
        title: above it; empty: each channel has its name.
    """

    picture: Picture
    title: str = ""


def draw(panels: Sequence[Panel], width: int, title: str) -> str:
    """Return SVG: the panels one below the other, with one scale of time.

    Args:
        panels: the captures, at least one.
        width: of the picture, in pixels; at least `WIDTH_MIN`.
        title: what it is about, for those who cannot see it.
    """
    spans = [panel.picture.span() for panel in panels]
    from_ns = min(start for start, _ in spans)
    longest_ns = max(end for _, end in spans)
    width = max(width, WIDTH_MIN)
    scale = Scale(from_ns, longest_ns, MARGIN + GUTTER, width - 2 * MARGIN - GUTTER)
    drawing = Drawing(Svg(width, title, STYLE), scale)
    drawing.legend([panel.picture for panel in panels])
    for panel in panels:
        drawing.panel(panel)
    drawing.axis()
    return drawing.svg.whole(drawing.top + MARGIN / 2)


def row_height(rows: int) -> float:
    """Return the height of each of so many rows."""
    for most, height in ((4, 18.0), (8, 15.0), (16, 11.0), (32, 8.0), (64, 6.0)):
        if rows <= most:
            return height
    return 4.0


class Drawing:
    """A picture that grows downwards.

    Args:
        svg: to draw into.
        scale: of time.
    """

    def __init__(self, svg: Svg, scale: Scale) -> None:
        self.svg = svg
        self.scale = scale
        self.ticks = list(scale.ticks(LABEL_APART))
        self.top: float = MARGIN

    # -- around

    def legend(self, pictures: Sequence[Picture]) -> None:
        """Say what the colours mean that are there."""
        bars = [bar for each in pictures for row in each.bars.values() for bar in row]
        there = {stage for bar in bars for stage, _, _ in bar.stages}
        items = [(CLASSES[stage], str(stage)) for stage in Stage if stage in there]
        if any(not bar.is_usual for bar in bars):
            items.append(("bad", "ended otherwise"))
        if any(each.notes for each in pictures):
            items.append(("event", "event"))
        left = float(MARGIN)
        for kind, text in items:
            wide = 16 + text_width(text, TEXT_PX)
            if left > MARGIN and left + wide > self.svg.width - MARGIN:
                left, self.top = MARGIN, self.top + LINE
            self.sample(kind, left)
            self.svg.text("", left + 16, self.top + 10, text)
            left += wide + 14
        self.top += LINE + GAP / 2

    def sample(self, kind: str, left: float) -> None:
        """Draw what stands for a kind in the legend."""
        if kind == "bad":
            self.cross(left + 5, self.top + 6)
        elif kind == "event":
            self.diamond(left + 5, self.top + 6, "")
        else:
            self.svg.rect(kind, left, self.top + 1, 11, 10)

    def axis(self) -> None:
        """Draw the axis below."""
        self.top -= GAP / 2
        self.grid(self.top, self.top + 4)
        base = self.top + TEXT_PX + 6
        for place, text in self.ticks:
            fits = place + text_width(text, TEXT_PX) / 2 <= self.svg.width - 2
            if fits:
                self.svg.text("middle", place, base, text)
            else:
                self.svg.text("end", self.svg.width - 2, base, text)
        self.top = base + 4

    def grid(self, top: float, bottom: float) -> None:
        """Draw the lines of the axis between two heights."""
        lines = [f"M{place:.1f} {top:.1f}V{bottom:.1f}" for place, _ in self.ticks]
        self.svg.path("grid", "".join(lines))

    # -- a capture

    def panel(self, panel: Panel) -> None:
        """Draw the channels of a capture."""
        picture = panel.picture
        channels: dict[tuple[int, Source], dict[Family, list[Track]]] = {}
        for track in picture.tracks():
            families = channels.setdefault((track.origin, track.source), {})
            families.setdefault(track.family, []).append(track)
        for (_, source), families in channels.items():
            name = f"{source} ({source.side})"
            if panel.title:
                name = f"{panel.title}: {name}" if len(channels) > 1 else panel.title
            self.heading(name, summary(picture, families))
            for family in NAMES:
                if family in families:
                    rows = sorted(families[family], key=lambda track: track.lane)
                    self.family(picture, family, rows)
            self.top += GAP
        if not channels:
            self.heading(panel.title or "nothing", "nothing happened in this time")
            self.top += GAP

    def heading(self, name: str, about: str) -> None:
        """Write what follows, and what is to say about it: beside it, or below."""
        space = self.svg.width - 2 * MARGIN
        name = shortened(remote_text(name), 14, space)
        taken = text_width(name, 14) + GAP
        self.svg.text("title", MARGIN, self.top + 12, name)
        if taken + text_width(about, TEXT_PX) <= space:
            self.svg.text("end", self.svg.width - MARGIN, self.top + 12, about)
        else:
            self.top += LINE - 2
            self.svg.text("", MARGIN, self.top + 12, shortened(about, TEXT_PX, space))
        self.top += LINE + 2

    def family(self, picture: Picture, family: Family, tracks: list[Track]) -> None:
        """Draw the rows of a family."""
        height = row_height(len(tracks))
        begin = self.top
        for row in range(len(tracks)):
            where = begin + row * height
            self.svg.rect("row", self.scale.left, where, self.scale.width, height - 1)
        self.grid(begin, begin + len(tracks) * height)
        for track in tracks:
            if track in picture.notes:
                for mark in picture.notes[track]:
                    self.diamond(self.scale.place(mark.time_ns), self.top + height / 2, mark.text)
            else:
                self.row(picture.bars[track], height - 1)
            self.top += height
        self.svg.text("", MARGIN, begin + 12, NAMES[family])
        self.top = max(self.top, begin + LINE - 2) + 3

    # -- rows

    def row(self, bars: list[Bar], height: float) -> None:
        """Draw the bars of a row; what is too narrow to be seen alone is drawn together."""
        crowd: list[Bar] = []
        for bar in bars:
            left, right = self.scale.place(bar.start_ns), self.scale.place(bar.end_ns)
            narrow = right - left < TINY and not bar.marks
            if crowd and (not narrow or left - self.scale.place(crowd[0].start_ns) > TINY):
                self.crowd(crowd, height)
                crowd = []
            if narrow:
                crowd.append(bar)
            else:
                self.bar(bar, left, right, height)
        if crowd:
            self.crowd(crowd, height)
        for mark in (mark for bar in bars for mark in bar.marks):
            if self.scale.from_ns <= mark.time_ns <= self.scale.to_ns:
                self.cross(self.scale.place(mark.time_ns), self.top + height / 2, height)

    def bar(self, bar: Bar, left: float, right: float, height: float) -> None:
        """Draw a bar with its stages."""
        self.svg.begin_group(bar.text())
        right = max(right, left + 1)
        edge = 0.75 if right - left > 4 else 0.0  # so that the next can be told from it
        for stage, start_ns, end_ns in bar.stages:
            start = self.scale.place(start_ns)
            end = min(max(self.scale.place(end_ns), start + 0.5), right - edge)
            self.svg.rect(CLASSES[stage], start, self.top, max(end - start, 0.5), height)
        size = TEXT_PX - 1
        if height >= size + 2 and text_width(bar.name, size) + 6 <= right - left:
            self.svg.text("in", (left + right) / 2, self.top + height / 2 + 3.5, bar.name)
        self.svg.end_group()

    def crowd(self, bars: list[Bar], height: float) -> None:
        """Draw bars as one, in the colour of the stage that takes longest."""
        spent: dict[Stage, int] = {}
        for bar in bars:
            for stage, start_ns, end_ns in bar.stages:
                spent[stage] = spent.get(stage, 0) + end_ns - start_ns
        left = self.scale.place(bars[0].start_ns)
        right = max(self.scale.place(bars[-1].end_ns), left + 0.75)
        kind = CLASSES[max(spent, key=lambda stage: spent[stage])]
        text = bars[0].text() if len(bars) == 1 else f"{bars[0].name} and {len(bars) - 1} more"
        self.svg.rect(kind, left, self.top, right - left, height, text)

    # -- marks

    def cross(self, middle: float, base: float, height: float = 10) -> None:
        """Mark an end that is not the usual one."""
        arm = min(height / 2 - 0.5, 4)
        points = (
            f"M{middle - arm:.1f} {base - arm:.1f}l{2 * arm:.1f} {2 * arm:.1f}"
            f"m0 {-2 * arm:.1f}l{-2 * arm:.1f} {2 * arm:.1f}"
        )
        self.svg.path("halo", points)
        self.svg.path("bad", points)

    def diamond(self, middle: float, base: float, text: str) -> None:
        """Mark something that happened to the channel."""
        points = f"M{middle:.1f} {base - 5:.1f}l4 5l-4 5l-4-5z"
        self.svg.path("event", points, text)


def summary(picture: Picture, families: dict[Family, list[Track]]) -> str:
    """Return how much there is of a channel."""
    tracks = families.get(Family.IN_FLIGHT) or families.get(Family.SERVED) or []
    bars = [bar for track in tracks for bar in picture.bars[track]]
    messages = [bar for bar in bars if bar.stages[0][0] != Stage.HELD]
    if not messages:
        return ""
    unusual = sum(not bar.is_usual for bar in messages)
    begin_ns, end_ns = picture.span()
    begin_ns = max(min(bar.start_ns for bar in messages), begin_ns)
    took_ns = min(max(bar.end_ns for bar in messages), end_ns) - begin_ns
    what = "message" if len(messages) == 1 else "messages"
    parts = [f"{len(messages)} {what} in {duration(took_ns)}", f"up to {len(tracks)} at a time"]
    if unusual:
        parts.append(f"{unusual} ended otherwise")
    return ", ".join(parts)
