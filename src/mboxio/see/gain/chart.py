"""Draws curves over logarithmic axes: panels beside each other, each row with a title."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mboxio.see.timeline.svg import FONT, Svg, text_width

__all__ = ["WORTHLESS", "Curve", "Panel", "draw"]

WORTHLESS = 1.1
"""Gains below are shaded."""
SIZE = 13
MARGIN, GUTTER, GAP = 12, 34, 22
HEIGHT, LINE = 168, 20
COLOURS = ("#c98a1b", "#4fa052", "#1d9a96", "#3f82d8", "#9160d6", "#d0559a")
"""Each can be told from white and from black."""
STYLE = "".join(
    [
        f"text{{font:{SIZE}px {FONT};fill:#4c5660}}.title{{font-weight:600}}",
        ".end{text-anchor:end}.middle{text-anchor:middle}",
        ".area{fill:#808890;fill-opacity:.09}.shade{fill:#808890;fill-opacity:.28}",
        ".grid{stroke:#808890;stroke-opacity:.28;fill:none}",
        ".mark{stroke:#d1353d;stroke-width:1.5;stroke-dasharray:4 3;fill:none}",
        *(
            f".c{number}{{stroke:{colour};stroke-width:2;stroke-linejoin:round;fill:none}}"
            for number, colour in enumerate(COLOURS)
        ),
        "@media (prefers-color-scheme: dark){text{fill:#a9b3bd}.shade{fill-opacity:.38}}",
    ]
)


@dataclass(frozen=True)
class Curve:
    """A line of a panel; curves of the same name have the same colour in all panels.

    Args:
        name: what the legend calls it.
        points: x and y, both positive, in the order of x.
    """

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Panel:
    """A pair of axes.

    Args:
        title: above it.
        curves: in it.
        mark: where on the x-axis a vertical line stands; None for no line.
    """

    title: str
    curves: tuple[Curve, ...]
    mark: float | None = None


class Axis:
    """From numbers to places, by their logarithms.

    Args:
        low: the least number.
        high: the greatest one.
        begin: the place of the least, in pixels.
        end: the place of the greatest.
        base: of the numbers that get a label.
    """

    def __init__(self, low: float, high: float, begin: float, end: float, base: int) -> None:
        self.low = math.log(low)
        self.high = math.log(max(high, low * 1.01))
        self.begin = begin
        self.end = end
        self.base = base

    def place(self, value: float) -> float:
        """Return where a number is; what is outside is at an end."""
        inside = min(max(math.log(value), self.low), self.high)
        return self.begin + (inside - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return the powers of the base that there are."""
        log = math.log(self.base)
        powers = range(math.ceil(self.low / log - 1e-9), math.floor(self.high / log + 1e-9) + 1)
        return [float(self.base) ** power for power in powers]


def draw(
    rows: Sequence[tuple[str, Sequence[Panel]]], *, width: int, title: str, across: str, up: str
) -> str:
    """Return SVG: rows of panels with the same axes; gains below `WORTHLESS` are shaded.

    Args:
        rows: a title for each, and its panels.
        width: of the picture, in pixels.
        title: what it is about, for those who cannot see it.
        across: what the x-axis means.
        up: what the y-axis means.

    Raises:
        ValueError: there is nothing to draw.
    """
    curves = [curve for _, panels in rows for panel in panels for curve in panel.curves]
    points = [point for curve in curves for point in curve.points]
    if not points:
        raise ValueError("there are no curves to draw")
    drawing = Drawing(Svg(width, title, STYLE), points, list(dict.fromkeys(c.name for c in curves)))
    drawing.legend(up)
    for name, panels in rows:
        drawing.row(name, panels)
    drawing.svg.text("middle", width / 2, drawing.top + SIZE, across)
    return drawing.svg.whole(drawing.top + LINE + MARGIN / 2)


class Drawing:
    """A picture that grows downwards.

    Args:
        svg: to draw into.
        points: all that will be drawn.
        names: of the curves.
    """

    def __init__(
        self, svg: Svg, points: Sequence[tuple[float, float]], names: Sequence[str]
    ) -> None:
        self.svg = svg
        self.names = names
        self.across = min(x for x, _ in points), max(x for x, _ in points)
        self.up = min(0.8, *(y for _, y in points)), max(2.0, *(y for _, y in points)) * 1.1
        self.top: float = MARGIN

    def legend(self, up: str) -> None:
        """Say what the axis upwards and the colours mean."""
        worthless = f"below {WORTHLESS:g}"
        self.svg.text("", MARGIN, self.top + SIZE, up)
        head = MARGIN + text_width(up, SIZE)
        left = self.svg.width - MARGIN - sum(map(self.wide, (worthless, *self.names)))
        if left < head:
            self.top += LINE
            left = float(MARGIN)
        self.svg.rect("shade", left, self.top + 2, 16, SIZE - 1)
        for name in (worthless, *self.names):
            if name in self.names:
                self.svg.path(self.colour(name), f"M{left:.1f} {self.top + SIZE - 4:.1f}h16")
            self.svg.text("", left + 20, self.top + SIZE, name)
            left += self.wide(name)
        self.top += LINE + GAP / 3

    def wide(self, name: str) -> float:
        """Return the width of an entry of the legend."""
        return 28 + text_width(name, SIZE)

    def colour(self, name: str) -> str:
        """Return the class of a curve."""
        return f"c{self.names.index(name) % len(COLOURS)}"

    def row(self, title: str, panels: Sequence[Panel]) -> None:
        """Draw panels beside each other."""
        if title:
            self.svg.text("title", MARGIN, self.top + SIZE, title)
            self.top += LINE
        space = self.svg.width - 2 * MARGIN - GUTTER - GAP * (len(panels) - 1)
        width = space / len(panels)
        for number, panel in enumerate(panels):
            left = MARGIN + GUTTER + number * (width + GAP)
            x = Axis(*self.across, left, left + width, 10)
            y = Axis(*self.up, self.top + LINE + HEIGHT, self.top + LINE, 2)
            self.panel(panel, x, y, labelled=not number)
        self.top += LINE + HEIGHT + LINE + GAP / 2

    def panel(self, panel: Panel, x: Axis, y: Axis, labelled: bool) -> None:
        """Draw one, with labels of the axis upwards or without."""
        self.svg.text("middle", (x.begin + x.end) / 2, y.end - 6, panel.title)
        width, height = x.end - x.begin, y.begin - y.end
        self.svg.rect("area", x.begin, y.end, width, height)
        shaded = y.place(WORTHLESS)
        self.svg.rect(
            "shade", x.begin, shaded, width, y.begin - shaded, f"gain below {WORTHLESS:g}"
        )
        lines = [f"M{x.begin:.1f} {y.place(tick):.1f}H{x.end:.1f}" for tick in y.ticks()]
        lines += [f"M{x.place(tick):.1f} {y.end:.1f}V{y.begin:.1f}" for tick in x.ticks()]
        self.svg.path("grid", "".join(lines))
        for tick in x.ticks():
            self.svg.text("middle", x.place(tick), y.begin + SIZE + 3, f"{tick:g}")
        if labelled:
            for tick in y.ticks():
                self.svg.text("end", x.begin - 5, y.place(tick) + SIZE / 3, f"{tick:g}×")
        if panel.mark is not None:
            self.svg.path("mark", f"M{x.place(panel.mark):.1f} {y.end:.1f}V{y.begin:.1f}")
        for curve in panel.curves:
            places = [f"{x.place(a):.1f} {y.place(b):.1f}" for a, b in curve.points]
            self.svg.path(self.colour(curve.name), "M" + "L".join(places), curve.name)
