"""What every ring must do, as checks for whoever implements one.

`check_ring` runs them all; `CHECKS` has them one by one, for a test per check. Each check gets a
fresh ring, plays both sides from one thread and tampers through the region.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mboxio.errors import MessageTooLong, RemoteError
from mboxio.regions.region import Region
from mboxio.ring.contract import ERROR, MESSAGE, REPLY, REQUEST, Consumer, Producer, Ring
from mboxio.ring.layout import SLOT_HEADER_BYTES, RingLayout

__all__ = ["CHECKS", "RingUnderTest", "check_ring"]


@dataclass(frozen=True)
class RingUnderTest:
    """Both sides of an empty ring of five or more slots of 16 or more bytes, and where it lies."""

    producer: Producer
    consumer: Consumer
    region: Region
    layout: RingLayout

    @property
    def depth(self) -> int:
        """Messages that fit."""
        return self.layout.slots - 1

    def message(self, number: int) -> bytes:
        """A message that no other number has in this ring, of a length that varies."""
        return number.to_bytes(4, "little") + b"\xa5" * (number % 5)

    def popped(self, message: bytes, kind: int = MESSAGE, tag: int = 0) -> tuple[int, int, bytes]:
        """What a pushed message looks like on the other side."""
        if self.layout.framed:
            return kind, tag, message
        return MESSAGE, 0, message.ljust(self.layout.slot_bytes, b"\0")

    def push(self, *numbers: int) -> None:
        """Push messages that must fit."""
        for number in numbers:
            pushed = self.producer.push(MESSAGE, number, self.message(number))
            _require(pushed, f"message {number} did not fit a ring that is not full")

    def pop(self, *numbers: int) -> None:
        """Pop messages that must be there."""
        for number in numbers:
            _same(self.consumer.pop(), self.popped(self.message(number), tag=number), "pop")

    def set_front(self, index: int) -> None:
        """Tamper with the producer's index word."""
        self.region.write(self.layout.front, index, 4)

    def set_rear(self, index: int) -> None:
        """Tamper with the consumer's index word."""
        self.region.write(self.layout.rear, index, 4)

    def rear(self) -> int:
        """Look at the consumer's index word."""
        return self.region.read(self.layout.rear, 4)

    def slot(self, index: int) -> list[int]:
        """Look at the words of a slot."""
        offset = self.layout.base + index * self.layout.slot_bytes
        return self.region.read_words(offset, self.layout.slot_bytes // 4)


Check = Callable[[RingUnderTest], None]


def check_ring(factory: Callable[[], RingUnderTest]) -> None:
    """Run every check on a fresh ring.

    Args:
        factory: returns a new, empty ring; called once per check.

    Raises:
        AssertionError: the ring breaks a rule. This error, like any that the ring itself raises
            out of turn, has a note with the check's name.
    """
    for name, check in CHECKS.items():
        try:
            check(factory())
        except Exception as error:
            error.add_note(f"in the check {name}")
            raise


def _starts_empty(ring: RingUnderTest) -> None:
    _same(ring.consumer.pop(), None, "pop of an empty ring")
    _same(ring.consumer.pop_batch(4), [], "pop_batch of an empty ring")
    _same(ring.consumer.pending(), 0, "pending of an empty ring")
    _same(ring.producer.free(), ring.depth, "free of an empty ring")
    _same(ring.producer.consumed(), 0, "consumed of a new ring")
    _raises(RuntimeError, ring.consumer.payload, "a payload without a message")
    _raises(RuntimeError, ring.consumer.advance, "a step without a message")


def _keeps_order(ring: RingUnderTest) -> None:
    sent = [(MESSAGE, 0), (REQUEST, 0xFFFFFFFF), (REPLY, 7), (ERROR, 8)]
    for number, (kind, tag) in enumerate(sent):
        _require(ring.producer.push(kind, tag, ring.message(number)), "no place in an empty ring")
    _same(ring.consumer.pending(), len(sent), "pending")
    expected = [
        ring.popped(ring.message(number), kind, tag) for number, (kind, tag) in enumerate(sent)
    ]
    _same([ring.consumer.pop() for _ in sent], expected, "the order of messages")


def _is_full_with_one_slot_empty(ring: RingUnderTest) -> None:
    numbers = range(ring.depth)
    for number in numbers:
        _same(ring.producer.free(), ring.depth - number, "free before each push")
        ring.push(number)
    for _ in range(2):
        _same(ring.producer.push(MESSAGE, 0, b"late"), False, "push into a full ring")
    _same(ring.producer.free(), 0, "free of a full ring")
    _same(ring.consumer.pending(), ring.depth, "pending of a full ring")
    ring.pop(0)
    ring.push(ring.depth)
    ring.pop(*numbers[1:], ring.depth)


def _wraps_around(ring: RingUnderTest) -> None:
    for number in range(3 * ring.layout.slots):
        ring.push(2 * number, 2 * number + 1)
        ring.pop(2 * number, 2 * number + 1)
    _same(ring.consumer.pop(), None, "pop of a ring that became empty")


def _takes_every_length(ring: RingUnderTest) -> None:
    longest = bytes(number % 251 + 1 for number in range(ring.producer.message_bytes))
    for length in {0, 1, 3, 4, 5, len(longest) - 1, len(longest)}:
        message = longest[:length]
        _require(ring.producer.push(MESSAGE, length, message), "no place in an empty ring")
        expected = ring.popped(message, tag=length)
        _same(ring.consumer.pop(), expected, f"a message of {length} bytes")


def _refuses_what_is_too_long(ring: RingUnderTest) -> None:
    message = bytes(ring.producer.message_bytes + 1)
    _raises(MessageTooLong, lambda: ring.producer.push(MESSAGE, 0, message), "a message too long")
    _same(ring.consumer.pending(), 0, "pending after a refused message")
    ring.push(1)
    ring.pop(1)


def _refuses_unknown_kinds(ring: RingUnderTest) -> None:
    if ring.layout.framed:
        for kind in (0, ERROR + 1, 256):
            _raises(ValueError, partial(ring.producer.push, kind, 0, b""), f"kind {kind}")
    _same(ring.consumer.pending(), 0, "pending after a refused message")


def _stays_in_its_slot(ring: RingUnderTest) -> None:
    words = ring.layout.slots * ring.layout.slot_bytes // 4
    ring.region.write_words(ring.layout.base, [0xC3C3C3C3] * words)
    ring.producer.push(MESSAGE, 0, b"\xff" * ring.producer.message_bytes)
    for index in range(1, ring.layout.slots):
        untouched = set(ring.slot(index)) == {0xC3C3C3C3}
        _require(untouched, f"slot {index} changed by a message in slot 0")


def _copies_into_a_buffer(ring: RingUnderTest) -> None:
    ring.push(9)
    _require(ring.consumer.peek(), "the message cannot be seen")
    expected = ring.popped(ring.message(9))[2]
    _same(ring.consumer.length, len(expected), "length")
    small = bytearray(len(expected) - 1)
    _raises(ValueError, lambda: ring.consumer.copy_into(small), "a buffer too short")
    _same(small, bytearray(len(expected) - 1), "a buffer too short, which must stay untouched,")
    large = bytearray(b"\x5a" * (len(expected) + 4))
    _same(ring.consumer.copy_into(large), len(expected), "copy_into")
    _same(large, expected + b"\x5a" * 4, "the buffer")


def _gives_slots_back_on_release(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    before = ring.rear()
    for number in range(2):
        _require(ring.consumer.peek(), "a message cannot be seen")
        _same(ring.consumer.payload(), ring.popped(ring.message(number))[2], "payload")
        ring.consumer.advance()
        _same(ring.rear(), before, "rear before release")
        _same(ring.producer.consumed(), 0, "consumed before release")
    ring.consumer.release()
    _same(ring.rear(), (before + 2) % ring.layout.slots, "rear after release")
    _same(ring.producer.consumed(), 2, "consumed after release")
    ring.pop(2)


def _pops_batches(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    expected = [ring.popped(ring.message(number), tag=number) for number in range(3)]
    _same(ring.consumer.pop_batch(0), [], "a batch of none")
    _same(ring.consumer.pop_batch(2), expected[:2], "a batch of two")
    _require(ring.consumer.news(), "a message that waits is no news")
    _same(ring.producer.consumed(), 2, "consumed after a batch")
    _same(ring.consumer.pop_batch(100), expected[2:], "the rest")


def _counts_what_was_consumed(ring: RingUnderTest) -> None:
    # More than one round between two questions, so that what push learns by itself counts too.
    rounds = ring.layout.slots + 2
    for number in range(rounds):
        ring.push(number)
        ring.pop(number)
    _require(ring.producer.news(), "slots that came back are no news")
    _same(ring.producer.consumed(), rounds, "consumed after more than one round")
    _same(ring.producer.consumed(), 0, "consumed, asked again,")
    ring.push(0, 1)
    ring.pop(0)
    _same(ring.producer.consumed(), 1, "consumed with one message waiting")


def _keeps_its_own_index(ring: RingUnderTest) -> None:
    ring.push(0, 1)
    ring.set_front(ring.depth)
    ring.push(2)
    ring.pop(0)
    ring.set_rear(ring.depth)
    ring.pop(1, 2)
    _same(ring.producer.consumed(), 3, "consumed after both words were scribbled on")


def _notices_a_front_out_of_range(ring: RingUnderTest) -> None:
    for true_front, front in enumerate((ring.layout.slots, 0xFFFFFFFF)):
        ring.set_front(front)
        _lies(ring.consumer, ring.consumer.peek, "front", front)
        _raises(RemoteError, ring.consumer.reset, "a reset while front is out of range")
        ring.set_front(true_front)
        _mends(ring, true_front)


def _notices_a_front_that_goes_back(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    _same(ring.consumer.pending(), 3, "pending")
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
    _same(ring.producer.consumed(), 1, "consumed")
    # Beyond the last slot, before what was seen, after what was pushed.
    for rear in (ring.layout.slots, 0xFFFFFFFF, 0, ring.layout.slots - 1):
        ring.set_rear(rear)
        _lies(ring.producer, ring.producer.consumed, "rear", rear)
        ring.set_rear(1)
        _same(_raised(ring.producer.free), RemoteError, "a broken ring, asked again,")
        _same(_raised(lambda: ring.producer.push(1, 0, b"")), RemoteError, "push when broken")
        ring.producer.reset()
        _require(not ring.producer.broken, "the ring is still broken after reset")
        _same(ring.producer.free(), ring.depth - 2, "free after reset")
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


def _notices_a_header(ring: RingUnderTest, word: int, field: str, value: int) -> None:
    """Check a lie in the second of two messages: the first one is not lost."""
    ring.push(0, 1)
    index = (ring.rear() + 1) % ring.layout.slots
    ring.region.write(ring.layout.base + index * ring.layout.slot_bytes, word, 4)
    expected = [ring.popped(ring.message(0), tag=0)]
    _same(ring.consumer.pop_batch(8), expected, "the batch before the lie")
    _lies(ring.consumer, lambda: ring.consumer.pop_batch(8), field, value)
    _mends(ring, (index + 1) % ring.layout.slots)


def _drops_what_waits_on_reset(ring: RingUnderTest) -> None:
    ring.push(0, 1)
    ring.consumer.peek()
    ring.consumer.reset()
    _raises(RuntimeError, ring.consumer.payload, "a payload after reset")
    _same(ring.consumer.pop(), None, "pop after reset")
    _same(ring.producer.consumed(), 2, "consumed after reset")
    ring.push(2)
    ring.pop(2)


def _asks_for_the_doorbell(ring: RingUnderTest) -> None:
    ring.push(0)
    if ring.producer.armed is None:
        _require(ring.producer.doorbell_needed(), "a ring without armed words needs the doorbell")


def _mends(ring: RingUnderTest, front: int) -> None:
    """Check that the consumer stays broken until reset, then goes on from `front` by a message."""
    _same(_raised(ring.consumer.peek), RemoteError, "a broken ring, asked again,")
    _same(_raised(ring.consumer.pending), RemoteError, "a broken ring, asked again,")
    ring.consumer.reset()
    _require(not ring.consumer.broken, "the ring is still broken after reset")
    _same(ring.rear(), front, "rear after reset")
    ring.push(5)
    ring.pop(5)
    ring.producer.consumed()


def _lies(side: Ring, action: Callable[[], object], field: str, value: int) -> None:
    try:
        result = action()
    except RemoteError as error:
        _same(getattr(error, "field", None), field, "field of the error")
        _same(getattr(error, "value", None), value, "value of the error")
        _require(side.broken, "the ring is not marked as broken")
    else:
        raise AssertionError(f"{field} {value} was believed and gave {result!r}")


def _raised(action: Callable[[], object]) -> type[Exception] | None:
    try:
        action()
    except Exception as error:
        return type(error)
    return None


def _raises(kind: type[Exception], action: Callable[[], object], what: str) -> None:
    raised = _raised(action)
    told = "nothing" if raised is None else raised.__name__
    _require(raised is kind, f"{what} raised {told} instead of {kind.__name__}")


def _same(actual: object, expected: object, what: str) -> None:
    _require(actual == expected, f"{what} gave {actual!r} instead of {expected!r}")


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


CHECKS: dict[str, Check] = {
    check.__name__.lstrip("_"): check
    for check in (
        _starts_empty,
        _keeps_order,
        _is_full_with_one_slot_empty,
        _wraps_around,
        _takes_every_length,
        _refuses_what_is_too_long,
        _refuses_unknown_kinds,
        _stays_in_its_slot,
        _copies_into_a_buffer,
        _gives_slots_back_on_release,
        _pops_batches,
        _counts_what_was_consumed,
        _keeps_its_own_index,
        _notices_a_front_out_of_range,
        _notices_a_front_that_goes_back,
        _notices_a_front_back_in_a_batch,
        _notices_a_rear_out_of_window,
        _notices_a_rear_when_full,
        _notices_a_length_beyond_the_slot,
        _notices_an_unknown_kind,
        _drops_what_waits_on_reset,
        _asks_for_the_doorbell,
    )
}
"""Every check by its name."""
