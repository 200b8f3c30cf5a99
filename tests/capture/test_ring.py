"""The ring between those who tell and the one who writes: it says how much it lost."""

import io
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio._base import tap as kinds
from mboxio._base.clock import SYSTEM
from mboxio._base.tap import Several, Tap, tagged, together
from mboxio.capture.blocks import interface_description, section_header
from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.reading import read
from mboxio.recording.ring import UNWANTED, EventRing, RingTap
from tests.capture.events import START_NS


class Place:
    """Where a tap listens: channels with the names that the test says."""

    address = "shm:ring"

    def facts_of(self, channel: int) -> tuple[str, int, int]:
        return f"channel {channel}", channel + 1, 0


@dataclass
class Listened:
    """A ring with a tap, and what was told and read."""

    ring: EventRing
    remote: bool = False
    sources: list[bytes] = field(default_factory=list)
    blocks: list[bytes] = field(default_factory=list)
    left: int = 0

    def __post_init__(self) -> None:
        self.place = Place()
        self.tap = RingTap(self.ring, SYSTEM, self.describe, self.leave, self.remote)
        self.tap.join(self.place)

    def describe(self, place: object, channel: int) -> int:
        assert place is self.place
        if channel == 7:
            return UNWANTED
        name, depth, message_bytes = self.place.facts_of(channel)
        side = "remote" if self.remote else "host"
        source = Source(self.place.address, name, side, channel, depth, message_bytes)
        self.sources.append(interface_description(source, None))
        return len(self.sources) - 1

    def leave(self) -> None:
        self.left += 1

    def take(self, most_bytes: int = 1 << 20) -> bool:
        return self.ring.take(lambda data: self.blocks.append(bytes(data)), most_bytes)

    def read(self) -> list[Event]:
        while self.take():
            pass
        head = section_header(self.ring.offset_ns, 1)
        capture = read(io.BytesIO(b"".join((head, *self.sources, *self.blocks))))
        events = list(capture)
        assert capture.warnings == []
        return events


def see(
    tap: Tap,
    kind: int,
    message: bytes | None = None,
    status: int = 0,
    channel: int = 0,
    at: int = 5,
) -> None:
    tap.see(kind, channel, None, message, status, at)


puts = st.tuples(
    st.sampled_from([each for each in Kind if each not in (Kind.LINK, Kind.LOST)]),
    st.binary(max_size=9) | st.integers(0, 700).map(bytes) | st.none(),
    st.integers(0, 2),
)
takes = st.integers(1, 1000)


@given(
    st.integers(1, 1500),
    st.integers(0, 300),
    st.lists(puts | takes, max_size=60),
    st.booleans(),
)
def test_what_is_read_is_what_was_put_but_for_what_was_lost(
    size_bytes: int,
    snap_bytes: int,
    steps: list[tuple[Kind, bytes | None, int] | int],
    remote: bool,
) -> None:
    listened = Listened(EventRing(size_bytes, snap_bytes, START_NS), remote)
    ring = listened.ring
    expected: deque[tuple[int, Kind, bytes, int, int]] = deque()
    lost = 0
    for at, step in enumerate(steps, 1):
        if isinstance(step, int):
            before = len(listened.blocks)
            assert listened.take(step) == (len(listened.blocks) > before)
            continue
        kind, message, channel = step
        events = ring.events
        see(listened.tap, kind, message, tagged(at), channel, at)
        assert ring.waiting <= size_bytes
        if ring.events == events:
            lost += 1
            continue
        whole = message or b""
        expected.append((at, kind, whole[:snap_bytes], len(whole), lost))
        lost = 0
    found = listened.read()
    told = [
        (each.time_ns - START_NS, each.kind, each.message, each.length, each.lost) for each in found
    ]
    assert told == list(expected)
    assert all(each.source.side == ("remote" if remote else "host") for each in found)
    assert (ring.events, ring.waiting) == (len(found), 0)
    assert ring.lost == lost + sum(each.lost for each in found)
    # What nobody has told yet, the last event tells, if the ring can hold one at all.
    ring.tell_lost(len(steps) + 1)
    last = listened.read()[len(found) :]
    if lost and size_bytes >= 128:
        assert [(each.kind, each.lost) for each in last] == [(Kind.LOST, lost)]
    assert sum(each.lost for each in found + last) == ring.lost or size_bytes < 128


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40), st.integers(400, 700))
def test_it_goes_round_with_one_always_waiting(lengths: list[int], size_bytes: int) -> None:
    """Room comes back in the order in which it was used, and nothing is overwritten meanwhile."""
    listened = Listened(EventRing(size_bytes, 1 << 30, 0))
    messages = [bytes([number]) * length for number, length in enumerate(lengths)]
    for at, message in enumerate(messages, 1):
        while listened.ring.waiting > 130:
            listened.take(1)
        see(listened.tap, Kind.MESSAGE, message, at=at)
    assert [each.message for each in listened.read()] == messages
    assert listened.ring.lost == 0


