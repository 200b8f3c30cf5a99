"""Any sequence of calls and lies against a model that is a deque."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.errors import RemoteError
from mboxio.ring import ERROR, MESSAGE
from mboxio.testing.ring import RingUnderTest

from .support import Case, each_case

U32 = st.integers(0, 2**32 - 1)
INDEX = st.integers(0, 8) | U32
CALLS = st.one_of(
    st.tuples(
        st.just("push"), st.integers(MESSAGE, ERROR), U32, st.binary(min_size=0, max_size=16)
    ),
    st.tuples(st.sampled_from(["pop", "free", "consumed", "pending", "peek", "take", "release"])),
    st.tuples(st.just("pop_batch"), st.integers(0, 6)),
    st.tuples(st.sampled_from(["lie_front", "lie_rear"]), INDEX),
    st.tuples(st.just("lie_header"), U32),
)


class Model:
    """What the ring must do, one method per call; indices count without wrapping."""

    def __init__(self, ring: RingUnderTest) -> None:
        self.ring = ring
        self.slots = ring.layout.slots
        self.waiting: deque[tuple[int, int, bytes]] = deque()
        self.front = self.mine = self.rear = self.asked = 0

    def push(self, kind: int, tag: int, data: bytes) -> None:
        fits = self.front - self.rear < self.slots - 1
        assert self.ring.producer.push(kind, tag, data) is fits
        if fits:
            self.front += 1
            self.waiting.append(self.ring.popped(data, kind, tag))

    def free(self) -> None:
        assert self.ring.producer.free() == self.slots - 1 - (self.front - self.rear)

    def consumed(self) -> None:
        assert self.ring.producer.consumed() == self.rear - self.asked
        self.asked = self.rear

    def pending(self) -> None:
        assert self.ring.consumer.pending() == len(self.waiting)

    def pop(self) -> None:
        expected = self.waiting.popleft() if self.waiting else None
        assert self.ring.consumer.pop() == expected
        if expected:
            self.mine += 1
            self.rear = self.mine

    def pop_batch(self, limit: int) -> None:
        count = min(limit, len(self.waiting))
        expected = [self.waiting.popleft() for _ in range(count)]
        assert self.ring.consumer.pop_batch(limit) == expected
        self.mine += count
        self.rear = self.mine

    def peek(self) -> None:
        consumer = self.ring.consumer
        assert consumer.peek() is bool(self.waiting)
        if self.waiting:
            seen = (consumer.kind, consumer.tag, consumer.payload())
            assert seen == self.waiting[0]
            assert consumer.length == len(seen[2])

    def take(self) -> None:
        self.peek()
        if self.waiting:
            self.ring.consumer.advance()
            self.waiting.popleft()
            self.mine += 1

    def release(self) -> None:
        self.ring.consumer.release()
        self.rear = self.mine

    def lie_front(self, index: int) -> None:
        self.pending()
        honest = {each % self.slots for each in range(self.front, self.rear + self.slots)}
        if index in honest:
            return
        self.ring.set_front(index)
        with pytest.raises(RemoteError, match=f"front {index} "):
            self.ring.consumer.pending()
        self.ring.set_front(self.front % self.slots)
        self.mend_consumer()

    def lie_rear(self, index: int) -> None:
        self.consumed()
        honest = {each % self.slots for each in range(self.rear, self.front + 1)}
        if index in honest:
            return
        self.ring.set_rear(index)
        with pytest.raises(RemoteError, match=f"rear {index} "):
            self.ring.producer.consumed()
        self.ring.set_rear(self.rear % self.slots)
        with pytest.raises(RemoteError):
            self.ring.producer.free()
        self.ring.producer.reset()

    def lie_header(self, word: int) -> None:
        honest = MESSAGE <= word >> 24 <= ERROR
        honest = honest and word & 0xFFFFFF <= self.ring.producer.message_bytes
        if honest or not self.waiting or not self.ring.layout.framed:
            return
        slot = self.ring.layout.base + self.mine % self.slots * self.ring.layout.slot_bytes
        self.ring.region.write(slot, word, 4)
        with pytest.raises(RemoteError, match=r"kind \d+ |length \d+ "):
            self.ring.consumer.pop_batch(3)
        self.mend_consumer()

    def mend_consumer(self) -> None:
        for call in (self.ring.consumer.peek, self.ring.consumer.pending, self.ring.consumer.pop):
            with pytest.raises(RemoteError):
                call()
        self.ring.consumer.reset()
        self.waiting.clear()
        self.mine = self.rear = self.front


@each_case
@given(slots=st.integers(2, 8), calls=st.lists(CALLS, max_size=60))
def test_model(case: Case, slots: int, calls: list[tuple[str, object]]) -> None:
    model = Model(case.ring(slots))
    for name, *arguments in calls:
        getattr(model, name)(*arguments)
    model.free()
    model.consumed()
    model.pop_batch(slots)
