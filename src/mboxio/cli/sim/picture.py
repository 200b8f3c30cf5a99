"""A board as a picture: requests per second and latency, for each depth."""

from collections.abc import Sequence
from html import escape

from mboxio.sim.world import Measured

__all__ = ["chart"]

WIDTH, PANEL, TOP, ROW, LEFT, GAP = 760, 290, 64, 26, 70, 60
STYLE = (
    "text{font:13px sans-serif;fill:#24292f}.title{font-weight:bold}"
    ".rate{fill:#2a78d6}.latency{fill:#c26a1b}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
)


def chart(name: str, found: Sequence[tuple[int, Measured]]) -> str:
    """Return an SVG of two rows of bars.

    Args:
        name: the title.
        found: depths, and what was measured with each.
    """
    height = TOP + ROW * len(found) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(name)}</title><style>{STYLE}</style>",
        f'<text class="title" x="16" y="24">{escape(name)}</text>',
    ]
    rates = [each.per_second for _, each in found]
    latencies = [each.p99_us for _, each in found]
    parts += panel(LEFT, "requests per second", "rate", rates)
    parts += panel(LEFT + PANEL + GAP, "p99 latency, µs", "latency", latencies)
    for row, (depth, _) in enumerate(found):
        text = f"{depth} slot{'s' if depth > 1 else ''}"
        parts.append(f'<text x="{LEFT - 8}" y="{baseline(row)}" text-anchor="end">{text}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(x: int, title: str, kind: str, values: Sequence[float]) -> list[str]:
    """Return bars, each with its number."""
    most = max(values) or 1.0
    parts = [f'<text x="{x}" y="48">{title}</text>']
    for row, value in enumerate(values):
        width = (PANEL - 80) * value / most
        parts.append(
            f'<rect class="{kind}" x="{x}" y="{TOP + row * ROW}" width="{width:.1f}" height="18"/>'
        )
        parts.append(f'<text x="{x + width + 6:.1f}" y="{baseline(row)}">{value:,.0f}</text>')
    return parts


def baseline(row: int) -> int:
    """Return where the text of a row stands."""
    return TOP + row * ROW + 14
