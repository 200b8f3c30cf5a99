"""Requests that have no number: their answer is known by its tag, or by its order."""

from collections import deque

from mboxio.capture.event import Event
from mboxio.see.timeline.lanes import Lanes
from mboxio.see.timeline.sink import Details, Stage, Track
from mboxio.see.timeline.texts import OPEN, SENT, message_details

__all__ = ["TaggedRequests"]

UNANSWERED = "no answer"


class TaggedRequests:
    """Requests at the remote, or of the remote, until they are answered.

    An answer belongs to the latest request with its tag; without tags, to the oldest.

    Args:
        lanes: their tracks.
        stage: that they are in.
        is_ours: it asks, and is not asked: arrows begin and end here, where instants are.
    """

    def __init__(self, lanes: Lanes, stage: Stage, is_ours: bool = False) -> None:
        self.lanes = lanes
        self.sink = lanes.tracks.sink
        self.stage = stage
        self.is_ours = is_ours
        self.begun = 0
        self.open: dict[int, tuple[Track, int | None, int]] = {}  # track, tag, flow
        self.by_tag: dict[int, int] = {}
        self.in_order: deque[int] = deque()

    def begin(self, event: Event, time_ns: int, flow: int, number: int = 0) -> None:
        """A request begins; ``number`` is that of the other side, if it is known."""
        tag = event.tag
        if tag is not None and tag in self.by_tag:
            self.end(self.by_tag[tag], time_ns, UNANSWERED)
        if self.lanes.is_full():
            self.end(next(iter(self.open)), time_ns, UNANSWERED)
        track = self.lanes.take()
        self.begun += 1
        self.open[self.begun] = (track, tag, flow)
        if tag is None:
            self.in_order.append(self.begun)
        else:
            self.by_tag[tag] = self.begun
        name = str(self.stage) if tag is None else f"{self.stage}, tag {tag}"
        if number:
            name = f"#{number} {self.stage}"
        came = 0 if self.is_ours else flow
        self.sink.begin(track, time_ns, name, self.stage, message_details(event), came)
        if flow and self.is_ours:
            self.sink.instant(track, time_ns, SENT, (), flow)

    def answer(self, event: Event, time_ns: int) -> bool:
        """An answer; returns whether its request was seen."""
        if event.tag is not None:
            number = self.by_tag.get(event.tag)
        else:
            number = self.in_order[0] if self.in_order else None
        if number is None:
            return False
        self.end(number, time_ns, "answer", event)
        return True

    def end(self, number: int, time_ns: int, how: str, event: Event | None = None) -> None:
        """A request is over."""
        track, tag, flow = self.open.pop(number)
        if tag is None:
            self.in_order.remove(number)
        else:
            del self.by_tag[tag]
        details: Details = (("outcome", how),)
        if event is not None:
            length, shown = message_details(event)
            details = (("answer bytes", length[1]), ("answer", shown[1]), ("status", event.status))
        if (flow and self.is_ours) or event is None:
            self.sink.instant(track, time_ns, how, (), flow if self.is_ours else 0)
        self.sink.end(track, time_ns, details)
        self.lanes.give_back(track)

    def close(self, time_ns: int) -> None:
        """The capture is over."""
        for number in list(self.open):
            self.end(number, time_ns, OPEN)
