"""Messages move through a ring: order, room, lengths, slots that come back."""

from functools import partial

from mboxio.errors import MessageTooLong
from mboxio.ring.contract import ERROR, MESSAGE, REPLY, REQUEST
from mboxio.testing.ring.under_test import RingUnderTest, raises, require, same


def _starts_empty(ring: RingUnderTest) -> None:
    same(ring.consumer.pop(), None, "pop of an empty ring")
    same(ring.consumer.pop_batch(4), [], "pop_batch of an empty ring")
    same(ring.consumer.pending(), 0, "pending of an empty ring")
    same(ring.producer.free(), ring.depth, "free of an empty ring")
    same(ring.producer.consumed(), 0, "consumed of a new ring")
    raises(RuntimeError, ring.consumer.payload, "a payload without a message")
    raises(RuntimeError, ring.consumer.advance, "a step without a message")


def _keeps_order(ring: RingUnderTest) -> None:
    sent = [(MESSAGE, 0), (REQUEST, 0xFFFFFFFF), (REPLY, 7), (ERROR, 8)]
    for number, (kind, tag) in enumerate(sent):
        require(ring.producer.push(kind, tag, ring.message(number)), "no place in an empty ring")
    same(ring.consumer.pending(), len(sent), "pending")
    expected = [
        ring.popped(ring.message(number), kind, tag) for number, (kind, tag) in enumerate(sent)
    ]
    same([ring.consumer.pop() for _ in sent], expected, "the order of messages")


def _is_full_with_one_slot_empty(ring: RingUnderTest) -> None:
    numbers = range(ring.depth)
    for number in numbers:
        same(ring.producer.free(), ring.depth - number, "free before each push")
        ring.push(number)
    for _ in range(2):
        same(ring.producer.push(MESSAGE, 0, b"late"), False, "push into a full ring")
    same(ring.producer.free(), 0, "free of a full ring")
    same(ring.consumer.pending(), ring.depth, "pending of a full ring")
    ring.pop(0)
    ring.push(ring.depth)
    ring.pop(*numbers[1:], ring.depth)


def _wraps_around(ring: RingUnderTest) -> None:
    for number in range(3 * ring.layout.slots):
        ring.push(2 * number, 2 * number + 1)
        ring.pop(2 * number, 2 * number + 1)
    same(ring.consumer.pop(), None, "pop of a ring that became empty")


def _takes_every_length(ring: RingUnderTest) -> None:
    longest = bytes(number % 251 + 1 for number in range(ring.producer.message_bytes))
    for length in {0, 1, 3, 4, 5, len(longest) - 1, len(longest)}:
        message = longest[:length]
        require(ring.producer.push(MESSAGE, length, message), "no place in an empty ring")
        expected = ring.popped(message, tag=length)
        same(ring.consumer.pop(), expected, f"a message of {length} bytes")


def _refuses_what_is_too_long(ring: RingUnderTest) -> None:
    message = bytes(ring.producer.message_bytes + 1)
    raises(MessageTooLong, lambda: ring.producer.push(MESSAGE, 0, message), "a message too long")
    same(ring.consumer.pending(), 0, "pending after a refused message")
    ring.push(1)
    ring.pop(1)


def _refuses_unknown_kinds(ring: RingUnderTest) -> None:
    if ring.layout.framed:
        for kind in (0, ERROR + 1, 256):
            raises(ValueError, partial(ring.producer.push, kind, 0, b""), f"kind {kind}")
    same(ring.consumer.pending(), 0, "pending after a refused message")


def _stays_in_its_slot(ring: RingUnderTest) -> None:
    words = ring.layout.slots * ring.layout.slot_bytes // 4
    ring.region.write_words(ring.layout.base, [0xC3C3C3C3] * words)
    ring.producer.push(MESSAGE, 0, b"\xff" * ring.producer.message_bytes)
    for index in range(1, ring.layout.slots):
        untouched = set(ring.slot(index)) == {0xC3C3C3C3}
        require(untouched, f"slot {index} changed by a message in slot 0")


def _copies_into_a_buffer(ring: RingUnderTest) -> None:
    ring.push(9)
    require(ring.consumer.peek(), "the message cannot be seen")
    expected = ring.popped(ring.message(9))[2]
    same(ring.consumer.length, len(expected), "length")
    small = bytearray(len(expected) - 1)
    raises(ValueError, lambda: ring.consumer.copy_into(small), "a buffer too short")
    same(small, bytearray(len(expected) - 1), "a buffer too short, which must stay untouched,")
    large = bytearray(b"\x5a" * (len(expected) + 4))
    same(ring.consumer.copy_into(large), len(expected), "copy_into")
    same(large, expected + b"\x5a" * 4, "the buffer")


def _gives_slots_back_on_release(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    before = ring.rear()
    for number in range(2):
        require(ring.consumer.peek(), "a message cannot be seen")
        same(ring.consumer.payload(), ring.popped(ring.message(number))[2], "payload")
        ring.consumer.advance()
        same(ring.rear(), before, "rear before release")
        same(ring.producer.consumed(), 0, "consumed before release")
    ring.consumer.release()
    same(ring.rear(), (before + 2) % ring.layout.slots, "rear after release")
    same(ring.producer.consumed(), 2, "consumed after release")
    ring.pop(2)


def _pops_batches(ring: RingUnderTest) -> None:
    ring.push(0, 1, 2)
    expected = [ring.popped(ring.message(number), tag=number) for number in range(3)]
    same(ring.consumer.pop_batch(0), [], "a batch of none")
    same(ring.consumer.pop_batch(2), expected[:2], "a batch of two")
    require(ring.consumer.news(), "a message that waits is no news")
    same(ring.producer.consumed(), 2, "consumed after a batch")
    same(ring.consumer.pop_batch(100), expected[2:], "the rest")


def _counts_what_was_consumed(ring: RingUnderTest) -> None:
    # More than one round between two questions, so that what push learns by itself counts too.
    rounds = ring.layout.slots + 2
    for number in range(rounds):
        ring.push(number)
        ring.pop(number)
    require(ring.producer.news(), "slots that came back are no news")
    same(ring.producer.consumed(), rounds, "consumed after more than one round")
    same(ring.producer.consumed(), 0, "consumed, asked again,")
    ring.push(0, 1)
    ring.pop(0)
    same(ring.producer.consumed(), 1, "consumed with one message waiting")


def _asks_for_the_doorbell(ring: RingUnderTest) -> None:
    ring.push(0)
    if ring.producer.armed is None:
        require(ring.producer.doorbell_needed(), "a ring without armed words needs the doorbell")


CHECKS = (
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
    _asks_for_the_doorbell,
)
