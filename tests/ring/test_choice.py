"""Which implementation is chosen, what it refuses, and the order in which the reference writes."""

import platform
from collections.abc import Sequence

import pytest

import mboxio.ring
from mboxio.errors import RemoteError
from mboxio.regions import Memory
from mboxio.ring import MESSAGE, Implementation, implementations, require_ordered_memory
from mboxio.ring.layout import RingLayout
from mboxio.ring.reference import ReferenceConsumer, ReferenceProducer
from mboxio.sim.words_only import WordsOnly

from .support import each_implementation

LAYOUT = RingLayout(0, 4, 8, 4, 16)


def test_the_best_implementation_is_chosen() -> None:
    reference, best = implementations()[0], implementations()[-1]
    for region, expected in (
        (Memory(bytearray(LAYOUT.end)), best),
        (WordsOnly(LAYOUT.end), reference),
    ):
        assert type(mboxio.ring.producer(region, LAYOUT)) is expected.producer
        assert type(mboxio.ring.consumer(region, LAYOUT)) is expected.consumer
        assert type(mboxio.ring.armed(region, 0, 4)) is expected.armed


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_pure_build_needs_ordered_memory(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if machine == "aarch64" and len(implementations()) == 1:
        with pytest.raises(RuntimeError, match="aarch64"):
            require_ordered_memory()
    else:
        require_ordered_memory()


@each_implementation
def test_a_ring_outside_its_region_is_refused(implementation: Implementation) -> None:
    memory = Memory(bytearray(LAYOUT.end - 8))
    with pytest.raises(ValueError, match="base reaches from 8 to 72 in a region of 64 bytes"):
        implementation.producer(memory, LAYOUT, None)
    with pytest.raises(ValueError, match="base reaches"):
        implementation.consumer(memory, LAYOUT)


@each_implementation
@pytest.mark.parametrize("offset", [0, 4])
def test_an_impossible_index_is_refused(implementation: Implementation, offset: int) -> None:
    memory = Memory(bytearray(LAYOUT.end))
    memory.write(offset, LAYOUT.slots, 4)
    for side in (
        lambda: implementation.producer(memory, LAYOUT, None),
        lambda: implementation.consumer(memory, LAYOUT),
    ):
        with pytest.raises(RemoteError, match=f"{['front', 'rear'][offset // 4]} 4 "):
            side()


@each_implementation
def test_a_running_ring_is_taken_over(implementation: Implementation) -> None:
    memory = Memory(bytearray(LAYOUT.end))
    implementation.producer(memory, LAYOUT, None).push(MESSAGE, 1, b"before")
    producer = implementation.producer(memory, LAYOUT, None)
    producer.push(MESSAGE, 2, b"after")
    messages = implementation.consumer(memory, LAYOUT).pop_batch(4)
    assert messages == [(MESSAGE, 1, b"before"), (MESSAGE, 2, b"after")]
    assert producer.consumed() == 2


@each_implementation
def test_any_bytes_and_only_bytes_are_messages(implementation: Implementation) -> None:
    memory = Memory(bytearray(LAYOUT.end))
    producer = implementation.producer(memory, LAYOUT, None)
    for message in (bytearray(b"ab"), memoryview(b"xabx")[1:3]):
        assert producer.push(MESSAGE, 0, message)
    for wrong in (5, "ab", None):
        with pytest.raises(TypeError):
            producer.push(MESSAGE, 0, wrong)  # type: ignore[arg-type]
    for kind, tag in ((-1, 0), (MESSAGE, -1), (MESSAGE, 1 << 32)):
        with pytest.raises(OverflowError):
            producer.push(kind, tag, b"")
    messages = implementation.consumer(memory, LAYOUT).pop_batch(4)
    assert messages == [(MESSAGE, 0, b"ab")] * 2


@each_implementation
def test_repr_shows_the_state(implementation: Implementation) -> None:
    memory = Memory(bytearray(LAYOUT.end))
    consumer = implementation.consumer(memory, LAYOUT)
    assert repr(consumer).endswith("Consumer 4 slots, 8 bytes>")
    memory.write(LAYOUT.front, 9, 4)
    with pytest.raises(RemoteError):
        consumer.peek()
    assert repr(consumer).endswith("Consumer 4 slots, 8 bytes, broken>")


@pytest.mark.parametrize("framed", [True, False])
def test_the_index_comes_last(framed: bool) -> None:
    class Recorder(WordsOnly):
        def read_words(self, offset: int, count: int) -> list[int]:
            accesses.append(("read", offset))
            return super().read_words(offset, count)

        def write_words(self, offset: int, words: Sequence[int]) -> None:
            accesses.append(("write", offset))
            super().write_words(offset, words)

    accesses: list[tuple[str, int]] = []
    region = Recorder(LAYOUT.end)
    layout = RingLayout(0, 4, 8, 4, 16, framed)
    producer, consumer = ReferenceProducer(region, layout), ReferenceConsumer(region, layout)
    accesses.clear()
    producer.push(MESSAGE, 0, b"abcd")
    slot = [("write", 8), ("write", 16)] if framed else [("write", 8)]
    assert accesses == [*slot, ("write", 0)]
    accesses.clear()
    consumer.pop()
    slot = [("read", 8), ("read", 16)] if framed else [("read", 8)]
    assert accesses == [("read", 0), *slot, ("write", 4)]
