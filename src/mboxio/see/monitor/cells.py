"""The cells of the table and the lines of the log, as the screen shows them: coloured texts."""

from rich.text import Text

from mboxio.see.monitor.channel import ChannelState
from mboxio.see.monitor.history import clock_time
from mboxio.see.monitor.model import Notable
from mboxio.see.monitor.table import Column

__all__ = ["cell_of", "cut", "short_name", "told"]

WARNINGS = frozenset({"freed", "link up", "late reply", "refused"})
"""What is told in yellow; the rest is worse."""


def short_name(channel: ChannelState, together: bool) -> str:
    """Return a short name: one address for all stands in the title."""
    prefix = f"{channel.source.address}/"
    return channel.name.removeprefix(prefix) if together else channel.name


def cell_of(channel: ChannelState, column: Column, now_ns: int, marks_changes: bool) -> Text:
    """Return a cell, coloured: no colour says what the text does not."""
    if column.bytes:
        return _bytes(channel, column, marks_changes)
    text = column.text(channel, now_ns)
    style = ""
    if column.name == "link":
        bad = text.isupper()
        style = "bold white on red" if bad else "green" if text.startswith("up") else "dim"
    elif column.name == "slots" and channel.source.depth:
        full = channel.slots_used >= channel.source.depth
        style = "bold red" if full else ""
    elif column.worries and text != "0":
        style = "bold yellow"
    elif text in ("0", "-"):
        style = "dim"
    return Text(text, style, justify="right" if column.right else "left", no_wrap=True)


def _bytes(channel: ChannelState, column: Column, marks_changes: bool) -> Text:
    """Return the last message; bytes that differ from the one before are underlined."""
    sent = column.bytes == "sent"
    last = channel.sent_last if sent else channel.came_last
    before = channel.sent_before if sent else channel.came_before
    text = Text(cut(column.text(channel, 0), column.width), "" if last else "dim")
    if marks_changes and last is not None and before is not None:
        for place, value in enumerate(last[: (len(text) + 1) // 3]):
            if before[place : place + 1] != bytes([value]):
                text.stylize("bold underline", 3 * place, 3 * place + 2)
    return text


def cut(text: str, width: int) -> str:
    """Cut a name in front, for the end of it is what differs."""
    return text if len(text) <= width else f"..{text[2 - width :]}"


def told(notable: Notable, name: str) -> Text:
    """Return a line of the log."""
    style = "yellow" if notable.what in WARNINGS else "bold red"
    times = f" ({notable.count} times)" if notable.count > 1 else ""
    return Text.assemble(
        (f"{clock_time(notable.time_ns)} ", "dim"),
        (f"{name} ", "bold"),
        (f"{notable.what}{times} ", style),
        notable.why,
    )
