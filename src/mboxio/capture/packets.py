"""From an event to the data of its packet, and back."""

from dataclasses import replace

from mboxio.capture.event import OUTCOMES, Event, Kind, Source
from mboxio.capture.layout import (
    AT_REMOTE,
    EXPECTS_REPLY,
    HANDED_OVER_SHIFT,
    HEAD,
    HEAD_BYTES,
    NO_TAG,
    PREFIX,
    VERSION,
)

__all__ = ["BEFORE_MESSAGE", "INBOUND", "OUTBOUND", "direction", "event_of", "packet_of"]

INBOUND, OUTBOUND = 1, 2
BEFORE_MESSAGE = len(PREFIX) + HEAD_BYTES
"""Bytes of a packet before its message."""
NUMBER_MAX = (1 << 64) - 1
STATUS_MAX = (1 << 31) - 1

_LEAVES = frozenset({Kind.REQUEST, Kind.MESSAGE, Kind.ANSWER})
_COMES = frozenset({Kind.REPLY, Kind.REMOTE_REQUEST, Kind.NOTIFICATION, Kind.LATE, Kind.UNKNOWN})


def direction(kind: Kind, at_remote: bool) -> int:
    """Return which way a message goes with an event, as its side sees it.

    Returns:
        `OUTBOUND`, `INBOUND`, or 0: no message crosses the wire.
    """
    if kind in _LEAVES:
        return INBOUND if at_remote else OUTBOUND
    if kind in _COMES:
        return OUTBOUND if at_remote else INBOUND
    return 0


def packet_of(event: Event, snap: int | None = None) -> bytes:
    """Return the data of an event's packet.

    Args:
        event: what happened; numbers that have no room in the head are cut to its bits.
        snap: keep no more bytes of the message.
    """
    flags = event.expects_reply * EXPECTS_REPLY | (event.handed_over & 3) << HANDED_OVER_SHIFT
    if event.source.side == "remote":
        flags |= AT_REMOTE
    head = HEAD.pack(
        VERSION,
        event.kind,
        flags,
        event.outcome & 0xFF,
        max(min(event.status, STATUS_MAX), ~STATUS_MAX),
        event.number & NUMBER_MAX,
        NO_TAG if event.tag is None else event.tag & 0xFFFFFFFF,
        event.source.number & 0xFFFF,
        HEAD_BYTES,
        0,
    )
    return PREFIX + head + event.message[:snap]


def event_of(time_ns: int, source: Source, data: bytes, length: int, lost: int) -> Event | None:
    """Return the event of a packet; None: it is of a later version, or not of mboxio at all.

    Args:
        time_ns: nanoseconds since 1970.
        source: where.
        data: what is kept of the packet.
        length: of the whole packet, in bytes.
        lost: this many packets right before it are missing.
    """
    if len(data) < BEFORE_MESSAGE or not data.startswith(PREFIX):
        return None
    version, kind, flags, outcome, status, number, tag, channel, head_bytes, _ = HEAD.unpack_from(
        data, len(PREFIX)
    )
    start = len(PREFIX) + head_bytes
    known = version >= VERSION and kind in _KINDS and outcome < len(OUTCOMES)
    if not known or head_bytes < HEAD_BYTES or len(data) < start:
        return None
    if flags & AT_REMOTE and source.side != "remote":  # a description that was lost
        source = replace(source, side="remote", number=channel)
    return Event(
        time_ns,
        _KINDS[kind],
        source,
        number,
        None if tag == NO_TAG else tag,
        status,
        outcome,
        flags >> HANDED_OVER_SHIFT & 3,
        bool(flags & EXPECTS_REPLY),
        data[start:],
        max(length, len(data)) - start,
        lost,
    )


_KINDS = {int(kind): kind for kind in Kind}
