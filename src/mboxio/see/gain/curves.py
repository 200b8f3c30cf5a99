"""How much more a board does with deeper queues, for firmware of different speed."""

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from random import Random

from mboxio.see.gain.chart import Curve, Panel
from mboxio.sim.world import Board, Duration, Load, simulate

__all__ = ["DEPTHS", "RATIOS", "gain_panel", "gains", "hand_over_us", "mean_us", "stretched"]

DEPTHS = (2, 4, 8, 16, 64)
RATIOS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Of the time to hand a message over to the time that the firmware takes for it."""
DRAWS = 10_000
REQUESTS = 2_000
ACCESSES_US = 1.0
"""What the host needs for a request at least, for a guess of how long a run has to be."""


def hand_over_us(board: Board) -> float:
    """Return how long it takes until the host knows that idle firmware took a message, nearly."""
    polled = board.tx_done == "poll" or (board.tx_done == "ack" and board.replies == "poll")
    return board.doorbell_us + (board.poll_us / 2 if polled else board.interrupt_us)


@cache
def mean_us(duration: Duration, message_bytes: int) -> float:
    """Return the mean time of a duration, its copy included."""
    draw = duration.drawn_by(Random(1))
    drawn_ns = sum(draw(number) for number in range(1, DRAWS + 1)) / DRAWS
    return (drawn_ns + duration.copy_ns(message_bytes)) / 1000


def stretched(duration: Duration, factor: float) -> Duration:
    """Return a duration of the same kind, so many times as long."""
    changes: dict[str, object] = {}
    for field in fields(duration):
        value = getattr(duration, field.name)
        if isinstance(value, Duration):
            changes[field.name] = stretched(value, factor)
        elif field.name == "bytes_per_us":
            changes[field.name] = value / factor
        elif field.name.endswith("us"):
            changes[field.name] = value * factor
    return replace(duration, **changes)


def seconds_for(board: Board, load: Load, requests: int) -> float:
    """Return for how long a closed loop runs until about so many requests are done."""
    service_us = mean_us(board.service, load.message_bytes)
    hand_us = hand_over_us(board) + (service_us if board.tx_done == "ack" else 0)
    times_us = (
        service_us / board.workers,
        hand_us / (board.depth * board.queues),
        (hand_us + service_us + mean_us(load.think, load.message_bytes))
        / (load.clients * load.window),
        ACCESSES_US,
    )
    return requests * max(times_us) / 1e6


def gains(
    board: Board, load: Load, depths: Sequence[int] = DEPTHS, requests: int = REQUESTS
) -> dict[int, float]:
    """Return for each depth how many times as much is done as with one slot.

    Args:
        board: any depth of it.
        load: a closed loop.
        depths: the depths.
        requests: about so many are simulated for each.
    """
    rates = {}
    for depth in (1, *depths):
        other = replace(board, depth=depth)
        seconds = seconds_for(other, load, requests)
        found = simulate(other, load, seconds=seconds, warm_up_s=seconds / 5)
        rates[depth] = found.per_second
    return {depth: rates[depth] / rates[1] for depth in depths if rates[1]}


def gain_panel(
    board: Board,
    load: Load,
    *,
    title: str,
    depths: Sequence[int] = DEPTHS,
    ratios: Sequence[float] = RATIOS,
    requests: int = REQUESTS,
) -> Panel:
    """Return a panel: the gain over hand-over time divided by service time, a line a depth.

    The firmware of the board becomes faster and slower in it; a mark shows how fast it is. The
    clients ask again after each reply, also those of an open loop: what comes at a rate of its own
    gains no throughput.

    Args:
        board: the board, whose depth does not matter.
        load: its clients.
        title: of the panel.
        depths: one line each.
        ratios: where the lines have points, besides the board itself.
        requests: about so many are simulated for each point.

    Raises:
        ValueError: the board hands over or serves in no time, so that there is no ratio; or the
            load does not fit the board.
    """
    hand_us, service_us = hand_over_us(board), mean_us(board.service, load.message_bytes)
    if not (hand_us > 0 and service_us > 0):
        raise ValueError("a board that hands over or serves in no time has no place in a picture")
    load = replace(load, interval=None)
    found: dict[int, list[tuple[float, float]]] = {depth: [] for depth in depths}
    for ratio in sorted({*ratios, hand_us / service_us}):
        service = stretched(board.service, hand_us / ratio / service_us)
        for depth, gain in gains(replace(board, service=service), load, depths, requests).items():
            found[depth].append((ratio, gain))
    curves = tuple(Curve(f"depth {depth}", tuple(points)) for depth, points in found.items())
    return Panel(title, curves, mark=hand_us / service_us)
