"""The elements of an SVG picture, their colours, and how wide texts are."""

from mboxio._base.texts import printable
from mboxio.see.timeline.sink import Stage

__all__ = ["CLASSES", "FONT", "STYLE", "TEXT_PX", "Svg", "shortened", "text_width"]

FONT = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
WIDE, NARROW = 0.62, 0.3
"""Of a character, in parts of the size of the font; rather too much, so that nothing overlaps."""
TITLE_MAX = 300
TEXT_PX = 11
CLASSES = {
    Stage.QUEUED: "queued",
    Stage.ACCEPTED: "accepted",
    Stage.TO_TX_DONE: "tx",
    Stage.AWAITING_REPLY: "awaiting",
    Stage.IN_FLIGHT: "flight",
    Stage.HELD: "held",
    Stage.SERVED: "served",
    Stage.ANSWER: "answer",
}
COLOURS = {
    "queued": "#a58fe0",
    "accepted": "#8b949e",
    "tx": "#d9932f",
    "awaiting": "#58a6e8",
    "flight": "#4f86c6",
    "held": "#e0653f",
    "served": "#43b07a",
    "answer": "#d66fa8",
}
# The red can be read on white and on black; the grey of texts is that of the page's colours.
STYLE = "".join(
    [
        f"text{{font:{TEXT_PX}px {FONT};fill:#5c6670}}",
        "@media (prefers-color-scheme: dark){text{fill:#9aa4ae}}",
        ".title{font-weight:600;font-size:13px}",
        ".end{text-anchor:end}.middle{text-anchor:middle}",
        f".in{{fill:#0b1016;font-size:{TEXT_PX - 1}px;text-anchor:middle;pointer-events:none}}",
        ".row{fill:#808890;fill-opacity:.1}.grid{stroke:#808890;stroke-opacity:.3;fill:none}",
        ".halo{stroke:#fff;stroke-width:4;stroke-linecap:round;fill:none}",
        ".bad{stroke:#d1353d;stroke-width:2;stroke-linecap:round;fill:none}.event{fill:#d1353d}",
        *(f".{name}{{fill:{colour}}}" for name, colour in COLOURS.items()),
    ]
)


def text_width(text: str, size: float) -> float:
    """Return how many pixels a text takes at most, nearly."""
    narrow = sum(text.count(each) for each in " .,:;|!'ijl()[]1/")
    bold = sum(each in "mwMW@%—…" or ord(each) > 0x2E7F for each in text)
    return size * (WIDE * (len(text) - narrow) + NARROW * 1.2 * narrow + 0.4 * bold)


def shortened(text: str, size: float, width: float) -> str:
    """Return a text, cut so that it takes no more than a width."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…" if text else ""


class Svg:
    """Lines of SVG; texts of others become harmless in it.

    Args:
        width: of the picture, in pixels.
        title: what it shows.
        style: CSS.
    """

    def __init__(self, width: int, title: str, style: str) -> None:
        self.width = width
        self.title = title
        self.style = style
        self.lines: list[str] = []

    def rect(
        self, kind: str, left: float, top: float, width: float, height: float, title: str = ""
    ) -> None:
        """Draw a rectangle of a class; a title shows where a pointer rests on it."""
        where = f'x="{_number(left)}" y="{_number(top)}"'
        size = f'width="{_number(width)}" height="{_number(height)}"'
        self.element(f'<rect class="{kind}" {where} {size}', "rect", title)

    def path(self, kind: str, points: str, title: str = "") -> None:
        """Draw a path of a class."""
        self.element(f'<path class="{kind}" d="{points}"', "path", title)

    def text(self, kind: str, left: float, base: float, text: str) -> None:
        """Write a text of a class."""
        where = f'x="{_number(left)}" y="{_number(base)}"'
        self.lines.append(f'<text class="{kind}" {where}>{_escaped(text)}</text>')

    def begin_group(self, title: str) -> None:
        """What follows has one title."""
        self.lines.append(f"<g><title>{_escaped(title)}</title>")

    def end_group(self) -> None:
        """The group is whole."""
        self.lines.append("</g>")

    def element(self, start: str, name: str, title: str) -> None:
        """Add an element."""
        inner = f"><title>{_escaped(title)}</title></{name}>" if title else "/>"
        self.lines.append(start + inner)

    def whole(self, height: float) -> str:
        """Return the picture."""
        size = f'width="{self.width}" height="{_number(height)}"'
        box = f'viewBox="0 0 {self.width} {_number(height)}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img">',
                f"<title>{_escaped(self.title)}</title>",
                f"<style>{self.style}</style>",
                *self.lines,
                "</svg>\n",
            ]
        )


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    shown = printable(text, TITLE_MAX).replace("&", "&amp;")
    return shown.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
