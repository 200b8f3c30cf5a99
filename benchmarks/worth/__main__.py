"""``python -m benchmarks.worth``: simulate all points, write data, picture and tables."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.report import Rows, write_tables
from benchmarks.setting import ROOT
from benchmarks.worth import real, theory
from benchmarks.worth.grid import points
from benchmarks.worth.picture import drawn, drawn_small
from benchmarks.worth.run import DATA, Row, measure, read, write
from benchmarks.worth.tables import of_real, of_theory, tables

PAGE = ROOT / "docs" / "is-a-queue-worth-it.md"
PICTURE = ROOT / "docs" / "is-a-queue-worth-it.svg"
SMALL = ROOT / "docs" / "is-a-queue-worth-it-small.svg"
SEEDS, REQUESTS = 32, 25_000


@click.command()
@click.option("--quick", is_flag=True, help="A tenth of each point: does it work? Writes nothing.")
@click.option("--draw", is_flag=True, help="Measure nothing; picture and tables from the data.")
@click.option("--theory", "against_theory", is_flag=True, help="Only against queueing theory.")
@click.option("--real", "against_real", is_flag=True, help="Only against the real clock.")
def main(quick: bool, draw: bool, against_theory: bool, against_real: bool) -> None:
    """Is a hardware queue worth it?"""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if against_theory:
        checked = theory.check_all(
            SEEDS // 5 if quick else SEEDS, REQUESTS // 5 if quick else REQUESTS
        )
        publish([("theory", of_theory(checked))], PAGE, console, shown=quick)
    elif against_real:
        publish([("real", of_real(real.compare(20 if quick else 300)))], PAGE, console, shown=quick)
    else:
        rows = read() if draw else simulated(quick, console)
        if not (quick or draw):
            write(rows, DATA)
        if not quick:
            PICTURE.write_text(drawn(rows))
            SMALL.write_text(drawn_small(rows))
        publish(tables(rows), PAGE, console, shown=quick)


def simulated(quick: bool, console: Console) -> list[Row]:
    """Simulate all points."""
    todo = [replace(each, seconds=each.seconds / (10 if quick else 1)) for each in points()]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(todo))
        rows = measure(todo, lambda: progress.advance(task))
    done = sum(row.done for row in rows)
    console.print(f"{len(rows)} points, {done:,} requests, no reply to the wrong request")
    return rows


def publish(named: Iterable[tuple[str, Rows]], page: Path, console: Console, shown: bool) -> None:
    """Print tables, and put them into the page unless they are only to be shown."""
    kept = [(f"worth {name}", rows) for name, rows in named]
    for name, rows in kept:
        table = Table(*rows[0], title=name, title_justify="left", box=None)
        for cells in rows[1:]:
            table.add_row(*cells)
        console.print(table, "")
    if not shown and (missing := write_tables(kept, page)):
        raise click.ClickException(f"{page.name} has no marks for: {', '.join(missing)}")


if __name__ == "__main__":
    main()
