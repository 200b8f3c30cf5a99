"""Every ring passes every check, and every check fails for the ring that breaks its rule."""

from typing import Any

import pytest

from mboxio.errors import MessageTooLong, RemoteError
from mboxio.ring.contract import ERROR, MESSAGE
from mboxio.ring.layout import RingLayout
from mboxio.ring.reference import ReferenceConsumer, ReferenceProducer
from mboxio.testing.ring import CHECKS, RingUnderTest, check_ring

from .support import BASE, FRONT, REAR, Case, each_case, normal


@each_case
@pytest.mark.parametrize("name", CHECKS)
def test_ring(case: Case, name: str) -> None:
    CHECKS[name](case.ring())


@each_case
def test_smallest_slots(case: Case) -> None:
    check_ring(lambda: case.ring(slots=5, slot_bytes=16))


class TakesTooMany(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        try:
            return super().push(kind, tag, message)
        finally:
            # Sees every slot as free, so front runs into rear.
            self._seen = self._mine


class TakesTooFew(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        return self.free() > 1 and super().push(kind, tag, message)


class CutsLongMessages(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        try:
            return super().push(kind, tag, message)
        except MessageTooLong:
            return super().push(kind, tag, message[: self.message_bytes])


class DropsEmptyMessages(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        return message == b"" or super().push(kind, tag, message)


class TakesAnyKind(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        return super().push(min(max(kind, 1), ERROR), tag, message)


class ForgetsTheKind(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        return super().push(MESSAGE, tag, message)


class WritesBeyondItsSlot(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        pushed = super().push(kind, tag, message)
        layout = self._slots.layout
        self._slots.store(layout.base + self._mine * layout.slot_bytes, 0)
        return pushed


class BelievesAnyRear(ReferenceProducer):
    def _see_rear(self) -> None:
        rear = self._slots.load(REAR) % self.slots
        self._consumed += self._slots.steps(self._seen, rear)
        self._seen = rear


class BelievesRearWhenFull(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        return self._slots.next(self._mine) != self._seen and super().push(kind, tag, message)


class ForgetsThatItIsBroken(ReferenceProducer):
    def _break(self, lie: int, value: int) -> None:
        raise self.lied(lie, value)


class ForgetsWhatPushLearned(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        before = self._consumed
        pushed = super().push(kind, tag, message)
        self._consumed = before
        return pushed


class ReadsItsFrontBack(ReferenceProducer):
    def push(self, kind: int, tag: int, message: Any) -> bool:
        self._mine = self._slots.load(FRONT)
        return super().push(kind, tag, message)


class NeverRings(ReferenceProducer):
    def doorbell_needed(self) -> bool:
        return False


class StartsFull(ReferenceConsumer):
    def pending(self) -> int:
        return super().pending() or 1


class SwapsMessages(ReferenceConsumer):
    def pop(self) -> tuple[int, int, bytes] | None:
        first, second = super().pop(), super().pop()
        return second or first


class StopsAtTheEnd(ReferenceConsumer):
    def peek(self) -> bool:
        return self._mine < self.slots - 1 and super().peek()


class OverreadsTheBuffer(ReferenceConsumer):
    def copy_into(self, buffer: Any) -> int:
        buffer[:] = self.payload().ljust(len(buffer), b"\0")[: len(buffer)]
        return self.length


class ReleasesTooEarly(ReferenceConsumer):
    def advance(self) -> None:
        super().advance()
        self.release()


class IgnoresTheLimit(ReferenceConsumer):
    def pop_batch(self, limit: int) -> list[tuple[int, int, bytes]]:
        return super().pop_batch(self.slots)


class ReadsItsRearBack(ReferenceConsumer):
    def peek(self) -> bool:
        if self._mine == self._published:
            self._mine = self._published = self._slots.load(REAR)
        return super().peek()


class WrapsTheFront(ReferenceConsumer):
    def _load_front(self) -> int:
        return self._slots.load(FRONT) % self.slots


class BelievesAnyFront(ReferenceConsumer):
    def _see_front(self) -> None:
        self._check()
        self._seen = self._load_front()


class CountsFromItsOwnIndex(ReferenceConsumer):
    def _see_front(self) -> None:
        published, self._published = self._published, self._mine
        try:
            super()._see_front()
        finally:
            self._published = published


class CutsLongLengths(ReferenceConsumer):
    def _break(self, lie: int, value: int) -> None:
        if value <= self.message_bytes or self.length <= self.message_bytes:
            super()._break(lie, value)
        self.length = self.message_bytes


class TakesZeroedSlots(ReferenceConsumer):
    def _break(self, lie: int, value: int) -> None:
        if value:
            super()._break(lie, value)


class LosesTheBatchBeforeALie(ReferenceConsumer):
    def pop_batch(self, limit: int) -> list[tuple[int, int, bytes]]:
        batch = super().pop_batch(limit)
        if len(batch) < limit:
            self.peek()
        return batch


class KeepsWhatWaitsOnReset(ReferenceConsumer):
    def reset(self) -> None:
        mine = self._mine
        super().reset()
        self._mine = mine


class HidesMessages(ReferenceConsumer):
    def news(self) -> bool:
        return False


class HidesSlots(ReferenceProducer):
    def news(self) -> bool:
        return False


BROKEN: dict[str, list[type[Any]]] = {
    "starts_empty": [StartsFull],
    "keeps_order": [SwapsMessages, ForgetsTheKind],
    "is_full_with_one_slot_empty": [TakesTooMany, TakesTooFew],
    "wraps_around": [StopsAtTheEnd],
    "takes_every_length": [DropsEmptyMessages],
    "refuses_what_is_too_long": [CutsLongMessages],
    "refuses_unknown_kinds": [TakesAnyKind],
    "stays_in_its_slot": [WritesBeyondItsSlot],
    "copies_into_a_buffer": [OverreadsTheBuffer],
    "gives_slots_back_on_release": [ReleasesTooEarly],
    "pops_batches": [IgnoresTheLimit, HidesMessages],
    "counts_what_was_consumed": [ForgetsWhatPushLearned, HidesSlots],
    "keeps_its_own_index": [ReadsItsFrontBack, ReadsItsRearBack],
    "notices_a_front_out_of_range": [WrapsTheFront],
    "notices_a_front_that_goes_back": [BelievesAnyFront],
    "notices_a_front_back_in_a_batch": [CountsFromItsOwnIndex],
    "notices_a_rear_out_of_window": [BelievesAnyRear, ForgetsThatItIsBroken],
    "notices_a_rear_when_full": [BelievesRearWhenFull],
    "notices_a_length_beyond_the_slot": [CutsLongLengths, LosesTheBatchBeforeALie],
    "notices_an_unknown_kind": [TakesZeroedSlots],
    "drops_what_waits_on_reset": [KeepsWhatWaitsOnReset],
    "asks_for_the_doorbell": [NeverRings],
}


def test_every_check_has_a_ring_that_breaks_it() -> None:
    assert BROKEN.keys() == CHECKS.keys()


@pytest.mark.parametrize(
    ("name", "broken"),
    [(name, broken) for name, rings in BROKEN.items() for broken in rings],
)
def test_broken_ring(name: str, broken: type[Any]) -> None:
    def ring() -> RingUnderTest:
        layout = RingLayout(FRONT, REAR, BASE, 8, 24)
        region = normal(layout.end)
        sends = issubclass(broken, ReferenceProducer)
        producer = (broken if sends else ReferenceProducer)(region, layout)
        consumer = (ReferenceConsumer if sends else broken)(region, layout)
        return RingUnderTest(producer, consumer, region, layout)

    with pytest.raises((AssertionError, RemoteError)):
        CHECKS[name](ring())
    with pytest.raises((AssertionError, RemoteError)) as raised:
        check_ring(ring)
    assert "in the check" in raised.value.__notes__[0]