def test_more_is_put_while_a_batch_is_written() -> None:
    """The memory of a batch is its writer's until the write returns, also if that raises."""
    listened = Listened(EventRing(400, 1 << 30, 0))
    for at in range(1, 4):
        see(listened.tap, Kind.MESSAGE, bytes([at]) * 20, at=at)
    assert listened.ring.lost == 0
    batches: list[bytes] = []

    def write(block: Any) -> None:
        data = memoryview(block)
        before = bytes(data)
        for at in range(4, 12):
            see(listened.tap, Kind.MESSAGE, bytes([at]) * 20, at=at)
        batches.append(before)
        assert bytes(data) == before
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        listened.ring.take(write, 1)
    listened.blocks += batches
    found = listened.read()
    assert [each.message[0] for each in found] == list(range(1, 1 + len(found)))
    listened.ring.tell_lost(20)
    assert [each.lost for each in listened.read()][len(found) :] == [11 - len(found)]


def test_numbers_that_have_no_room() -> None:
    """Whatever a driver says of its tags and errors is cut to what a packet holds."""
    listened = Listened(EventRing(1 << 16, 1 << 30, 0))
    tap = listened.tap
    see(tap, Kind.LATE, b"", tagged(-1, -110))
    see(tap, Kind.UNKNOWN, b"", tagged((1 << 40) + 3, (1 << 31) - 1))
    see(tap, Kind.NOTIFICATION, None, 0)
    see(tap, Kind.LINK, None, (1 << 32) - 1)
    see(tap, Kind.LINK, b"gone", -1)
    see(tap, Kind.OVERFLOW, None, 1 << 33)
    see(tap, kinds.SEEN_SENDING)
    see(tap, kinds.SEEN_SLEEPING, channel=-1)
    see(tap, Kind.MESSAGE, b"unwanted", channel=7)
    found = [(each.kind, each.tag, each.status, each.outcome) for each in listened.read()]
    assert found == [
        (Kind.LATE, None, -110, 0),
        (Kind.UNKNOWN, 3, (1 << 31) - 1, 0),
        (Kind.NOTIFICATION, None, 0, 0),
        (Kind.LINK, None, -1, 1),
        (Kind.LINK, None, -1, 0),
        (Kind.OVERFLOW, None, 0, 0),
    ]


@pytest.mark.parametrize("numbers", [(0, 1, 0), (-1, 1, 0), (100, -1, 0)])
def test_a_ring_that_cannot_be(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="has room, and keeps"):
        EventRing(*numbers)


def test_a_tap_keeps_no_place_alive() -> None:
    listened = Listened(EventRing(1000, 0, 0))
    see(listened.tap, Kind.MESSAGE)
    place = weakref.ref(listened.place)
    del listened.place
    assert place() is None
    see(listened.tap, Kind.MESSAGE, channel=1)  # nobody can say what it is
    see(listened.tap, Kind.MESSAGE)
    listened.tap.leave()
    assert (listened.ring.events, listened.left) == (2, 1)


class Named(Tap):
    """A tap that notes what it is told, in a list of all."""

    def __init__(self, name: str, told: list[str], quick: bool) -> None:
        self.name = name
        self.told = told
        self.quick = quick

    def is_quick(self, channel: int) -> bool:
        return self.quick

    def join(self, place: object) -> None:
        self.told.append(f"{self.name} joins")

    def leave(self) -> None:
        self.told.append(f"{self.name} leaves")

    def see(self, *what: object) -> None:
        self.told.append(f"{self.name} {what[0]}")


def test_several_are_told_in_their_order() -> None:
    told: list[str] = []
    quick, slow = Named("a", told, True), Named("b", told, False)
    assert together([]) is together([None]) is None
    assert together([None, quick]) is quick
    both = together([quick, None, slow])
    assert isinstance(both, Several)
    both.join(Place())
    see(both, Kind.REQUEST)
    both.leave()
    assert told == ["a joins", "b joins", "a 1", "b 1", "a leaves", "b leaves"]
    assert not both.is_quick(0)
    assert Several([quick, quick]).is_quick(0)


def test_which_channels_are_quick() -> None:
    """A channel that is known takes no Python code; an unknown one is asked for first."""
    listened = Listened(EventRing(1000, 0, 0))
    assert not listened.tap.is_quick(0)
    see(listened.tap, Kind.MESSAGE)
    see(listened.tap, Kind.MESSAGE, channel=7)
    known: list[Callable[[int], bool]] = [listened.tap.is_quick]
    assert [known[0](channel) for channel in (0, 1, 7, -1)] == [True, False, True, False]
