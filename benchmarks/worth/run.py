"""Runs points in processes, and keeps what came out as CSV."""

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.setting import ROOT
from benchmarks.worth.grid import Point
from mboxio.sim.world import simulate

__all__ = ["DATA", "Row", "measure", "measured", "read", "write"]

DATA = ROOT / "docs" / "is-a-queue-worth-it.csv"
SEED = 1
TEXTS = frozenset({"cut", "at", "tx_done", "matching", "service", "deadline"})
WHOLE = frozenset(
    {
        "depth",
        "workers",
        "clients",
        "done",
        "timed_out",
        "false",
        "refused",
        "live_max",
        "memory_bytes",
    }
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured at a point, as a line of the file. Times are in microseconds."""

    cut: str
    at: str
    tx_done: str
    matching: str
    depth: int
    workers: int
    service: str
    clients: int
    deadline: str
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    fairness: float
    interrupts: float
    accesses: float
    host_busy: float
    done: int
    timed_out: int
    false: int
    refused: int
    live_max: int
    memory_bytes: int


def measured(point: Point) -> Row:
    """Simulate a point.

    Raises:
        AssertionError: a reply went to the wrong request, or a request failed.
    """
    board, load = point.board, point.load
    found = simulate(board, load, seed=SEED, seconds=point.seconds, warm_up_s=point.seconds / 5)
    assert found.wrong == found.failed == 0, (point, found)
    return Row(
        cut=point.cut,
        at=str(point.at),
        tx_done=board.tx_done,
        matching=board.matching,
        depth=board.depth,
        workers=board.workers,
        service=type(board.service).__name__,
        clients=load.clients,
        deadline=load.deadline,
        per_second=round(found.per_second, 1),
        p50_us=round(found.p50_us, 2),
        p99_us=round(found.p99_us, 2),
        p999_us=round(found.p999_us, 2),
        fairness=round(found.fairness, 4),
        interrupts=round(found.interrupts, 3),
        accesses=round(found.accesses, 2),
        host_busy=round(found.host_busy, 3),
        done=found.done,
        timed_out=found.timed_out,
        false=found.false_time_outs,
        refused=found.refused,
        live_max=found.live_max,
        memory_bytes=found.memory_bytes,
    )


def measure(points: Sequence[Point], told: Callable[[], object] = lambda: None) -> list[Row]:
    """Simulate all points, as many at a time as there are CPUs."""
    rows = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for row in pool.map(measured, points, chunksize=4):
            rows.append(row)
            told()
    return rows


def write(rows: Iterable[Row], path: Path = DATA) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Row.__annotations__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read(path: Path = DATA) -> list[Row]:
    """Return the rows of a file."""
    with path.open(newline="") as file:
        return [
            Row(**{name: typed(name, text) for name, text in row.items()})
            for row in csv.DictReader(file)
        ]


def typed(name: str, text: str) -> Any:
    """Return what a text of a column stands for."""
    if name in TEXTS:
        return text
    return int(text) if name in WHOLE else float(text)
