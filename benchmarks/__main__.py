"""``python -m benchmarks``: run everything, print the tables, write JSON and the page."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks import report
from benchmarks.cases import TABLES
from benchmarks.processes import build_c
from benchmarks.results import Results, about, measure_others
from benchmarks.run import measure_all
from benchmarks.setting import BUILD, ROOT, Setting
from mboxio import _build

FILE = BUILD / "results.json"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"
NAMES = [*(table.name for table in TABLES), "others"]


@click.command()
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="These tables; may repeat.")
@click.option("--passes", default=5, show_default=True, help="How often to go through all.")
@click.option("--quick", is_flag=True, help="One short pass: does it work?")
@click.option("--from", "earlier", type=Path, help="Show an earlier run, measure nothing.")
@click.option("--json", "file", type=Path, default=FILE, show_default=True, help="What was found.")
@click.option("--write-docs", is_flag=True, help="Write tables and picture into docs.")
def main(
    only: tuple[str, ...],
    passes: int,
    quick: bool,
    earlier: Path | None,
    file: Path,
    write_docs: bool,
) -> None:
    """Measure mboxio beside its peers."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    if earlier is not None:
        results = Results.read(earlier)
    else:
        results = measure(only or NAMES, 1 if quick else passes, quick)
        results.write(file)
    report.show(results, console)
    if write_docs:
        publish(results)


def measure(names: "tuple[str, ...] | list[str]", passes: int, quick: bool) -> Results:
    """Run the tables with these names."""
    if not _build.optimized():
        raise click.ClickException(f"nothing to measure here, {_build.summary()}: run `make bench`")
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise click.ClickException("host and remote need a CPU each, and there is only one")
    # The first CPU often serves the interrupts, so the host gets the last one.
    where = (cpus[-1], cpus[-2])
    build_c()
    settings = [each for table in TABLES if table.name in names for each in table.settings(where)]
    if quick:
        settings = [Setting(**{**vars(each), "rounds": 3, "round_s": 0.01}) for each in settings]
    columns = (
        TextColumn("{task.description:<48}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=passes * len({each.key for each in settings}))

        def tick(setting: Setting) -> None:
            progress.update(task, advance=1, description=setting.key)

        results = Results(about(), where, measure_all(settings, passes, tick))
        if "others" in names:
            results.others = measure_others(lambda name: progress.update(task, description=name))
    return results


def publish(results: Results) -> None:
    """Write the tables into the page and draw the picture."""
    from benchmarks.picture import draw

    missing = report.write_docs(results, PAGE)
    if missing:
        raise click.ClickException(f"{PAGE.name} has no marks for: {', '.join(missing)}")
    draw(results, PICTURE)


if __name__ == "__main__":
    main()
