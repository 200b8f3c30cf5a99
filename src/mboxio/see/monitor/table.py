"""The columns of the table of channels, as texts: which there are, and which fit a width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mboxio.see.monitor.channel import ChannelState, epoch_of
from mboxio.see.monitor.record import Record

__all__ = [
    "COLUMNS",
    "Column",
    "count",
    "duration",
    "fitting",
    "hexed",
    "link_of",
    "stuck_of",
]

NAME_MIN, NAME_MAX = 10, 40
"""Characters of a channel's name."""
SHORT = {"to TX done": "TX", "awaiting reply": "reply", "accepted": "taken", "queued": "queue"}
"""What a message waits for, for a narrow column."""
BYTES = 8


def duration(time_ns: int | None) -> str:
    """Return a time with its unit, two or three digits and at most seven characters."""
    if time_ns is None:
        return "-"
    if time_ns < 1000:
        return f"{time_ns} ns"
    size = float(time_ns)
    for unit, step in (("ns", 1000), ("µs", 1000), ("ms", 1000), ("s", 60)):
        if size < step * 0.9995:
            return f"{size:.{max(2 - (size >= 10) - (size >= 99.5), 0)}f} {unit}"
        size /= step
    if size < 60:
        return f"{size:.{int(size < 9.95)}f} min"
    size /= 60
    for unit, step in (("h", 24), ("d", 365)):
        if size < step * 2:
            return f"{size:.{int(size < 9.95)}f} {unit}"
        size /= step
    return f"{min(size, 9999):.0f} y"


def count(number: float) -> str:
    """Return a number in at most six characters."""
    if number < 10 and number != int(number):
        return f"{number:.1f}"
    if number < 100_000:
        return f"{number:.0f}"
    for unit in "kMGT":
        number /= 1000
        if number < 9999.5:
            return f"{number:.0f}{unit}"
    return "many"


def link_of(channel: ChannelState) -> str:
    """Return in a word whether messages can pass."""
    if channel.link == "lost":
        return "LOST"
    if channel.stopped:
        return "STOPPED"
    if channel.out_of_step:
        return "NO STEP"
    if channel.epoch is None:  # a remote has no link of its own
        return channel.link if channel.source.side == "host" else "-"
    shown = epoch_of(channel.epoch)
    return f"up {shown if len(shown) < 4 else shown[-4:]}"


def slots_of(channel: ChannelState) -> str:
    """Return how many slots are used, of how many."""
    return f"{channel.slots_used}/{channel.source.depth or '?'}"


def stuck_of(record: Record | None, now_ns: int) -> str:
    """Return for how long a message is in which stage."""
    if record is None:
        return "-"
    return f"{duration(record.stuck_ns(now_ns))} {SHORT.get(record.stage, record.stage)}"


def hexed(message: bytes | None, limit: int = BYTES) -> str:
    """Return the first bytes as hex; ``-`` for None."""
    if message is None:
        return "-"
    if len(message) <= limit:
        return message.hex(" ")
    return f"{message[: limit - 1].hex(' ')} .."


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        name: its header.
        importance: the lowest stays the longest when the terminal becomes narrow.
        width: characters that it takes.
        text: what it says of a channel at a time.
        right: whether it is flush right.
        worries: anything but 0 is worth looking at.
        bytes: it shows the last message of this direction.
    """

    name: str
    importance: int
    width: int
    text: Callable[[ChannelState, int], str]
    right: bool = True
    worries: bool = False
    bytes: Literal["", "sent", "came"] = ""


def _time(share: float) -> Callable[[ChannelState, int], str]:
    return lambda channel, now_ns: duration(channel.trip.at(share, now_ns))


COLUMNS: Sequence[Column] = (
    Column("link", 1, 7, lambda c, _: link_of(c), right=False),
    Column("oldest", 2, 13, lambda c, now: stuck_of(c.oldest(), now), right=False),
    Column("slots", 4, 7, lambda c, _: slots_of(c)),
    Column("in flight", 10, 9, lambda c, _: count(c.in_flight)),
    Column("queued", 7, 6, lambda c, _: count(c.queued)),
    Column("req/s", 3, 6, lambda c, now: count(c.requests_per_s(now))),
    Column("p50", 11, 7, _time(0.5)),
    Column("p99", 6, 7, _time(0.99)),
    Column("done", 14, 6, lambda c, _: count(c.counts["done"])),
    Column("failed", 12, 6, lambda c, _: count(c.counts["failed"]), worries=True),
    Column("timed out", 5, 9, lambda c, _: count(c.counts["timed out"]), worries=True),
    Column("held", 8, 5, lambda c, _: count(len(c.held)), worries=True),
    Column("late", 13, 5, lambda c, _: count(c.late), worries=True),
    Column("unknown", 16, 7, lambda c, _: count(c.unknown), worries=True),
    Column("refused", 15, 7, lambda c, _: count(c.refused), worries=True),
    Column("overflow", 19, 8, lambda c, _: count(c.overflow), worries=True),
    Column("lost", 18, 6, lambda c, _: count(c.lost), worries=True),
    Column("sent", 17, 3 * BYTES - 1, lambda c, _: hexed(c.sent_last), right=False, bytes="sent"),
    Column("came", 9, 3 * BYTES - 1, lambda c, _: hexed(c.came_last), right=False, bytes="came"),
)
"""Beside the name of the channel, in the order in which they stand."""


def fitting(width: int, name_width: int, gap: int) -> tuple[int, list[Column]]:
    """Return the width of the name, and the columns for which there is room.

    Args:
        width: characters that there are.
        name_width: characters of the longest name.
        gap: characters that each column takes besides its own.
    """
    name_width = min(max(name_width, NAME_MIN), NAME_MAX)
    name = min(name_width, max(width // 3, NAME_MIN))
    left = width - gap - name
    chosen: list[Column] = []
    for column in sorted(COLUMNS, key=lambda each: each.importance):
        if left < column.width + gap:
            break
        chosen.append(column)
        left -= column.width + gap
    return min(name_width, name + max(left, 0)), [each for each in COLUMNS if each in chosen]
