"""Messages in flight: each has a track until nothing of it is held any more."""

from collections import deque

from mboxio.capture.event import HANDED_OVER, Event, Kind
from mboxio.see.timeline.lanes import Lanes
from mboxio.see.timeline.sink import Details, Stage, Track
from mboxio.see.timeline.texts import OPEN, QUEUED_NS, REPLY, SENT, TX_DONE, UNSEEN, message_details

__all__ = ["Flight", "Flights"]

DOUBT_MESSAGES = 1000
"""What was open when events were lost, and still is after that many messages, is given up."""
ACCEPTED = HANDED_OVER.index("accepted")


class Flight:
    """A message in flight, or what an ended request still holds."""

    __slots__ = (
        *("expects_reply", "flow", "is_doubted", "is_held", "is_replied"),
        *("number", "stage", "tag", "track"),
    )

    def __init__(self, event: Event, track: Track, flow: int) -> None:
        self.number = event.number
        self.tag = event.tag
        self.expects_reply = event.kind == Kind.REQUEST
        self.track = track
        self.flow = flow
        self.stage = Stage.ACCEPTED if event.handed_over == ACCEPTED else Stage.TO_TX_DONE
        self.is_doubted = False  # events were lost while it was open
        self.is_replied = False  # by an error, which does not end it yet
        self.is_held = False  # its request is over


class Flights:
    """The messages in flight on a channel, by number.

    Args:
        lanes: their tracks.
    """

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.sink = lanes.tracks.sink
        self.all: dict[int, Flight] = {}
        self.by_tag: dict[int, Flight] = {}
        self.begun = 0
        self.doubted: deque[tuple[int, Flight]] = deque()  # and how many had begun until then

    def begin(self, event: Event, time_ns: int, flow: int, waited_ns: int) -> None:
        """A message is in flight.

        Args:
            event: its request, with a number.
            time_ns: when.
            flow: see `Sink`.
            waited_ns: how long it was queued before.
        """
        self.make_room(event, time_ns)
        flight = Flight(event, self.lanes.take(), flow)
        self.all[event.number] = flight
        details = message_details(event)
        if event.tag is not None:
            details.append(("tag", event.tag))
            if flight.expects_reply:
                self.by_tag[event.tag] = flight
        if waited_ns:
            details.append((QUEUED_NS, waited_ns))
        self.sink.begin(flight.track, time_ns, f"#{event.number}", None, details)
        self.sink.begin(flight.track, time_ns, flight.stage, flight.stage)
        if flow:  # viewers draw an arrow from the end of a slice, which is too late here
            self.sink.instant(flight.track, time_ns, SENT, (), flow)

    def make_room(self, event: Event, time_ns: int) -> None:
        """What has the number or the tag of a new message, or was doubted for long, is over."""
        same = self.all.get(event.number)
        if same is not None:
            self.over(same, time_ns, UNSEEN)
        if event.kind == Kind.REQUEST and event.tag is not None:
            same = self.by_tag.get(event.tag)
            if same is not None:
                self.over(same, time_ns, UNSEEN)
        self.begun += 1
        while self.doubted and self.doubted[0][0] + DOUBT_MESSAGES <= self.begun:
            self.give_up(time_ns)
        if self.lanes.is_full():
            self.over(next(iter(self.all.values())), time_ns, UNSEEN)

    def next_stage(self, flight: Flight, time_ns: int, stage: Stage) -> None:
        """One stage ends where the next begins."""
        self.sink.end(flight.track, time_ns)
        self.sink.begin(flight.track, time_ns, stage, stage)
        flight.stage = stage

    # -- ends

    def finish(self, flight: Flight, time_ns: int, how: str, details: Details) -> None:
        """The request is over; an instant says how, unless it is the usual end."""
        if flight.flow or how not in (REPLY, TX_DONE):
            self.sink.instant(flight.track, time_ns, how, (), flight.flow)
        self.sink.end(flight.track, time_ns)
        self.sink.end(flight.track, time_ns, details)

    def hold(self, flight: Flight, time_ns: int, how: str, details: Details) -> None:
        """The request is over, and the remote may still use what it holds."""
        self.finish(flight, time_ns, how, details)
        self.sink.begin(flight.track, time_ns, f"#{flight.number} held", Stage.HELD)
        flight.is_held = True

    def over(self, flight: Flight, time_ns: int, how: str, details: Details = ()) -> None:
        """Nothing is held any more: the track is free for the next."""
        details = details or (("outcome", how),)
        if flight.is_held:
            self.sink.end(flight.track, time_ns, details)
        else:
            self.finish(flight, time_ns, how, details)
        del self.all[flight.number]
        if flight.tag is not None and self.by_tag.get(flight.tag) is flight:
            del self.by_tag[flight.tag]
        self.lanes.give_back(flight.track)

    def release_held(self, time_ns: int, how: str) -> None:
        """What ended requests held is free."""
        for flight in list(self.all.values()):
            if flight.is_held:
                self.over(flight, time_ns, how)

    def close(self, time_ns: int) -> None:
        """The capture is over."""
        for flight in list(self.all.values()):
            self.over(flight, time_ns, OPEN)

    # -- events that were lost

    def doubt(self) -> None:
        """The end of whatever is open may not have been seen."""
        for flight in self.all.values():
            if not flight.is_doubted:
                flight.is_doubted = True
                self.doubted.append((self.begun, flight))

    def give_up(self, time_ns: int) -> None:
        """What is doubted for longest has ended, if it is still open."""
        _, flight = self.doubted.popleft()
        if self.all.get(flight.number) is flight:
            self.over(flight, time_ns, UNSEEN)

    def give_up_all(self, time_ns: int) -> None:
        """Whatever may have ended unseen has to have ended by now."""
        while self.doubted:
            self.give_up(time_ns)
