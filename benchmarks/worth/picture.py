"""The picture of the study."""

from collections.abc import Sequence

from benchmarks.worth.findings import gain
from benchmarks.worth.grid import WORKERS
from benchmarks.worth.run import Row
from mboxio.see.gain import Curve, Panel, draw

__all__ = ["PICTURED", "drawn", "drawn_small"]

TITLE = "Is a queue worth it? Throughput with deeper queues, compared with one active message"
PICTURED = (2, 4, 8, 16, 64)
ROWS = (
    ("irq", "TX done by interrupt, as soon as the firmware takes the message"),
    ("ack", "TX done with the reply (ACK)"),
)
IN_SHORT = (("irq", 1), ("irq", 16), ("ack", 16))
ACROSS = "time to hand a message over (doorbell + interrupt) ÷ time the firmware takes for it"
WIDTH = 660


def drawn(rows: Sequence[Row]) -> str:
    """Return the picture as SVG."""
    return draw(
        [
            (title, [panel(rows, way, count, workers_of(count)) for count in WORKERS])
            for way, title in ROWS
        ],
        width=WIDTH,
        title=TITLE,
        across=ACROSS,
        up="gain in throughput",
    )


def drawn_small(rows: Sequence[Row]) -> str:
    """Return three panels of it, which tell the most."""
    names = {"irq": "interrupt", "ack": "ACK"}
    panels = [
        panel(rows, way, count, f"{workers_of(count)}, {names[way]}") for way, count in IN_SHORT
    ]
    return draw([("", panels)], width=WIDTH, title=TITLE, across=ACROSS, up="gain in throughput")


def workers_of(count: int) -> str:
    """Return what is written above a panel."""
    return f"{count} worker{'s' * (count > 1)}"


def panel(rows: Sequence[Row], tx_done: str, workers: int, title: str) -> Panel:
    """Return the gains of a way of TX done, a line a depth."""
    main = [row for row in rows if row.cut == "main"]
    ratios = sorted({float(row.at) for row in main})
    return Panel(
        title,
        tuple(
            Curve(
                f"depth {depth}",
                tuple((ratio, gain(main, ratio, tx_done, workers, depth)) for ratio in ratios),
            )
            for depth in PICTURED
        ),
    )
