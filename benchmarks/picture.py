"""One picture: the time of a request, from bare C to sockets, on a scale of powers of ten."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.cases import LOADS, TABLES
from benchmarks.results import Results

__all__ = ["draw"]

TITLE = "Time of a request with 32 bytes, in microseconds"
MBOXIO, OTHERS = "#2f7ed8", "#9aa5b1"
STYLE = """<style>
text { fill: #24292f }
@media (prefers-color-scheme: dark) {
  text { fill: #d0d7de }
}
</style>
"""


def draw(results: Results, path: Path) -> None:
    """Write the picture as SVG.

    Raises:
        ValueError: nothing was measured that it could show.
    """
    panels = [(load, _bars(results, load.title)) for load in LOADS[:2]]
    if not any(bars for _, bars in panels):
        raise ValueError("there are no times of requests with 32 bytes")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mboxio", "font.size": 9}):
        figure = Figure(figsize=(9, 0.26 * sum(len(bars) for _, bars in panels) + 1.2))
        ratios = [max(len(bars), 1) for _, bars in panels]
        axes = figure.subplots(2, 1, height_ratios=ratios, sharex=True)
        for axis, (load, bars) in zip(axes, panels, strict=True):
            names, times = [name for name, _ in bars], [time for _, time in bars]
            colors = [MBOXIO if name.startswith("mboxio") else OTHERS for name in names]
            drawn = axis.barh(names, times, color=colors)
            axis.bar_label(drawn, [f"{time:.3g}" for time in times], padding=3)
            axis.set_xscale("log")
            axis.set_title(load.title, loc="left", fontsize=9)
            axis.invert_yaxis()
            axis.spines[["top", "right"]].set_visible(False)
            axis.margins(x=0.1)
        axes[-1].set_xlabel("µs per request, median")
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, metadata={"Title": TITLE, "Date": None})
    path.write_text(_fit_for_dark_pages(path.read_text()))


def _bars(results: Results, load: str) -> list[tuple[str, float]]:
    """Return name and time of each peer, the fastest first."""
    bars: list[tuple[str, float]] = []
    for table in TABLES[:2]:
        (row,) = (row for row in table.rows if row.title == load)
        for column in table.columns:
            found = results.cell(table, row, column)
            if found:
                bars.append((f"{column.title}, {table.name}", found.median_us))
    return sorted(bars, key=lambda bar: bar[1])


def _fit_for_dark_pages(text: str) -> str:
    """Let texts take a colour that fits the page's."""
    text = text.replace("fill: #000000", "").replace("stroke: #000000", "stroke: #808080")
    head, _, body = text.partition("<metadata>")
    return f"{head}{STYLE}<metadata>{body}" if body else text
