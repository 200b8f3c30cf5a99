"""What happened, in words: the kind of an event, its time, and what it says beside its message."""

import errno
from datetime import datetime

from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind, held
from mboxio.capture.packets import INBOUND, OUTBOUND, direction

__all__ = ["KINDS", "absolute_time", "arrow", "is_text", "remarks", "seconds"]

KINDS = {kind: kind.name.lower().replace("_", " ") for kind in Kind} | {
    Kind.TX_DONE: "TX done",
    Kind.LATE: "late reply",
    Kind.UNKNOWN: "unknown reply",
    Kind.LOST: "lost events",
    Kind.LEFT: "handed over",
}
_TEXTS = frozenset(
    {Kind.ENDED, Kind.LINK, Kind.REFUSED, Kind.FREED, Kind.STOPPED, Kind.OUT_OF_STEP}
)
_ERRORS = frozenset({Kind.REPLY, Kind.LATE, Kind.ANSWER})
"""Kinds whose message is a text where they have an error number."""
ACCEPTED = HANDED_OVER.index("accepted")
ARROWS = {OUTBOUND: "→", INBOUND: "←"}


def arrow(event: Event) -> str:
    """Return the way of a message, as the side of its source sees it; a dot: none went anywhere."""
    return ARROWS.get(direction(event.kind, event.source.side == "remote"), "·")


def seconds(time_ns: int) -> str:
    """Return a time in seconds, to the nanosecond."""
    whole, rest = divmod(abs(time_ns), 1_000_000_000)
    return f"{'-' if time_ns < 0 else ''}{whole}.{rest:09d}"


def absolute_time(time_ns: int) -> str:
    """Return the local time with its date, to the nanosecond."""
    whole, rest = divmod(time_ns, 1_000_000_000)
    date, _, zone = datetime.fromtimestamp(whole).astimezone().isoformat(" ").partition("+")
    return f"{date}.{rest:09d}+{zone}" if zone else f"{date}.{rest:09d}"


def is_text(event: Event) -> bool:
    """Return whether an event's message is a text, and nothing in the language of the channel."""
    return event.kind in _TEXTS or (event.kind in _ERRORS and event.status != 0)


def remarks(event: Event) -> list[str]:
    """Return what an event says beside its message, in pieces; texts in it are of anybody."""
    said: list[str] = []
    kind = event.kind
    if kind is Kind.LINK:
        known = event.status not in (-1, 0)
        epoch = f", epoch {event.status & 0xFFFFFFFF}" if known else ""
        said.append(f"up{epoch}" if event.outcome == 1 else "lost")
    elif kind is Kind.OVERFLOW:
        said.append(f"{event.status} messages thrown away for a slow subscriber")
    elif kind is Kind.FREED:
        said.append(held(event.status))
    elif event.status:
        name = errno.errorcode.get(abs(event.status))
        said.append(f"status {event.status}" + (f" ({name})" if name else ""))
    if kind in (Kind.ENDED, Kind.TX_DONE) and event.ends_request:
        said.append(OUTCOMES[event.outcome])
    if kind is Kind.ENDED:
        said.append(f"handed over: {HANDED_OVER[event.handed_over]}")
    elif kind in (Kind.REQUEST, Kind.MESSAGE) and event.handed_over == ACCEPTED:
        said.append("accepted by the driver")
    if event.message and is_text(event):
        said.append(event.message.decode(errors="replace"))
    return said
