"""The last messages of a channel, as lines of a table: their stages, and how they ended."""

from datetime import datetime

from mboxio.capture.event import Kind
from mboxio.see.monitor.channel import ChannelState
from mboxio.see.monitor.record import Record, what_it_waits_for
from mboxio.see.monitor.table import duration, hexed, link_of

__all__ = ["HEADERS", "clock_time", "lines_of", "row_of", "summary"]

HEADERS = ("#", "is", "queued", "to TX done", "await reply", "all", "why", "sent", "received")
SHOWN_BYTES = 16
YEAR_NS = 365 * 86400 * 1_000_000_000
DATES_END_NS = 8000 * YEAR_NS


def row_of(record: Record, now_ns: int, doubt_ns: int | None = None) -> tuple[str, ...]:
    """Return the cells of a message, see `HEADERS`; for ``doubt_ns`` see `what_it_waits_for`."""
    stages = [duration(each) for each in record.stages(now_ns)]
    end_ns = now_ns if record.ended_ns is None else record.ended_ns
    is_now = record.how
    if record.stage == "held":
        is_now += ", held"
    elif record.stage:
        is_now = record.stage
    elif record.late:
        is_now += ", late"
    kind = "" if record.kind is Kind.REQUEST else f"{Kind(record.kind).name.lower()} "
    why = record.why or (f"status {record.status}" if record.status else "")
    if record.freed_by:
        why += f"{'; ' if why else ''}freed by {record.freed_by}"
    if record.stage:
        why = f"{what_it_waits_for(record, doubt_ns)}{'; ' if why else ''}{why}"
    name = f"{record.number}" if record.number else f"tag {record.tag}"
    return (
        name,
        is_now,
        *stages,
        duration(max(end_ns - record.born_ns, 0)),
        f"{kind if kind.strip() in ('message', 'answer') else ''}{why}",
        hexed(record.written, SHOWN_BYTES),
        hexed(record.reply, SHOWN_BYTES),
    )


def lines_of(channels: list[ChannelState], now_ns: int, limit: int) -> list[str]:
    """Return in words which messages are not over, the oldest of all channels first."""
    waiting = [(each, channel) for channel in channels for each in channel.stuck(limit)]
    waiting.sort(key=lambda pair: -pair[0].stuck_ns(now_ns))
    return [
        f"{channel.name} #{record.number or f'(tag {record.tag})'}: {record.stage} for "
        f"{duration(record.stuck_ns(now_ns))}: {what_it_waits_for(record, channel.doubt_ns)}"
        for record, channel in waiting[:limit]
    ]


def summary(channel: ChannelState, now_ns: int) -> list[str]:
    """Return some lines about a channel."""
    times = [
        f"{name} {duration(each.at(0.5, now_ns))} / {duration(each.at(0.99, now_ns))}"
        for name, each in (
            ("queued", channel.queueing),
            ("to TX done", channel.to_tx),
            ("await reply", channel.replying),
            ("all", channel.trip),
        )
    ]
    told = [f"link {link_of(channel)}"]
    told += [text for text in (channel.link_why, channel.stopped) if text]
    told.append(
        f"slots {channel.slots_used}/{channel.source.depth or '?'}, "
        f"in flight {channel.in_flight}, queued {channel.queued}, held {len(channel.held)}"
    )
    counts = [f"{how} {number}" for how, number in channel.counts.items() if number]
    for name, number in (
        ("late", channel.late),
        ("unknown", channel.unknown),
        ("refused", channel.refused),
        ("driver busy", channel.busy),
        ("notifications", channel.notifications),
        ("remote asked", channel.remote_requests),
        ("answers", channel.answers),
        ("thrown away for subscribers", channel.overflow),
        ("events lost", channel.lost),
    ):
        if number:
            counts.append(f"{name} {number}")
    counts += [f"freed by {proof} {number}" for proof, number in channel.freed.items()]
    return [
        "  ".join(told),
        ", ".join(counts) or "nothing yet",
        f"p50 / p99: {', '.join(times)}",
    ]


def clock_time(time_ns: int) -> str:
    """Return a time of day; where the clock is a virtual one, seconds."""
    if not YEAR_NS < time_ns < DATES_END_NS:
        return f"{time_ns / 1e9:.3f} s"
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000)
    return f"{moment:%H:%M:%S}.{time_ns % 1_000_000_000 // 1_000_000:03}"
