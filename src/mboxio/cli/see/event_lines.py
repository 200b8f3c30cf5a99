"""Events as lines: their columns, and beside or below them what their messages say."""

import os
import shutil
import sys
from collections.abc import Iterator

import click
from rich.cells import cell_len

from mboxio.capture.event import Event, Kind
from mboxio.cli.shared.messages import dumped
from mboxio.cli.shared.output import wrapped
from mboxio.cli.shared.text import printable, word
from mboxio.see.decoding.contract import Decoded
from mboxio.see.decoding.decoders import CARRY_MESSAGES
from mboxio.see.decoding.words import KINDS, absolute_time, arrow, is_text, remarks, seconds

__all__ = ["TIMES", "EventLines"]

TIMES = ("since", "delta", "absolute")
GAP = "  "
BELOW = "    "
COLUMN_MAX = 40
"""So wide a column gets, for all lines after one that is wider."""
UNBROKEN = "\N{NO-BREAK SPACE}"
BESIDE_MAX = 2
"""Pieces of what an event says."""
ROWS, ROW_BYTES_MIN = ((16, 80), (8, 48)), 4
"""So many bytes of a message in a row on a terminal that is so wide."""
BESIDE_BYTES = 16
"""Of a message, beside its columns; a longer one is dumped below them, if people look at it."""
BAD = frozenset({Kind.LATE, Kind.UNKNOWN, Kind.REFUSED, Kind.STOPPED, Kind.OUT_OF_STEP})
DONE = 5


class EventLines:
    """Makes lines of events: one each, and for a terminal more below where they are too long.

    Args:
        times: one of `TIMES`: since the first event, since the one before, or the local time.
        bytes_max: shown of a message that is not decoded.
    """

    def __init__(self, times: str = "since", bytes_max: int = 64) -> None:
        self.times = times
        self.bytes_max = bytes_max
        self.is_terminal = sys.stdout.isatty()
        self.coloured = self.is_terminal and not os.environ.get("NO_COLOR")
        self.width = shutil.get_terminal_size().columns
        self.first_ns: int | None = None
        self.widths = [0] * 7

    def lines(self, event: Event, decoded: Decoded | None) -> Iterator[str]:
        """Yield the lines of an event."""
        if event.lost:
            events = "1 event was" if event.lost == 1 else f"{event.lost} events were"
            yield self.styled(f"{events} lost here", True)
            if event.kind is Kind.LOST:
                return
        columns = self.columns(event)
        said = ["; ".join(printable(each) for each in remarks(event))]
        if decoded is not None:
            said += [printable(decoded.text), *(printable(each) for each in decoded.lines)]
        elif event.kind in CARRY_MESSAGES and not is_text(event):
            said += self.undecoded(event.message)
        yield from self.laid_out(event, columns, [each for each in said if each])

    def undecoded(self, message: bytes) -> Iterator[str]:
        """Yield the bytes of a message: beside the columns, or for people in rows below them."""
        shown = message[: self.bytes_max]
        if self.is_terminal and len(shown) > BESIDE_BYTES:
            count = next((count for count, least in ROWS if self.width >= least), ROW_BYTES_MIN)
            for at in range(0, len(shown), count):
                row = shown[at : at + count]
                yield f"{at:04x}  {row.hex(' '):<{3 * count}} |{dumped(row)}|"
        elif shown:
            yield f"{shown.hex(' ')} |{dumped(shown)}|"
        if len(shown) < len(message):
            yield f"({len(message) - len(shown)} more bytes)"

    def columns(self, event: Event) -> list[str]:
        """Return the columns before what an event says, as wide as they were so far."""
        size = f"[{len(event.message)} of {event.length}]" if event.is_cut else f"[{event.length}]"
        cells = [
            self.time(event.time_ns),
            word(str(event.source)) + (" remote" if event.source.side == "remote" else ""),
            arrow(event),
            KINDS[event.kind],
            f"#{event.number}" if event.number else "",
            "" if event.tag is None else f"tag {event.tag}",
            size if event.kind in CARRY_MESSAGES else "",
        ]
        sizes = (min(len(cell), COLUMN_MAX) for cell in cells)
        self.widths = [max(pair) for pair in zip(self.widths, sizes, strict=True)]
        time, *others = zip(cells, self.widths, strict=True)
        return [time[0].rjust(time[1]), *(cell.ljust(width) for cell, width in others)]

    def time(self, time_ns: int) -> str:
        """Return the time of an event."""
        if self.times == "absolute":
            return absolute_time(time_ns)
        if self.first_ns is None:
            self.first_ns = time_ns
        passed = time_ns - self.first_ns
        if self.times == "delta":
            self.first_ns = time_ns
        return seconds(passed)

    def laid_out(self, event: Event, columns: list[str], said: list[str]) -> Iterator[str]:
        """Yield the line, or on a terminal that is too narrow lines that break between words."""
        bad = event.kind in BAD or (event.ends_request and event.outcome != DONE)
        bad = bad or bool(event.status and event.kind not in (Kind.LINK, Kind.OVERFLOW, Kind.FREED))
        line = f"{GAP.join(columns)}{GAP}{'; '.join(said)}".rstrip()
        if not self.is_terminal or (len(said) <= BESIDE_MAX and cell_len(line) <= self.width):
            yield self.styled(line, bad)
            return
        head = GAP.join(columns).rstrip()
        if cell_len(head) > self.width:
            found = (cell.strip().replace(" ", UNBROKEN) for cell in columns)
            head = " ".join(cell for cell in found if cell)
        for line in wrapped(head, self.width, BELOW):
            yield self.styled(line.replace(UNBROKEN, " "), bad)
        for each in said:
            yield from (BELOW + part for part in wrapped(each, self.width - len(BELOW), GAP))

    def styled(self, line: str, bad: bool) -> str:
        """Return a line in red, if it says that something went wrong and colours are wanted."""
        return click.style(line, fg="red") if bad and self.coloured else line
