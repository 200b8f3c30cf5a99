"""What the demo shows: rows that change on a terminal, finished lines elsewhere."""

from dataclasses import dataclass
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

__all__ = ["Row", "Screen"]

REDRAW_S = 0.1
NAME, TEXT, WIDTH_MAX = 9, 46, 100


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
        """Return all rows."""
        title = Text(self.title, style="bold", no_wrap=True, overflow="ellipsis")
        return Group(title, Text(""), *(self.line(row) for row in self.rows))

    def line(self, row: Row) -> Text:
        """Return one row as it is shown."""
        name = f"{row.name:<{NAME}}"
        text = Text.assemble((name, "bold cyan"), row.text, no_wrap=True, overflow="ellipsis")
        if self.live is None:
            text.append(f", {row.note}" if row.note else "")
        elif row.share is not None:
            text.pad_right(NAME + TEXT - len(text.plain))
            # The terminal shows Ctrl-C as ^C, which must not wrap.
            room = min(self.console.width - 2, WIDTH_MAX) - NAME - TEXT - len(row.note) - 1
            filled = round(max(min(row.share, 1), 0) * room)
            text.append(self.full * filled, "green" if row.done else "yellow")
            text.append(self.empty * (room - filled), "dim")
            text.append(f" {row.note}" if row.note else "", "bold")
        return text
