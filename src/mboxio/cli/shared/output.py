"""What commands write to stdout: tables and wrapped lines."""

import io
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

__all__ = [
    "Column",
    "Output",
    "laid_out",
    "wrapped",
]

GAP = "  "
"""Between two columns of a table."""


class Output(Console):
    """Stdout for what has colours and columns, where it can.

    Args:
        silent: write nothing, because what was found comes out in another form.
    """

    def __init__(self, silent: bool = False) -> None:
        file = io.StringIO() if silent else None
        super().__init__(file=file, highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leave it to the command; called while the error is handled."""
        raise

    def table(self, columns: "Sequence[Column]", rows: Sequence[Sequence[str]]) -> None:
        """Print a table; a terminal that is too narrow gets one line for each value."""
        first, *others = laid_out(columns, rows, self.width if self.is_terminal else None)
        self.print(Text(first, "bold"), soft_wrap=True)
        for line in others:
            self.print(Text(line), soft_wrap=True)


class Column:
    """A column of a table.

    Args:
        name: its header.
        right: whether it is flush right, as numbers are.
    """

    def __init__(self, name: str, right: bool = True) -> None:
        self.name = name
        self.right = right

    def padded(self, text: str, width: int) -> str:
        """Return a cell in its full width."""
        space = " " * (width - cell_len(text))
        return space + text if self.right else text + space


def laid_out(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[str]:
    """Return the lines of a table; nothing is cut.

    Where it is wider than ``width``, each row becomes a block of lines with a name and a value.
    """
    names = [column.name for column in columns]
    widths = [max(map(cell_len, cells)) for cells in zip(names, *rows, strict=True)]
    if width is None or sum(widths) + len(GAP) * (len(widths) - 1) <= width:
        return [
            GAP.join(map(Column.padded, columns, row, widths)).rstrip() for row in (names, *rows)
        ]
    widest = max(map(cell_len, names))
    left = Column("", right=False)
    lines: list[str] = []
    for row in rows:
        first, *others = zip(names, row, strict=True)
        lines.append(f"{left.padded(first[0], widest)}{GAP}{first[1]}")
        lines += [f"{left.padded(name, widest)}{GAP}{value}" for name, value in others]
        lines.append("")
    return lines[:-1] or names


def wrapped(text: str, width: int | None, indent: str) -> list[str]:
    """Break a text between words; None: it is one line, however long. No word is cut in two.

    Args:
        text: one line.
        width: columns that there are.
        indent: before all lines but the first.
    """
    if width is None:
        return [text]
    return textwrap.wrap(
        text,
        max(width, len(indent) + 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
