"""What commands write to stdout: messages in several forms, and tables."""

import functools
import io
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mboxio.cli.shared.text import json_line, word

__all__ = [
    "Column",
    "LinePrinter",
    "Output",
    "Printer",
    "dumped",
    "hexdump",
    "laid_out",
    "output_options",
    "wrapped",
]

Command = TypeVar("Command", bound=Callable[..., Any])
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


def output_options(kind: "type[Printer]") -> Callable[[Command], Command]:
    """Add --raw, --hex-out and --json; the command gets a printer of this kind as ``printer``."""

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def collect(**values: Any) -> Any:
            chosen = [form for form in FORMS if values.pop(form.replace("-", "_"))]
            if len(chosen) > 1:
                wrong = " and ".join(f"--{form}" for form in chosen)
                raise click.UsageError(f"{wrong} exclude each other.")
            return command(printer=kind(chosen[0] if chosen else None), **values)

        texts = ("One JSON object per message.", "One line of hex per message.", kind.raw_help)
        for form, text in zip(FORMS, texts, strict=True):
            collect = click.option(f"--{form}", is_flag=True, help=text)(collect)
        return collect  # type: ignore[return-value]

    return add


FORMS = ("json", "hex-out", "raw")


class Printer:
    """Writes replies to stdout.

    Args:
        form: ``raw``, ``hex-out`` or ``json``; None: a hexdump on a terminal, else raw.
    """

    raw_help = "The bytes as they are; the default unless stdout is a terminal."
    elsewhere = "raw"

    def __init__(self, form: str | None) -> None:
        self.form = form or ("dump" if sys.stdout.isatty() else self.elsewhere)
        self.output = sys.stdout.buffer

    def write(self, message: bytes, **more: Any) -> None:
        """Write one message; ``more`` is for JSON only."""
        if self.form == "raw":
            data = message
        elif self.form == "hex-out":
            data = message.hex(" ").encode() + b"\n"
        elif self.form == "json":
            found = {**more, "message": message.hex(), "bytes": len(message)}
            data = json_line(found).encode() + b"\n"
        else:
            data = "".join(line + "\n" for line in self.lines(message, more)).encode(
                sys.stdout.encoding, sys.stdout.errors or "backslashreplace"
            )
        self.output.write(data)
        self.output.flush()

    def lines(self, message: bytes, more: dict[str, Any]) -> Iterator[str]:
        """Yield what people read."""
        return hexdump(message)


class LinePrinter(Printer):
    """Writes what the remote says, with when and where; never raw unless that is asked for.

    Args:
        form: ``raw``, ``hex-out`` or ``json``; None: a hexdump with a head on a terminal, else
            one line.
    """

    raw_help = "The bytes as they are, one message right after the other."
    elsewhere = "line"

    def receive(self, channel: str, message: bytes) -> None:
        """Write one message that was taken from a channel just now."""
        time = datetime.now().astimezone().isoformat(timespec="microseconds")
        self.write(message, time=time, channel=channel, direction="rx")

    def lines(self, message: bytes, more: dict[str, Any]) -> Iterator[str]:
        """Yield the head and the bytes: in one line that never wraps them, or below each other."""
        head = f"{more['time']} {word(more['channel'])} {more['direction']} [{len(message)}]"
        if self.form == "line":
            yield f"{head} {message.hex(' ')} |{dumped(message)}|"
        else:
            yield head
            yield from hexdump(message)


def dumped(message: bytes) -> str:
    """Return what of a message is printable ASCII, and a dot for each other byte."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in message)


def hexdump(message: bytes) -> Iterator[str]:
    """Yield lines of 16 bytes: offset, hex, and what is printable."""
    if not message:
        yield "(no bytes)"
    for offset in range(0, len(message), 16):
        row = message[offset : offset + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        yield f"{offset:08x}  {left:<23}  {right:<23}  |{dumped(row)}|"
