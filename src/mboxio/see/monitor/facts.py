"""The model as plain data, for JSON."""

from mboxio.capture.event import HANDED_OVER
from mboxio.see.monitor.channel import ChannelState
from mboxio.see.monitor.histogram import Times
from mboxio.see.monitor.model import Model
from mboxio.see.monitor.record import Record, what_it_waits_for

__all__ = ["facts_of"]

RECORDS_MAX = 16
SHARES = {"p50_ns": 0.5, "p99_ns": 0.99}


def facts_of(model: Model, now_ns: int) -> dict[str, object]:
    """Return everything that is known, as JSON can hold it; times in nanoseconds."""
    return {
        "time_ns": now_ns,
        "events": model.events,
        "events_lost": model.lost,
        "events_of_other_channels": model.strangers,
        "channels": [_channel(each, now_ns) for each in model.channels.values()],
    }


def _channel(channel: ChannelState, now_ns: int) -> dict[str, object]:
    source = channel.source
    return {
        "address": source.address,
        "channel": source.channel,
        "side": source.side,
        "number": source.number,
        "link": channel.link,
        "link_why": channel.link_why,
        "epoch": channel.epoch,
        "stopped": channel.stopped,
        "out_of_step": channel.out_of_step,
        "depth": source.depth,
        "slots_used": channel.slots_used,
        "in_flight": channel.in_flight,
        "queued": channel.queued,
        "held": len(channel.held),
        "sent": channel.sent,
        "requests_per_s": round(channel.requests_per_s(now_ns), 3),
        **{how.replace(" ", "_"): number for how, number in channel.counts.items()},
        "late": channel.late,
        "unknown": channel.unknown,
        "refused": channel.refused,
        "busy": channel.busy,
        "notifications": channel.notifications,
        "remote_requests": channel.remote_requests,
        "answers": channel.answers,
        "doorbells": channel.doorbells,
        "overflow": channel.overflow,
        "events_lost": channel.lost,
        "forgotten": channel.forgotten,
        "freed_by": dict(channel.freed),
        "latency": _times(channel.trip, now_ns),
        "stages": {
            "queued": _times(channel.queueing, now_ns),
            "to_tx_done": _times(channel.to_tx, now_ns),
            "awaiting_reply": _times(channel.replying, now_ns),
        },
        "last_sent": _hex(channel.sent_last),
        "last_received": _hex(channel.came_last),
        "not_over": [
            _record(each, now_ns, channel.doubt_ns) for each in channel.stuck(RECORDS_MAX)
        ],
        "over": [_record(each, now_ns) for each in channel.ended(RECORDS_MAX)],
    }


def _times(times: Times, now_ns: int) -> dict[str, int | None]:
    return {name: times.at(share, now_ns) for name, share in SHARES.items()}


def _record(record: Record, now_ns: int, doubt_ns: int | None = None) -> dict[str, object]:
    queued, to_tx, awaiting = record.stages(now_ns)
    stage = record.stage
    return {
        "number": record.number,
        "tag": record.tag,
        "outcome": record.how,
        "stage": stage,
        "waits": what_it_waits_for(record, doubt_ns),
        "in_stage_ns": record.stuck_ns(now_ns) if stage else None,
        "queued_ns": queued,
        "to_tx_done_ns": to_tx,
        "awaiting_reply_ns": awaiting,
        "handed_over": HANDED_OVER[record.handed_over & 3],
        "status": record.status,
        "why": record.why,
        "late": record.late,
        "freed_by": record.freed_by,
        "sent": _hex(record.written),
        "received": _hex(record.reply),
        "bytes": record.length,
    }


def _hex(message: bytes | None) -> str | None:
    return None if message is None else message.hex()
