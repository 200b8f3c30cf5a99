"""What the demo shows: rows that change on a terminal, finished lines elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mboxio import _build
from mboxio.cli.shared.text import json_line

__all__ = ["Row", "Screen", "show_end"]

REDRAW_S = 0.1
NAME, TEXT, WIDTH_MAX = 9, 46, 100
BAR_MIN = 5


@dataclass
class Row:
    """One line: what it is about, what happened, and a bar for how much.

    Args:
        name: the first column; empty where a row continues the one above.
        text: the second.
        share: length of the bar, 0 to 1; None: no bar.
        note: what stands behind the bar.
        done: it changes no more.
    """

    name: str
    text: str = ""
    share: float | None = None
    note: str = ""
    done: bool = False


class Screen:
    """All rows in their order; a context manager.

    Args:
        console: where to; decides whether things move.
        title: the first line.
    """

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.title = title
        self.rows: list[Row] = []
        self.redraw_s = 0.0
        moves = console.is_terminal and not console.is_dumb_terminal
        self.live = Live(console=console, auto_refresh=False) if moves else None
        self.full, self.empty = ("#", ".") if console.options.ascii_only else ("█", "░")

    def __enter__(self) -> "Screen":
        if self.live is not None:
            self.live.start()
        else:
            self.console.print(self.title)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.refresh(True)
            self.live.stop()

    def row(self, name: str, text: str = "") -> Row:
        """Add a row."""
        row = Row(name, text)
        self.rows.append(row)
        return row

    def finish(self, row: Row) -> None:
        """The row changes no more."""
        row.done = True
        if self.live is None:
            self.console.print(self.line(row), soft_wrap=True)
        self.refresh(True)

    def refresh(self, now: bool = False) -> None:
        """Redraw, but not too often."""
        if self.live is not None and (now or monotonic() >= self.redraw_s):
            self.redraw_s = monotonic() + REDRAW_S
            self.live.update(self.drawn(), refresh=True)

    def drawn(self) -> RenderableType:
        """Return all rows; what is too long for the terminal goes on below, nothing is cut."""
        title = Text(self.title, style="bold", overflow="fold")
        # The terminal shows Ctrl-C as ^C, which must not wrap.
        width = min(self.console.width - 2, WIDTH_MAX)
        rows = Table.grid()
        rows.add_column(width=NAME, overflow="fold")
        rows.add_column(width=max(width - NAME, 1), overflow="fold")
        for row in self.rows:
            rows.add_row(Text(row.name, "bold cyan"), self.told(row, width - NAME))
        return Group(title, Text(""), rows)

    def line(self, row: Row) -> Text:
        """Return one row as a line of its own."""
        text = Text.assemble((f"{row.name:<{NAME}}", "bold cyan"), row.text)
        return text.append(f", {row.note}" if row.note else "")

    def told(self, row: Row, width: int) -> Text:
        """Return what a row says, with its bar where there is room for one."""
        text = Text(row.text)
        room = width - TEXT - len(row.note) - 1
        if row.share is not None and room >= BAR_MIN and len(row.text) <= TEXT:
            text.pad_right(TEXT - len(text.plain))
            filled = round(max(min(row.share, 1), 0) * room)
            text.append(self.full * filled, "green" if row.done else "yellow")
            text.append(self.empty * (room - filled), "dim")
        return text.append(f" {row.note}" if row.note else "", "bold")


def show_end(
    console: Console, as_json: bool, demo: str, found: Mapping[str, Any], told: str
) -> None:
    """Show what a demo found, once all that it started has ended.

    Args:
        console: where to.
        as_json: print it as one JSON object.
        demo: its name.
        found: the data; ``broken`` in it says in words what went wrong.
        told: the last line, where nothing did.

    Raises:
        ClickException: a guarantee was broken.
    """
    if as_json:
        click.echo(json_line({"demo": demo, "build": _build.name(), **found}))
    if found["broken"]:
        raise click.ClickException(f"broken: {'; '.join(found['broken'])}")
    console.print(told, style="bold green", soft_wrap=True)
