"""What each kind of event changes in what is known of its channel."""

from collections.abc import Callable

from mboxio._base.texts import remote_text
from mboxio.capture.event import OUTCOMES, Event, Kind
from mboxio.see.monitor.channel import OPEN_MAX, RECENT_MAX, ChannelState, epoch_of
from mboxio.see.monitor.record import DONE, KEPT_BYTES, Record

__all__ = ["Tell", "take"]

PROOFS_MAX = 16

Tell = Callable[[str, str], None]
"""Takes what happened that people want to know of, in a word or two, and why."""


def take(channel: ChannelState, event: Event, tell: Tell) -> None:
    """Note an event of this channel."""
    channel.source = event.source
    if event.lost:
        channel.lost += event.lost
        tell("events lost", f"{event.lost} events are not in the capture")
    act = _ACTS.get(event.kind)
    if act is not None:  # else of a later version
        act(channel, event, tell)


def _key(channel: ChannelState, event: Event) -> int:
    """Return what a message is known by until it is over."""
    if event.number:
        return event.number
    return -1 - (event.tag or 0)


def _born(channel: ChannelState, event: Event) -> Record:
    """Return the record of a message, which is made if this is the first that is seen of it."""
    key = _key(channel, event)
    found = channel.open.get(key)
    if found is None:
        while len(channel.open) >= OPEN_MAX:
            channel.forgotten += 1
            del channel.open[next(iter(channel.open))]
        channel.held.pop(key, None)  # its number is used again, which only a broken capture does
        channel.recent.pop(key, None)
        found = channel.open[key] = Record(event)
    return found


def _queued(channel: ChannelState, event: Event, tell: Tell) -> None:
    if event.number:
        _born(channel, event).queue(event)


def _left_now(channel: ChannelState, event: Event, tell: Tell) -> None:
    """A request, a message or an answer left; at the remote it came."""
    if event.kind is Kind.ANSWER:
        channel.answers += 1
    else:
        channel.sent += 1
        channel.rate.add(event.time_ns)
    _moved(channel, event, out=True)
    if not event.number:
        if event.kind is not Kind.REQUEST:
            return  # no event ends it
        channel.open.pop(_key(channel, event), None)  # its tag is used again: nobody answered
    record = _born(channel, event)
    record.send(event)
    if not event.number:
        record.tx_ns = event.time_ns  # at the remote it has left its slot when it came
    queued, _, _ = record.stages(event.time_ns)
    if queued is not None and not record.accepted:
        channel.queueing.add(queued, event.time_ns)


def _left_later(channel: ChannelState, event: Event, tell: Tell) -> None:
    record = _found(channel, event)
    if record is not None:
        record.leave(event)


