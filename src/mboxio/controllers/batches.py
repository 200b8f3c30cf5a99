"""Rings behind something slow: what moves is paid for by the batch.

A `RingController` whose rings lie in a `Batched` region keeps one of these, and asks it around each
look. Messages wait until the next look hands them over, together and with one doorbell. A look
reads all indices at once, and then the slots that they announce.

A look believes nothing before it has read the word that tells lives apart, after everything else:
`RingController.same_life`. Messages are handed over on the strength of the last such reading if it
is fresh, else of a new one. In between, a new life may begin; so a reading is fresh for a while
only where nobody serves the rings before both sides have met, and they then begin empty.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio.controllers.rings import Lane
from mboxio.driver.controller import ACCEPTED, Outcome
from mboxio.errors import RemoteError
from mboxio.ring.layout import RingLayout
from mboxio.ring.reference import ReferenceConsumer

if TYPE_CHECKING:
    from mboxio.regions.views.batched import Batched

__all__ = ["Batches"]

FRESH_NS = 10_000_000
FRESH_ACCESSES = 4
"""A life that was proven so long ago, whichever is longer, is the life of now."""
TOGETHER_BYTES = 512
"""Indices that lie so close are read together; a probe's transaction carries as much."""
SLOT_BYTES = 128
"""Slots of more are not read whole before it is known how long their messages are."""


class Batches:
    """What the lanes of one controller share.

    Args:
        region: where their rings lie.
        same_life: reads whether the life is the same, and reports if it is not.
        now_ns: the controller's clock.
        met: nobody serves the rings before both sides have met.
    """

    def __init__(
        self,
        region: "Batched",
        same_life: Callable[[], bool],
        now_ns: Callable[[], int],
        met: bool,
    ) -> None:
        self.region = region
        self.same_life = same_life
        self.now_ns = now_ns
        self.fresh_ns = max(FRESH_NS, int(FRESH_ACCESSES * region.access_s * 1e9)) if met else 0
        self.proven_ns = 0  # when it was read last that the life is the same
        self.accepted: list[tuple[Lane, int]] = []
        self.dropped: set[int] = set()  # handles of messages that never left
        self.looked: set[Lane] = set()  # at the indices that were fetched together
        self.layouts: dict[int, tuple[RingLayout, RingLayout]] = {}  # by the channel's number
        self.span: tuple[int, int] | None = None

    def add(self, number: int, ours: RingLayout, theirs: RingLayout) -> None:
        """Take the rings of one more channel."""
        self.region.publish_last((ours.front, theirs.rear))
        self.region.fill(ours.base, ours.end)
        self.layouts[number] = ours, theirs
        words = [
            word for ours, theirs in self.layouts.values() for word in (ours.rear, theirs.front)
        ]
        begin, end = min(words), max(words) + 4
        self.span = (begin, end - begin) if end - begin <= TOGETHER_BYTES else None

    def accept(self, lane: Lane, handle: int) -> Outcome:
        """A message was written and waits here. Under the lock."""
        self.accepted.append((lane, handle))
        lane.owes = True
        return ACCEPTED

    def prove(self) -> bool:
        """Return whether the life is the same, by a reading of now or a fresh one."""
        return self.now_ns() - self.proven_ns < self.fresh_ns or self.same_life()

    def proven(self) -> None:
        """It was read just now that the life is the same."""
        self.proven_ns = self.now_ns()

    def hand_over(self) -> bool:
        """Make what waits visible to the remote; False: its life is over, and nothing was.

        Raises:
            RemoteGone, RemoteError: the region does not answer.
        """
        if not self.region.waiting:
            return True
        if not self.prove():
            return False  # and what waited was dropped with the life
        accepted, self.accepted = self.accepted, []
        handles: dict[Any, list[int]] = {}
        for lane, handle in accepted:
            handles.setdefault(lane.queue, []).append(handle)
        for queue, each in handles.items():
            queue.take_handed_over(each)  # before the remote can see them
        self.region.flush()
        return True

    def begin(self, lane: Lane) -> bool:
        """Before a look at a lane: hand over what waits, and read what the look needs.

        Returns:
            False: the life is over.
        """
        if not self.hand_over():
            return False
        region = self.region
        if lane in self.looked or not self.looked or self.span is None:
            region.forget()
            self.looked.clear()
            if self.span is not None:
                region.fetch(*self.span)
            else:
                ours, theirs = self.layouts_of(lane)
                begin = min(ours.rear, theirs.front)
                end = max(ours.rear, theirs.front) + 4
                if end - begin <= TOGETHER_BYTES:
                    region.fetch(begin, end - begin)
        self.looked.add(lane)
        consumer = lane.consumer
        assert isinstance(consumer, ReferenceConsumer)
        try:
            pieces = consumer.extents()
        except RemoteError:
            return True  # the look meets it as well, and asks whose indices they are
        slot_bytes = self.layouts_of(lane)[1].slot_bytes
        for offset, size_bytes in pieces:
            if slot_bytes <= SLOT_BYTES:
                region.fetch(offset, size_bytes)
                continue
            for each in range(offset, offset + size_bytes, slot_bytes):
                region.fetch(each, SLOT_BYTES)
        return True

    def layouts_of(self, lane: Lane) -> tuple[RingLayout, RingLayout]:
        """Return those of one lane."""
        number: int = lane.channel.number
        return self.layouts[number]

    def end(self, lane: Lane) -> bool:
        """After a look: give back slots if nothing is in flight, so that nobody may look soon.

        Returns:
            whether that was done.
        """
        if not self.region.waiting:
            return False
        if lane.queue.slots_used or lane.queue.credits_used:
            return False
        if not self.accepted:  # only slots to give back, to the life that was proven by this look
            self.region.flush()
            return True
        return self.hand_over()

    def drop(self) -> None:
        """The life is over: what waits here never left."""
        self.region.drop()
        self.region.forget()
        self.dropped.update(handle for _, handle in self.accepted)
        self.accepted.clear()
        self.looked.clear()
