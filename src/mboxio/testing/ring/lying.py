"""The other side lies about its index or its slots: each lie is noticed, and a reset mends it."""

from collections.abc import Callable

from mboxio.errors import RemoteError
from mboxio.ring.contract import ERROR, MESSAGE, Ring
from mboxio.ring.layout import SLOT_HEADER_BYTES
from mboxio.testing.ring.under_test import RingUnderTest, raised, raises, require, same


def _keeps_its_own_index(ring: RingUnderTest) -> None:
    ring.push(0, 1)
    ring.set_front(ring.depth)
    ring.push(2)
    ring.pop(0)
    ring.set_rear(ring.depth)
    ring.pop(1, 2)
    same(ring.producer.consumed(), 3, "consumed after both words were scribbled on")


def _notices_a_front_out_of_range(ring: RingUnderTest) -> None:
    for true_front, front in enumerate((ring.layout.slots, 0xFFFFFFFF)):
        ring.set_front(front)
        _lies(ring.consumer, ring.consumer.peek, "front", front)
        raises(RemoteError, ring.consumer.reset, "a reset while front is out of range")
        ring.set_front(true_front)
        _mends(ring, true_front)


def _notices_a_front_that_goes_back(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    same(ring.consumer.pending(), 3, "pending")
    ring.set_front(1)
    _lies(ring.consumer, ring.consumer.pending, "front", 1)
    ring.set_front(3)
    _mends(ring, 3)


def _notices_a_front_back_in_a_batch(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    for _ in range(3):
        ring.consumer.peek()
        ring.consumer.advance()
    ring.set_front(1)
    _lies(ring.consumer, ring.consumer.peek, "front", 1)
    ring.set_front(3)
    _mends(ring, 3)


def _notices_a_rear_out_of_window(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    ring.pop(0)
    same(ring.producer.consumed(), 1, "consumed")
    # Beyond the last slot, before what was seen, after what was pushed.
    for rear in (ring.layout.slots, 0xFFFFFFFF, 0, ring.layout.slots - 1):
        ring.set_rear(rear)
        _lies(ring.producer, ring.producer.consumed, "rear", rear)
        ring.set_rear(1)
        same(raised(ring.producer.free), RemoteError, "a broken ring, asked again,")
        same(raised(lambda: ring.producer.push(1, 0, b"")), RemoteError, "push when broken")
        ring.producer.reset()
        require(not ring.producer.broken, "the ring is still broken after reset")
        same(ring.producer.free(), ring.depth - 2, "free after reset")
    ring.pop(1, 2)


def _notices_a_rear_when_full(ring: RingUnderTest) -> None:
    ring.push(*range(ring.depth))
    ring.set_rear(ring.layout.slots)
    _lies(ring.producer, lambda: ring.producer.push(1, 0, b""), "rear", ring.layout.slots)


def _notices_a_length_beyond_the_slot(ring: RingUnderTest) -> None:
    if ring.layout.framed:
        for length in (ring.layout.slot_bytes - SLOT_HEADER_BYTES + 1, 0xFFFFFF):
            _notices_a_header(ring, MESSAGE << 24 | length, "length", length)


def _notices_an_unknown_kind(ring: RingUnderTest) -> None:
    if ring.layout.framed:
        for kind in (0, ERROR + 1, 255):
            _notices_a_header(ring, kind << 24, "kind", kind)


def _drops_what_waits_on_reset(ring: RingUnderTest) -> None:
    ring.push(0, 1)
    ring.consumer.peek()
    ring.consumer.reset()
    raises(RuntimeError, ring.consumer.payload, "a payload after reset")
    same(ring.consumer.pop(), None, "pop after reset")
    same(ring.producer.consumed(), 2, "consumed after reset")
    ring.push(2)
    ring.pop(2)


def _notices_a_header(ring: RingUnderTest, word: int, field: str, value: int) -> None:
    """Check a lie in the second of two messages: the first one is not lost."""
    ring.push(0, 1)
    index = (ring.rear() + 1) % ring.layout.slots
    ring.region.write(ring.layout.base + index * ring.layout.slot_bytes, word, 4)
    expected = [ring.popped(ring.message(0), tag=0)]
    same(ring.consumer.pop_batch(8), expected, "the batch before the lie")
    _lies(ring.consumer, lambda: ring.consumer.pop_batch(8), field, value)
    _mends(ring, (index + 1) % ring.layout.slots)


def _mends(ring: RingUnderTest, front: int) -> None:
    """Check that the consumer stays broken until reset, then goes on from `front` by a message."""
    same(raised(ring.consumer.peek), RemoteError, "a broken ring, asked again,")
    same(raised(ring.consumer.pending), RemoteError, "a broken ring, asked again,")
    ring.consumer.reset()
    require(not ring.consumer.broken, "the ring is still broken after reset")
    same(ring.rear(), front, "rear after reset")
    ring.push(5)
    ring.pop(5)
    ring.producer.consumed()


def _lies(side: Ring, action: Callable[[], object], field: str, value: int) -> None:
    try:
        result = action()
    except RemoteError as error:
        same(getattr(error, "field", None), field, "field of the error")
        same(getattr(error, "value", None), value, "value of the error")
        require(side.broken, "the ring is not marked as broken")
    else:
        raise AssertionError(f"{field} {value} was believed and gave {result!r}")


CHECKS = (
    _keeps_its_own_index,
    _notices_a_front_out_of_range,
    _notices_a_front_that_goes_back,
    _notices_a_front_back_in_a_batch,
    _notices_a_rear_out_of_window,
    _notices_a_rear_when_full,
    _notices_a_length_beyond_the_slot,
    _notices_an_unknown_kind,
    _drops_what_waits_on_reset,
)