def _busy(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.busy += 1
    if event.number:
        (_found(channel, event) or _born(channel, event)).take_back(event)


def _tx_done(channel: ChannelState, event: Event, tell: Tell) -> None:
    record = _found(channel, event)
    if record is not None and record.reply is None:  # a reply implies it, and may come first
        record.tx_done(event)
        if record.sent_ns is not None:
            channel.to_tx.add(event.time_ns - record.sent_ns, event.time_ns)
    if event.ends_request:
        _over(channel, event, tell)


def _replied(channel: ChannelState, event: Event, tell: Tell) -> None:
    _moved(channel, event, out=False)
    record = channel.open.get(_key(channel, event))
    if record is not None:
        record.answer(event)
        if record.sent_ns is not None:
            channel.trip.add(event.time_ns - record.sent_ns, event.time_ns)
        if record.tx_ns is not None:
            channel.replying.add(event.time_ns - record.tx_ns, event.time_ns)
    # An error of the remote ends it by an event of its own; at the remote there is none.
    if event.ends_request or not event.number:
        _over(channel, event, tell)


def _ended(channel: ChannelState, event: Event, tell: Tell) -> None:
    if event.outcome >= DONE:
        _over(channel, event, tell)


def _over(channel: ChannelState, event: Event, tell: Tell) -> None:
    """A message is over, once."""
    key = _key(channel, event)
    if event.number and (key in channel.recent or key in channel.held):
        return  # it was over before: of what it held is spoken
    if not event.number:
        how = "failed" if event.status else "done"
    else:  # an outcome of a later version is none that is meant to be
        how = OUTCOMES[event.outcome] if event.outcome < len(OUTCOMES) else "failed"
    record = channel.open.pop(key, None)
    if record is None or record.kind is not Kind.ANSWER or how != "done":
        channel.counts[how] += 1
    if record is None:  # the capture began in the middle of its life
        record = Record(event)
        if event.kind is Kind.REPLY:
            record.answer(event)
    record.end(event, how)
    if record.held:
        _hold(channel, key, record)
    _remember(channel, key, record)
    if how in ("failed", "timed out"):
        what = f"#{event.number} " if event.number else ""
        tell(how, f"{what}{record.why or f'status {event.status}'}")


def _hold(channel: ChannelState, key: int, record: Record) -> None:
    while len(channel.held) >= OPEN_MAX:
        channel.forgotten += 1
        del channel.held[next(iter(channel.held))]
    channel.held[key] = record


def _remember(channel: ChannelState, key: int, record: Record) -> None:
    if key < 0:  # tags come again; numbers of this kind do not
        channel.came_unseen += 1
        key = -(1 << 40) - channel.came_unseen
    channel.recent[key] = record
    if len(channel.recent) > RECENT_MAX:
        del channel.recent[next(iter(channel.recent))]


def _refused(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.refused += 1
    key = _key(channel, event)
    if event.number:
        record = channel.open.pop(key, None) or Record(event)
        record.end(event, "refused")
        _remember(channel, key, record)
    tell("refused", remote_text(event.message))


def _late(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.late += 1
    _moved(channel, event, out=False)
    record = _found(channel, event)
    if record is not None:
        record.late = True
        record.answer(event)
    tell("late reply", f"#{event.number}" if event.number else "for a request that is over")


def _unknown(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.unknown += 1
    _moved(channel, event, out=False)
    tag = "" if event.tag is None else f", tag {event.tag}"
    tell("unknown reply", f"it answers nothing that is known{tag}")


def _freed(channel: ChannelState, event: Event, tell: Tell) -> None:
    proof = remote_text(event.message) or "?"
    if proof not in channel.freed and len(channel.freed) >= PROOFS_MAX:
        proof = "others"
    channel.freed[proof] = channel.freed.get(proof, 0) + 1
    record = _found(channel, event)
    if record is not None and record.free(proof):
        channel.held.pop(_key(channel, event), None)
        tell("freed", f"#{event.number} by {proof}")


def _found(channel: ChannelState, event: Event) -> Record | None:
    """Return the record of a message that lives, is held, or was over lately."""
    key = _key(channel, event)
    return channel.open.get(key) or channel.held.get(key) or channel.recent.get(key)


def _linked(channel: ChannelState, event: Event, tell: Tell) -> None:
    up = event.outcome == 1
    epoch = event.status if up else None
    if not up or (channel.epoch is not None and epoch != channel.epoch) or channel.link == "lost":
        for record in channel.held.values():  # the remote that could touch it is dead
            record.free("epoch")
        channel.held.clear()
        channel.out_of_step, channel.stopped = False, ""
    was = channel.link, channel.epoch
    channel.link_why = "" if up else remote_text(event.message)
    channel.link = "up" if up else "lost"
    if up:
        channel.epoch = epoch
    if was != (channel.link, channel.epoch):
        tell(
            "link up" if up else "link lost",
            f"epoch {epoch_of(event.status)}" if up else channel.link_why,
        )


def _stopped(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.stopped = remote_text(event.message) or "no reason given"
    tell("stopped", channel.stopped)


def _out_of_step(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.out_of_step = True
    tell("out of step", "a reply was lost, and no later one can be tied to a request")


def _overflowed(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.overflow = max(channel.overflow, event.status)
    tell("overflow", f"{event.status} messages thrown away: a subscriber reads too slowly")


def _notified(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.notifications += 1
    _moved(channel, event, out=False)


def _asked(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.remote_requests += 1
    _moved(channel, event, out=False)


def _rang(channel: ChannelState, event: Event, tell: Tell) -> None:
    channel.doorbells += 1


def _moved(channel: ChannelState, event: Event, out: bool) -> None:
    """Keep the last message of each way.

    Args:
        channel: of the message.
        event: its.
        out: it goes from the host to the remote, so for the remote it comes.
    """
    message = event.message[:KEPT_BYTES]
    if out == (channel.source.side != "remote"):
        channel.sent_before, channel.sent_last = channel.sent_last, message
    else:
        channel.came_before, channel.came_last = channel.came_last, message


_ACTS: dict[int, Callable[[ChannelState, Event, Tell], None]] = {
    Kind.REQUEST: _left_now,
    Kind.MESSAGE: _left_now,
    Kind.ANSWER: _left_now,
    Kind.REPLY: _replied,
    Kind.REMOTE_REQUEST: _asked,
    Kind.NOTIFICATION: _notified,
    Kind.QUEUED: _queued,
    Kind.TX_DONE: _tx_done,
    Kind.ENDED: _ended,
    Kind.LINK: _linked,
    Kind.LATE: _late,
    Kind.UNKNOWN: _unknown,
    Kind.REFUSED: _refused,
    Kind.BUSY: _busy,
    Kind.FREED: _freed,
    Kind.LEFT: _left_later,
    Kind.STOPPED: _stopped,
    Kind.OUT_OF_STEP: _out_of_step,
    Kind.DOORBELL: _rang,
    Kind.OVERFLOW: _overflowed,
}
