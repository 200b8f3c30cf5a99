"""A channel as the host sees it: what each event means for its messages."""

from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind, Source
from mboxio.see.timeline.channel import ChannelTimeline
from mboxio.see.timeline.flights import Flight, Flights
from mboxio.see.timeline.flows import Flows
from mboxio.see.timeline.lanes import BacklogTracks
from mboxio.see.timeline.sink import Family, Stage, Tracks
from mboxio.see.timeline.tagged import TaggedRequests
from mboxio.see.timeline.texts import (
    REPLY,
    TX_DONE,
    UNSEEN_REQUEST,
    end_details,
    instant_details,
    message_details,
    outcome_of,
)

__all__ = ["HostTimeline"]

BACKLOG_TRACKS_MAX = 8
"""There are counters for more."""
DONE = OUTCOMES.index("done")
OUTLIVED = frozenset((OUTCOMES.index("timed out"), OUTCOMES.index("cancelled")))
"""The outcomes after which a request that left still holds what the remote may use."""
SLOT_ALONE = 1
"""What was freed, as the status of such an event says it: the tag is still held."""
NOT_HANDED_OVER = HANDED_OVER.index("no")


class HostTimeline(ChannelTimeline):
    """See `mboxio.see.timeline.channel.ChannelTimeline`."""

    def __init__(self, tracks: Tracks, flows: Flows, source: Source, origin: int) -> None:
        super().__init__(tracks, flows, source, origin)
        self.backlog = BacklogTracks(self.lanes(Family.QUEUED, BACKLOG_TRACKS_MAX))
        self.flights = Flights(self.lanes(Family.IN_FLIGHT))
        self.asked = TaggedRequests(self.lanes(Family.ASKED), Stage.ANSWER)
        self.takers = {
            Kind.QUEUED: self.queued,
            Kind.REQUEST: self.sent,
            Kind.MESSAGE: self.sent,
            Kind.LEFT: self.left,
            Kind.BUSY: self.busy,
            Kind.TX_DONE: self.tx_done,
            Kind.REPLY: self.replied,
            Kind.ENDED: self.ended,
            Kind.FREED: self.freed,
            Kind.LINK: self.link,
            Kind.REMOTE_REQUEST: self.asked_by_remote,
            Kind.ANSWER: self.answered,
        }

    def feed(self, event: Event, time_ns: int) -> None:
        """See `ChannelTimeline`."""
        self.takers.get(event.kind, self.note)(event, time_ns)
        self.count(Family.IN_FLIGHT_COUNT, time_ns, len(self.flights.all))
        self.count(Family.BACKLOG_COUNT, time_ns, len(self.backlog.waiting))

    def doubt(self) -> None:
        """See `ChannelTimeline`."""
        self.flights.doubt()

    def close(self, time_ns: int) -> None:
        """See `ChannelTimeline`."""
        self.flights.close(time_ns)
        self.backlog.close(time_ns)
        self.asked.close(time_ns)

    # -- on the way out

    def queued(self, event: Event, time_ns: int) -> None:
        """It waits for a place."""
        if event.number:
            self.backlog.enter(event.number, time_ns, message_details(event))

    def sent(self, event: Event, time_ns: int) -> None:
        """A message is in flight."""
        if not event.number:
            self.note(event, time_ns)
            return
        waited_ns = self.backlog.leave(event.number, time_ns)
        asks = event.kind == Kind.REQUEST
        name = self.source.channel
        flow = self.flows.sent(name, event.tag, event.number) if asks else 0
        self.flights.begin(event, time_ns, flow, waited_ns)

    def left(self, event: Event, time_ns: int) -> None:
        """The driver has handed it over now."""
        flight = self.pending(event)
        if flight is not None and flight.stage == Stage.ACCEPTED:
            self.flights.next_stage(flight, time_ns, Stage.TO_TX_DONE)

    def busy(self, event: Event, time_ns: int) -> None:
        """The driver gave it back: it waits again."""
        flight = self.pending(event)
        if flight is None:
            self.note(event, time_ns)
        else:
            self.flights.over(flight, time_ns, "busy")
        if event.number:
            self.backlog.enter(event.number, time_ns, ())

    def tx_done(self, event: Event, time_ns: int) -> None:
        """It left its slot."""
        flight = self.pending(event)
        if flight is None:
            return  # an answer, or its request was over before
        if event.status:
            self.sink.instant(flight.track, time_ns, "TX failed", instant_details(event))
        if event.ends_request or not flight.expects_reply:
            self.end(flight, event, time_ns)
        elif flight.stage != Stage.AWAITING_REPLY:
            self.flights.next_stage(flight, time_ns, Stage.AWAITING_REPLY)

    # -- how it ends

    def replied(self, event: Event, time_ns: int) -> None:
        """Its reply came; the remote's error does not end it yet."""
        flight = self.pending(event)
        if flight is None:
            self.note(event, time_ns, UNSEEN_REQUEST)
        elif event.ends_request:
            self.end(flight, event, time_ns)
        else:
            flight.is_replied = True
            if event.status:
                self.sink.instant(flight.track, time_ns, "error", instant_details(event))

    def ended(self, event: Event, time_ns: int) -> None:
        """It is over in another way."""
        flight = self.pending(event)
        if flight is not None:
            self.end(flight, event, time_ns)
        else:
            self.backlog.leave(event.number, time_ns, end_details(event))
            self.note(event, time_ns)

    def end(self, flight: Flight, event: Event, time_ns: int) -> None:
        """A request is over; what it holds may outlive it."""
        done = event.outcome == DONE
        how = outcome_of(event) if not done else REPLY if flight.expects_reply else TX_DONE
        holds = event.outcome in OUTLIVED and event.handed_over != NOT_HANDED_OVER
        if holds and not flight.is_replied:
            self.flights.hold(flight, time_ns, how, end_details(event))
        else:
            self.flights.over(flight, time_ns, how, end_details(event))

    def freed(self, event: Event, time_ns: int) -> None:
        """Something of it is held no longer: its slot alone, or everything."""
        flight = self.flights.all.get(event.number)
        if flight is None or not flight.is_held:
            return
        if event.status != SLOT_ALONE or flight.tag is None or not flight.expects_reply:
            self.flights.over(flight, time_ns, "freed", instant_details(event))

    def link(self, event: Event, time_ns: int) -> None:
        """A remote that is gone holds nothing; what it was asked is over when it is back."""
        self.note(event, time_ns)
        if event.outcome:
            self.flights.give_up_all(time_ns)
        else:
            self.flights.release_held(time_ns, "link lost")
            self.flights.doubt()

    def pending(self, event: Event) -> Flight | None:
        """Return the message that an event is about, unless its request is over."""
        flight = self.flights.all.get(event.number)
        return None if flight is None or flight.is_held else flight

    # -- what the remote asks

    def asked_by_remote(self, event: Event, time_ns: int) -> None:
        """The remote asks."""
        flow, _ = self.flows.came(self.source.channel, event.tag, asks=True)
        self.asked.begin(event, time_ns, flow)

    def answered(self, event: Event, time_ns: int) -> None:
        """Our answer left."""
        self.backlog.leave(event.number, time_ns)
        if not self.asked.answer(event, time_ns):
            self.note(event, time_ns, UNSEEN_REQUEST)
