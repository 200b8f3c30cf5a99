"""From the events of a capture to conversations: each message, and what became of it."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind, Source
from mboxio.driver.correlate import Correlator
from mboxio.see.replay.wire import correlator_of, has_tag

__all__ = ["Conversation", "Exchange", "conversations"]

ACCEPTED = HANDED_OVER.index("accepted")
DONE = OUTCOMES.index("done")
UNKNOWN = "unknown"
"""How an exchange ended of which the capture does not hold the end."""
NO_NUMBER = -1


@dataclass(slots=True)
class Exchange:
    """A message and what became of it; or the loss of the remote.

    Args:
        kind: `Kind.REQUEST`, ``MESSAGE``, ``NOTIFICATION``, ``REMOTE_REQUEST``, or ``LINK``: the
            remote was lost.
        at_ns: when it left or came.
        message: the bytes on the wire; of a loss, the reason.
        is_cut: whether a limit cut the message, or the reply.
        end: one of `OUTCOMES` from "done" on, or "unknown".
        end_ns: when; as ``at_ns`` while it is unknown.
        reply: on the wire; of an error of the remote, its text. None: none came in time.
        status: of the reply; 0 is no error.
        why: how it ended otherwise, as text.
        late: a reply that came after the end.
        late_ns: when.
        left: whether the message got to the wire.
        tag: on the wire, when it left first.
    """

    kind: Kind
    at_ns: int
    message: bytes
    is_cut: bool = False
    end: str = UNKNOWN
    end_ns: int = 0
    reply: bytes | None = None
    status: int = 0
    why: str = ""
    late: bytes | None = None
    late_ns: int = 0
    left: bool = True
    tag: int | None = None

    @property
    def is_sent(self) -> bool:
        """Whether the host sent it of its own accord."""
        return self.kind in (Kind.REQUEST, Kind.MESSAGE)

    @property
    def took_ns(self) -> int:
        """How long it took to its end, in nanoseconds."""
        return max(self.end_ns - self.at_ns, 0)


@dataclass(slots=True)
class Conversation:
    """What was said on one channel, as one side saw it.

    Args:
        source: the channel.
        exchanges: in the order of their times.
        lost: how many events the recorder lost.
        strays: replies to messages that the capture does not hold.
        unsent: messages that never left: cancelled, timed out or refused before.
    """

    source: Source
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    lost: int = 0
    strays: int = 0
    unsent: int = 0

    @property
    def sent(self) -> list[Exchange]:
        """What the host sent of its own accord."""
        return [each for each in self.exchanges if each.is_sent]


def conversations(events: Iterable[Event]) -> list[Conversation]:
    """Return the conversation of each source, in the order in which they began.

    Whatever the events say and in whatever order, this raises nothing but what iterating raises.
    """
    found: dict[Source, Builder] = {}
    for event in events:
        builder = found.get(event.source)
        if builder is None:
            builder = found[event.source] = Builder(event.source)
        builder.take(event)
    return [builder.made() for builder in found.values()]


Step = Callable[["Builder", Event], object]
"""What an event changes."""


class Builder:
    """Makes the conversation of one source.

    Args:
        source: where its events were seen.
    """

    def __init__(self, source: Source) -> None:
        self.made_of = Conversation(source)
        self.far = source.side == "remote"
        self.correlator: Correlator = correlator_of(source.address)
        self.open: dict[tuple[int, int | None], deque[Exchange]] = {}
        self.by_tag: dict[int, Exchange] = {}
        self.asked: dict[int | None, deque[Exchange]] = {}
        self.link_lost: Exchange | None = None

    def take(self, event: Event) -> None:
        """Take note of the next event."""
        self.made_of.lost += max(event.lost, 0)
        step = STEPS.get(event.kind)
        if event.kind is not Kind.LINK:
            self.link_lost = None
        if self.far and event.kind in (Kind.MESSAGE, Kind.NOTIFICATION):
            step = self.seen_far(event)
        if step is not None:
            step(self, event)

    def made(self) -> Conversation:
        """Return the conversation of all events so far."""
        made = self.made_of
        gone = [each for each in made.exchanges if not each.left]
        made.unsent += len(gone)
        kept = [each for each in made.exchanges if each.left and each is not self.link_lost]
        made.exchanges = sorted(kept, key=lambda each: each.at_ns)
        return made

    # -- one for each kind of event

    def seen_far(self, event: Event) -> "Step":
        """Return what a message is at the remote: some wires do not say if a reply is awaited."""
        tagged = has_tag(event.message, self.correlator)
        if event.kind is Kind.MESSAGE:
            return Builder.request if tagged else Builder.message
        return Builder.reply if tagged else Builder.notification

    def request(self, event: Event) -> None:
        """A request left; also one that the driver took back before."""
        left = event.handed_over != ACCEPTED
        found = self.find(event) if event.number else None
        if found is not None and not found.left:
            found.at_ns, found.message, found.is_cut = event.time_ns, event.message, event.is_cut
            found.left = left
            return
        self.add(event, Kind.REQUEST, left)

    def message(self, event: Event) -> None:
        """A one-way message left."""
        found = self.find(event) if event.number else None
        if found is not None and not found.left:
            found.at_ns, found.left = event.time_ns, event.handed_over != ACCEPTED
            return
        made = self.add(event, Kind.MESSAGE, event.handed_over != ACCEPTED)
        if self.far:
            made.end = OUTCOMES[DONE]

    def add(self, event: Event, kind: Kind, left: bool) -> Exchange:
        """Begin an exchange."""
        made = Exchange(kind, event.time_ns, event.message, event.is_cut, end_ns=event.time_ns)
        made.left, made.tag = left, event.tag
        self.made_of.exchanges.append(made)
        self.open.setdefault(self.key(event), deque()).append(made)
        if event.tag is not None:
            self.by_tag[event.tag] = made
        return made

    def key(self, event: Event) -> tuple[int, int | None]:
        """Return what the events of one message have in common."""
        tag = event.tag
        if self.far and self.correlator.ties:
            tag = self.correlator.classify(event.message).tag
        return (event.number, None) if event.number else (NO_NUMBER, tag)

    def find(self, event: Event) -> Exchange | None:
        """Return the exchange that an event is about; the latest with its tag."""
        key = self.key(event)
        there = self.open.get(key)
        if not there:
            return None if event.number or event.tag is None else self.by_tag.get(event.tag)
        if key == (NO_NUMBER, None):
            return there[0]  # without numbers and tags, replies come in order
        # Programs that were recorded at once may have used a number each; tags differ, mostly.
        same = (each for each in reversed(there) if each.tag == event.tag)
        return there[-1] if len(there) == 1 else next(same, there[-1])

    def reply(self, event: Event) -> None:
        """A reply came, perhaps an error."""
        found = self.find(event)
        if found is None or found.reply is not None:
            self.made_of.strays += 1
            return
        found.left = True  # the reply proves it
        found.reply, found.status = event.message, event.status
        found.is_cut = found.is_cut or event.is_cut
        found.end = OUTCOMES[DONE if not event.status else DONE + 1]
        found.end_ns = event.time_ns
        if not event.number and found in (there := self.open.get(self.key(event), deque())):
            there.remove(found)

    def tx_done(self, event: Event) -> None:
        """A message left its slot, or never reached the remote."""
        found = self.find(event) if event.number else None
        if found is None:
            return
        found.left = not event.status
        if found.kind is Kind.MESSAGE and not event.status:
            found.end, found.end_ns = OUTCOMES[DONE], event.time_ns

    def ended(self, event: Event) -> None:
        """A request ended otherwise than by its reply."""
        found = self.find(event) if event.number else None
        if found is None:
            self.made_of.unsent += HANDED_OVER[event.handed_over & 3] == "no"
            return
        found.left = found.left or HANDED_OVER[event.handed_over & 3] == "yes"
        found.why = event.message.decode(errors="replace")
        if found.reply is None and DONE <= event.outcome < len(OUTCOMES):
            found.end, found.end_ns = OUTCOMES[event.outcome], event.time_ns

    def busy(self, event: Event) -> None:
        """The driver took a message back."""
        if event.number and (found := self.find(event)) is not None:
            found.left = False

    def departed(self, event: Event) -> None:
        """A message that was accepted before was handed over."""
        if event.number and (found := self.find(event)) is not None:
            found.left, found.at_ns = True, event.time_ns

    def late(self, event: Event) -> None:
        """A reply came after the end."""
        found = self.find(event)
        if found is not None and found.reply is None and found.late is None:
            found.late, found.late_ns = event.message, event.time_ns
            found.is_cut = found.is_cut or event.is_cut

    def refused(self, event: Event) -> None:
        """A message was not accepted."""
        self.made_of.unsent += 1

    def notification(self, event: Event) -> None:
        """The remote said something."""
        self.made_of.exchanges.append(
            Exchange(Kind.NOTIFICATION, event.time_ns, event.message, event.is_cut)
        )

    def question(self, event: Event) -> None:
        """The remote asks."""
        made = Exchange(Kind.REMOTE_REQUEST, event.time_ns, event.message, event.is_cut)
        made.end_ns = event.time_ns
        self.made_of.exchanges.append(made)
        self.asked.setdefault(event.tag, deque()).append(made)

    def answer(self, event: Event) -> None:
        """The host answers."""
        there = self.asked.get(event.tag)
        if not there:
            self.made_of.strays += 1
            return
        found = there.popleft()
        found.reply, found.status, found.end_ns = event.message, event.status, event.time_ns
        found.end = OUTCOMES[DONE if not event.status else DONE + 1]
        found.is_cut = found.is_cut or event.is_cut

    def link(self, event: Event) -> None:
        """The remote is there, or lost; a loss that nothing follows is the end of the recording."""
        if event.outcome:
            self.link_lost = None
            return
        self.link_lost = Exchange(Kind.LINK, event.time_ns, event.message)
        self.made_of.exchanges.append(self.link_lost)


STEPS: dict[Kind, "Step"] = {
    Kind.REQUEST: Builder.request,
    Kind.MESSAGE: Builder.message,
    Kind.REPLY: Builder.reply,
    Kind.ANSWER: Builder.answer,
    Kind.REMOTE_REQUEST: Builder.question,
    Kind.NOTIFICATION: Builder.notification,
    Kind.TX_DONE: Builder.tx_done,
    Kind.ENDED: Builder.ended,
    Kind.LINK: Builder.link,
    Kind.LATE: Builder.late,
    Kind.REFUSED: Builder.refused,
    Kind.BUSY: Builder.busy,
    Kind.LEFT: Builder.departed,
}
