"""The life of one message, as its events tell it: its stages, and how it ended."""

from mboxio._base.texts import remote_text
from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind

__all__ = ["DONE", "KEPT_BYTES", "Record", "what_it_waits_for"]

DONE = OUTCOMES.index("done")
KEPT_BYTES = 64
"""Of each message, at most."""
ACCEPTED = HANDED_OVER.index("accepted")

WAITS = {
    "queued": "waits for a place in the hardware's queue",
    "accepted": "the driver has it and has not handed it over yet",
    "to TX done": "handed over; no TX done and no reply yet",
    "awaiting reply": "the remote has it and has not answered",
    "held": "over for its caller, but the remote may still answer or touch its memory",
}


class Record:
    """One message: what it is, when its stages began, and how it ended.

    Args:
        event: the first that was seen of it.
    """

    __slots__ = (
        "accepted",
        "busy",
        "ended_ns",
        "expects_reply",
        "freed_by",
        "handed_over",
        "held",
        "how",
        "kind",
        "late",
        "length",
        "number",
        "queued_ns",
        "reply",
        "sent_ns",
        "status",
        "tag",
        "tx_ns",
        "tx_status",
        "why",
        "written",
    )

    def __init__(self, event: Event) -> None:
        self.number = event.number
        self.tag = event.tag
        self.kind = event.kind
        self.expects_reply = event.expects_reply
        self.written: bytes | None = None
        self.reply: bytes | None = None
        self.length = 0
        self.queued_ns: int | None = None
        self.sent_ns: int | None = None
        self.tx_ns: int | None = None
        self.ended_ns: int | None = None
        self.accepted = False
        self.handed_over = 0
        self.busy = 0
        self.status = 0
        self.tx_status = 0
        self.how = ""
        """The outcome; empty while it lives."""
        self.why = ""
        self.held = False
        self.freed_by = ""
        self.late = False

    # -- what happens to it

    def queue(self, event: Event) -> None:
        """It waits for its place."""
        self.queued_ns = event.time_ns

    def send(self, event: Event) -> None:
        """It left, or its driver has accepted it."""
        self.sent_ns = event.time_ns
        self.kind, self.tag = event.kind, event.tag
        self.expects_reply = event.expects_reply
        self.handed_over = event.handed_over
        self.accepted = event.handed_over == ACCEPTED
        self.written, self.length = event.message[:KEPT_BYTES], event.length

    def leave(self, event: Event) -> None:
        """What was accepted before left now."""
        if self.queued_ns is None:
            self.queued_ns = self.sent_ns
        self.sent_ns, self.accepted = event.time_ns, False
        self.handed_over = HANDED_OVER.index("yes")

    def take_back(self, event: Event) -> None:
        """The hardware had no room: it waits again."""
        if self.queued_ns is None:
            self.queued_ns = event.time_ns if self.sent_ns is None else self.sent_ns
        self.sent_ns, self.accepted = None, False
        self.busy += 1

    def tx_done(self, event: Event) -> None:
        """It left its slot."""
        self.tx_ns, self.tx_status = event.time_ns, event.status

    def answer(self, event: Event) -> None:
        """Its reply came, in time or late."""
        self.reply, self.status = event.message[:KEPT_BYTES], event.status

    def end(self, event: Event, how: str) -> None:
        """It is over for its caller."""
        self.ended_ns, self.how = event.time_ns, how
        if event.kind in (Kind.ENDED, Kind.REFUSED):
            self.handed_over = event.handed_over
            self.why = remote_text(event.message)
            self.status = self.status or event.status
        left_unproven = self.handed_over and self.reply is None and not self.tx_status
        self.held = bool(
            event.kind is Kind.ENDED
            and left_unproven
            and not self.freed_by
            and (self.expects_reply or self.tx_ns is None)
        )

    def free(self, proof: str) -> bool:
        """Something that it held was freed; returns whether it holds nothing any more."""
        self.freed_by = proof
        # TX done says nothing of the reply, for which the tag and the credit are kept.
        if proof == "tx_done" and self.expects_reply and not self.tx_status:
            return False
        self.held = False
        return True

    # -- what is to be told of it

    @property
    def in_slot(self) -> bool:
        """Whether it is in a slot of the hardware, as far as that is known."""
        on_the_way = self.sent_ns is not None and self.tx_ns is None and self.reply is None
        return on_the_way and (self.ended_ns is None or self.held)

    @property
    def stage(self) -> str:
        """The stage that it is in, a key of `WAITS`; empty: it is over and holds nothing."""
        if self.ended_ns is not None:
            return "held" if self.held else ""
        if self.sent_ns is None:
            return "queued"
        if self.accepted:
            return "accepted"
        return "to TX done" if self.tx_ns is None else "awaiting reply"

    @property
    def born_ns(self) -> int:
        """When it was first seen."""
        for each in (self.queued_ns, self.sent_ns, self.tx_ns, self.ended_ns):
            if each is not None:
                return each
        return 0

    def stages(self, now_ns: int) -> tuple[int | None, int | None, int | None]:
        """Return how long it was queued, on the way to TX done, and awaiting its reply.

        In nanoseconds; None: it was never in that stage, or nobody saw. The last stage of one that
        lives goes up to ``now_ns``.
        """
        end_ns = now_ns if self.ended_ns is None else self.ended_ns
        sent_ns = None if self.accepted else self.sent_ns
        queued = tx = reply = None
        if self.queued_ns is not None or self.accepted:
            since = self.queued_ns if self.queued_ns is not None else self.sent_ns
            queued = _between(since, end_ns if sent_ns is None else sent_ns)
        if sent_ns is not None:
            tx = _between(sent_ns, end_ns if self.tx_ns is None else self.tx_ns)
        if self.tx_ns is not None and self.expects_reply:
            reply = _between(self.tx_ns, end_ns)
        return queued, tx, reply

    def stuck_ns(self, now_ns: int) -> int:
        """Return for how long it is in its stage, in nanoseconds."""
        if self.ended_ns is not None:
            return _between(self.ended_ns, now_ns) or 0
        since = self.tx_ns if self.tx_ns is not None else self.sent_ns
        return _between(self.born_ns if since is None else since, now_ns) or 0


def _between(since_ns: int | None, until_ns: int) -> int | None:
    return None if since_ns is None else max(until_ns - since_ns, 0)


def what_it_waits_for(record: Record, doubt_ns: int | None = None) -> str:
    """Return in words why a message is not over, or what it still holds.

    Args:
        record: the message.
        doubt_ns: when events were last lost.
    """
    if not record.stage:
        return ""
    text = WAITS[record.stage]
    if record.stage == "queued" and record.busy:
        text += f"; the hardware had no room {record.busy} times"
    if doubt_ns is not None and record.born_ns <= doubt_ns:
        text += "; events were lost since then, so this may be wrong"
    return text
