"""The results as tables: on the terminal and in the documents."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.cases import TABLES, Table
from benchmarks.results import Results
from benchmarks.targets import outcomes

__all__ = ["Rows", "markdown", "show", "write_docs", "write_tables"]

Rows = list[tuple[str, ...]]
END = "<!-- end -->"


def time_table(results: Results, table: Table) -> Rows:
    """Return the rows of a table of times, the heading first."""
    rows: Rows = [("µs per request", *(column.title for column in table.columns))]
    for row in table.rows:
        cells = [row.title]
        for column in table.columns:
            found = results.cell(table, row, column)
            cells.append(_time(found.median_us, found.spread_us) if found else "–")
        rows.append(tuple(cells))
    return rows


def target_table(results: Results) -> Rows:
    """Return the targets and what was reached, the heading first."""
    rows: Rows = [("What", "Target", "Measured", "Reached")]
    rows += [(each.what, *each.said()) for each in outcomes(results)]
    return rows


def tables(results: Results) -> Iterator[tuple[str, str, Rows]]:
    """Yield name, title and rows of each table that has something to say."""
    about = [tuple(each) for each in results.about.items()]
    yield "about", "What was measured", [("", ""), *about]
    yield "targets", "Targets", target_table(results)
    if "steps" in results.others:
        steps = results.others["steps"]
        yield (
            "steps",
            "Steps",
            [("Step", "ns"), *((name, f"{ns:.0f}") for name, ns in steps.items())],
        )
    if "profile" in results.others:
        profile = results.others["profile"]
        parts = next(iter(profile.values()))
        rows = [(part, *(f"{each[part]:,.0f}" for each in profile.values())) for part in parts]
        whole = ("all of it", *(f"{sum(each.values()):,.0f}" for each in profile.values()))
        yield "profile", "Instructions of a request", [("Part", *profile), *rows, whole]
    for table in TABLES:
        if any(results.cell(table, row, each) for row in table.rows for each in table.columns):
            yield table.name, table.title, time_table(results, table)


def show(results: Results, console: Console) -> None:
    """Print all tables, and what failed."""
    for _, title, rows in tables(results):
        shown = RichTable(*rows[0], title=title, title_justify="left", box=None)
        for cells in rows[1:]:
            shown.add_row(*cells)
        console.print(shown, "")
    for each in results.found.values():
        if each.error:
            console.print(f"not measured: {each.setting.key}: {each.error}", style="red")


def write_docs(results: Results, page: Path) -> list[str]:
    """Put the tables into a page, as `write_tables` does."""
    return write_tables(((name, rows) for name, _, rows in tables(results)), page)


def write_tables(named: Iterable[tuple[str, Rows]], page: Path) -> list[str]:
    """Put tables between their marks in a page; return the names of those that have none."""
    text = page.read_text()
    missing: list[str] = []
    for name, rows in named:
        begin, found, rest = text.partition(f"<!-- bench: {name} -->\n")
        if not found:
            missing.append(name)
            continue
        text = begin + found + markdown(rows) + END + rest.partition(END)[2]
    page.write_text(text)
    return missing


def markdown(rows: Rows) -> str:
    """Return a table as it stands between its marks."""
    rule = ("---", *("---:" for _ in rows[0][1:])) if len(rows[0]) > 2 else ("---", "---")
    lines = [rows[0], rule, *rows[1:]]
    return "\n" + "".join(f"| {' | '.join(each)} |\n" for each in lines) + "\n"


def _time(median_us: float, spread_us: tuple[float, float]) -> str:
    low, high = (_digits(each) for each in spread_us)
    return f"{_digits(median_us)} ({low}–{high})"


def _digits(value_us: float) -> str:
    """Write as many digits as mean something."""
    return f"{value_us:.{2 if value_us < 10 else 1 if value_us < 100 else 0}f}"
