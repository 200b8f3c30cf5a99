"""The user's own board with more and fewer slots: a table, and a picture."""

import runpy
from dataclasses import asdict, replace
from pathlib import Path

import click

from mboxio.cli.shared.output import Column, Output
from mboxio.cli.shared.text import json_line
from mboxio.see.gain import draw, gain_panel
from mboxio.sim.world import Board, Load, Measured, simulate

__all__ = ["DEPTHS", "compare"]

DEPTHS = (1, 2, 4, 8, 16)
SECONDS = 0.1
PICTURE_WIDTH = 560
WAYS = {
    "irq": "by interrupt",
    "poll": "by polling",
    "ack": "with the reply",
    "deposit": "on deposit",
}
ACROSS = "time to hand over ÷ service time; dashed: this board"
COLUMNS = (
    *("slots", "requests/s", "gain", "p50 µs", "p99 µs", "p99.9 µs", "fairness"),
    *("interrupts", "accesses", "host busy", "time-outs", "false", "refused"),
)


def compare(
    path: Path,
    seed: int,
    seconds: float | None,
    depths: tuple[int, ...],
    svg: Path | None,
    as_json: bool,
) -> None:
    """Simulate a board with different depths, and print what that brings.

    Raises:
        click.BadParameter: the file describes no board.
    """
    board, load = described(path)
    found: list[tuple[int, Measured]] = []
    for depth in sorted(set(depths)):
        wanted = replace(board, depth=depth)
        try:
            measured = simulate(wanted, load, seed=seed, seconds=seconds or SECONDS)
        except ValueError as error:
            raise click.BadParameter(f"{path}: {error}") from None
        found.append((depth, measured))
    if as_json:
        for depth, measured in found:
            click.echo(json_line({"depth": depth, **asdict(measured)}))
    else:
        Output().table([Column(name) for name in COLUMNS], rows(found))
    if svg is not None:
        svg.write_text(picture(path, board, load, depths), encoding="utf-8")


def picture(path: Path, board: Board, load: Load, depths: tuple[int, ...]) -> str:
    """Return what more slots bring for faster and slower firmware, as SVG; a mark is the board.

    Raises:
        click.BadParameter: there is nothing to draw.
    """
    more = tuple(sorted(set(depths) - {1}))
    workers = f"{board.workers} worker{'s' * (board.workers > 1)}"
    title = f"{workers}, TX done {WAYS[board.tx_done]}"
    try:
        panel = gain_panel(board, load, title=title, depths=more)
        return draw(
            [(path.stem, [panel])],
            width=PICTURE_WIDTH,
            title=f"Gain in throughput of {path.stem} with more slots",
            across=ACROSS,
            up="gain in throughput",
        )
    except ValueError as error:
        raise click.BadParameter(f"{path}: {error}") from None


def described(path: Path) -> tuple[Board, Load]:
    """Return the board that a file describes, and the load on it.

    Raises:
        click.BadParameter: it cannot be run, or describes none.
    """
    try:
        names = runpy.run_path(str(path))
    except Exception as error:
        kind = type(error).__name__
        raise click.BadParameter(f"{path}: {kind}: {error}") from None
    board, load = names.get("board"), names.get("load", Load())
    if not isinstance(board, Board):
        raise click.BadParameter(f"{path}: it has no board = Board(...) of mboxio.sim.world")
    if not isinstance(load, Load):
        raise click.BadParameter(f"{path}: its load is no Load(...) of mboxio.sim.world")
    return board, load


def rows(found: list[tuple[int, Measured]]) -> list[list[str]]:
    """Return the cells of the table; gain is that over the first row."""
    first = found[0][1].per_second or 1.0
    return [
        [
            str(depth),
            f"{each.per_second:,.0f}",
            f"{each.per_second / first:.2f}",
            f"{each.p50_us:,.1f}",
            f"{each.p99_us:,.1f}",
            f"{each.p999_us:,.1f}",
            f"{each.fairness:.3f}",
            f"{each.interrupts:.2f}",
            f"{each.accesses:.1f}",
            f"{each.host_busy:.0%}",
            f"{each.timed_out:,}",
            f"{each.false_time_outs:,}",
            f"{each.refused:,}",
        ]
        for depth, each in found
    ]
