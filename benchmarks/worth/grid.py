"""The points of the study: a main grid, and a cut along each other axis."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from mboxio.see.gain.curves import RATIOS, hand_over_us, mean_us, seconds_for
from mboxio.sim.world import (
    Bimodal,
    Board,
    Constant,
    Copied,
    Duration,
    Exponential,
    Load,
    Stalled,
)

__all__ = ["DEPTHS", "METHODS", "WORKERS", "Point", "points"]

DEPTHS = (1, 2, 4, 8, 16, 32, 64)
SOME = (1, 8, 64)
WORKERS = (1, 4, 16)
METHODS = ("irq", "ack", "poll", "deposit")
BOARD = Board(workers=4, service=Exponential(20), doorbell_us=2, interrupt_us=10, access_us=0.1)
LOAD = Load(clients=64, think=Exponential(10), backlog=20, message_bytes=16)
HAND_OVER_US = hand_over_us(BOARD)
STALL_US = 10_000.0


@dataclass(frozen=True)
class Point:
    """A board and a load.

    Args:
        cut: the part of the study that it belongs to.
        at: where it is on the axis of the cut.
        board: the board.
        load: the load.
        seconds: virtual time that is measured.
    """

    cut: str
    at: float | str
    board: Board
    load: Load
    seconds: float


def points() -> Iterator[Point]:
    """Yield all points."""
    for cut in (main, workers, distributions, clients, arrivals, polling, spinning, stalls):
        yield from cut()
    yield from time_outs()


def board(method: str, **changes: Any) -> Board:
    """Return the board of the study with another way of TX done, and other changes.

    TX done on deposit says nothing about a message, so tags tie its reply; elsewhere each request
    has its completion.
    """
    matching = "tags" if method == "deposit" else "hardware"
    return replace(BOARD, tx_done=method, matching=matching, **changes)


def closed(cut: str, at: float | str, on: Board, load: Load = LOAD, requests: int = 3000) -> Point:
    """Return a point at which clients ask again after each reply."""
    return Point(cut, at, on, load, seconds_for(on, load, requests))


def main() -> Iterator[Point]:
    """Hand-over time against service time: the picture."""
    for method, workers, ratio in product(METHODS, WORKERS, RATIOS):
        for depth in DEPTHS if method in ("irq", "ack") else (1, 4, 16, 64):
            service = Exponential(HAND_OVER_US / ratio)
            on = board(method, depth=depth, workers=workers, service=service)
            yield closed("main", ratio, on)


def workers() -> Iterator[Point]:
    """How many requests the firmware works on at the same time."""
    for method, depth, count in product(METHODS, SOME, (1, 2, 4, 8, 16)):
        yield closed("workers", count, board(method, depth=depth, workers=count))


def distributions() -> Iterator[Point]:
    """Service times of other kinds, with the same mean of 20 µs."""
    kinds: dict[str, Duration] = {
        "constant": Constant(20),
        "exponential": Exponential(20),
        "bimodal": Bimodal(us=10.5, rare_us=200.5, rare=0.05),
        "copied": Copied(us=10, bytes_per_us=LOAD.message_bytes / 10),
    }
    means = {name: mean_us(kind, LOAD.message_bytes) for name, kind in kinds.items()}
    assert all(abs(mean - 20) < 1 for mean in means.values()), means
    for (name, kind), method, depth, count in product(kinds.items(), ("irq", "ack"), SOME, WORKERS):
        on = board(method, depth=depth, workers=count, service=kind)
        yield closed("distributions", name, on)


def clients() -> Iterator[Point]:
    """How many clients ask, one request each at a time."""
    for method, depth, count in product(("irq", "ack"), SOME, (1, 2, 4, 8, 16, 32, 64)):
        yield closed("clients", count, board(method, depth=depth), replace(LOAD, clients=count))


def arrivals() -> Iterator[Point]:
    """Requests that come whatever has become of the others: shares of what four workers can do."""
    most = BOARD.workers / 20
    for method, depth, share in product(
        ("irq", "ack", "deposit"), SOME, (0.2, 0.4, 0.6, 0.8, 0.9, 1.2)
    ):
        load = replace(LOAD, clients=16, interval=Exponential(16 / (most * share)))
        yield Point(
            "arrivals", share, board(method, depth=depth), load, 10_000 / most / share / 1e6
        )


def polling() -> Iterator[Point]:
    """The period at which TX done is looked for; replies interrupt."""
    for depth, period in product(SOME, (5, 20, 50, 200, 1000)):
        on = board("poll", depth=depth, poll_us=float(period))
        yield closed("polling", period, on)


def spinning() -> Iterator[Point]:
    """A host that goes on looking for a while after each message."""
    for method, depth, spin in product(("irq", "ack"), (1, 8), (0, 10, 50)):
        yield closed("spinning", spin, board(method, depth=depth, spin_us=float(spin)))


def stalls() -> Iterator[Point]:
    """One request in a thousand takes ten milliseconds: who stands behind it?"""
    service = Stalled(usual=Exponential(20), every=1000, stall_us=STALL_US)
    for method, depth, count in product(("irq", "ack", "deposit"), SOME, WORKERS):
        on = board(method, depth=depth, workers=count, service=service)
        yield closed("stalls", count, on, requests=6_000)


def time_outs() -> Iterator[Point]:
    """Deadlines from queueing and from the doorbell, while some requests stall."""
    service = Stalled(usual=Exponential(20), every=500, stall_us=3000)
    for deadline, method, depth in product(("doorbell", "queueing"), ("irq", "ack"), SOME):
        load = replace(LOAD, deadline=deadline, timeout_us=2000.0, queue_timeout_us=1e6)
        on = board(method, depth=depth, workers=1, service=service)
        yield closed("time_outs", deadline, on, load, requests=6_000)
