"""Names and details of what happened, for people who look at a timeline."""

from mboxio._base.texts import remote_text
from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind
from mboxio.see.timeline.sink import Details

__all__ = [
    "LINK_UP",
    "OPEN",
    "QUEUED_NS",
    "REPLY",
    "REPLY_BYTES",
    "SENT",
    "TX_DONE",
    "UNSEEN",
    "UNSEEN_REQUEST",
    "end_details",
    "instant_details",
    "instant_name",
    "message_details",
    "outcome_of",
]

SHOWN_BYTES_MAX = 32
"""Of a message."""
SENT = "sent"
"""Where an arrow begins."""
REPLY, TX_DONE = "reply", "TX done"
"""How a request and a one-way message usually end."""
UNSEEN_REQUEST = " to a request that was not seen"
UNSEEN = "end not seen"
"""The outcome of a request whose end is not in the capture."""
LINK_UP = "link up"
REPLY_BYTES = "reply bytes"
"""The name of a detail of what was replied to."""
QUEUED_NS = "queued ns"
"""The name of a detail: how long a message was queued before it was sent."""
OPEN = "not over"
"""The outcome of a request when the capture ends."""

TEXTS = frozenset(
    (Kind.BUSY, Kind.ENDED, Kind.LINK, Kind.REFUSED, Kind.FREED, Kind.STOPPED, Kind.OUT_OF_STEP)
)
"""Kinds whose message is a text, not bytes of the wire."""

NAMES = {
    Kind.REQUEST: "request",
    Kind.MESSAGE: "message",
    Kind.REPLY: "reply",
    Kind.ANSWER: "answer",
    Kind.REMOTE_REQUEST: "request of the remote",
    Kind.NOTIFICATION: "notification",
    Kind.ENDED: "ended",
    Kind.LATE: "late reply",
    Kind.UNKNOWN: "unknown reply",
    Kind.REFUSED: "refused",
    Kind.BUSY: "busy",
    Kind.STOPPED: "stopped",
    Kind.OUT_OF_STEP: "out of step",
    Kind.DOORBELL: "doorbell",
    Kind.OVERFLOW: "overflow",
}


def outcome_of(event: Event) -> str:
    """Return the outcome of a request in words."""
    outcome = event.outcome
    return OUTCOMES[outcome] if 0 <= outcome < len(OUTCOMES) else f"outcome {outcome}"


def instant_name(event: Event) -> str:
    """Return what happened in a few words; empty if it is nothing to show."""
    if event.kind == Kind.LINK:
        return LINK_UP if event.outcome else "link lost"
    name = NAMES.get(event.kind, "")
    if event.kind == Kind.ENDED:
        name = outcome_of(event)
    return f"{name} #{event.number}" if name and event.number > 0 else name


def instant_details(event: Event) -> Details:
    """Return what else an event says."""
    details: list[tuple[str, int | str]] = []
    if event.kind in TEXTS:
        if event.message:
            details.append(("text", remote_text(event.message)))
    elif event.length:
        details += message_details(event)
    if event.tag is not None:
        details.append(("tag", event.tag))
    if event.kind == Kind.LINK and event.outcome:
        details.append(("epoch", event.status & 0xFFFFFFFF))
    elif event.status and event.kind not in (Kind.LINK, Kind.LATE, Kind.UNKNOWN):
        details.append(("status", event.status))
    return details


def message_details(event: Event) -> list[tuple[str, int | str]]:
    """Return the beginning of a message and its length."""
    shown = event.message[:SHOWN_BYTES_MAX].hex(" ")
    if event.length > SHOWN_BYTES_MAX:
        shown += " ..."
    return [("bytes", event.length), ("message", shown)]


def end_details(event: Event) -> Details:
    """Return how a request ended."""
    details: list[tuple[str, int | str]] = [("outcome", outcome_of(event))]
    if event.kind == Kind.ENDED:
        if event.message:
            details.append(("text", remote_text(event.message)))
        if 0 <= event.handed_over < len(HANDED_OVER):
            details.append(("handed over", HANDED_OVER[event.handed_over]))
    elif event.kind == Kind.REPLY:
        details.append((REPLY_BYTES, event.length))
        details.append(("reply", message_details(event)[1][1]))
    if event.status:
        details.append(("status", event.status))
    return details
