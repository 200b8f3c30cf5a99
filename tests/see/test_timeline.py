"""Events become slices: what each means, and that nonsense makes no malformed timeline."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mboxio.capture.event import OUTCOMES, Event, Kind, Source
from mboxio.see.timeline.sink import Details, Family, Stage, Track
from mboxio.see.timeline.timeline import Timeline

pytestmark = pytest.mark.once

HOST = Source("shm:demo", "pmic", "host", 0, 4, 64)
REMOTE = Source("demo", "pmic", "remote", 0, 4, 64)
DONE, TIMED_OUT, CANCELLED = map(OUTCOMES.index, ("done", "timed out", "cancelled"))


@dataclass
class Checked:
    """A sink that refuses what is malformed, and remembers the rest as lines."""

    now_ns: int = 0
    tracks: set[Track] = field(default_factory=set)
    open: dict[Track, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[Track, int] = field(default_factory=dict)
    flows: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    lines: list[str] = field(default_factory=list)

    def at(self, track: Track, time_ns: int, flow: int, what: str) -> None:
        assert self.now_ns <= time_ns < 1 << 63
        assert track in self.tracks
        self.now_ns = time_ns
        if flow:
            self.flows[flow] += 1
        self.lines.append(f"{time_ns} {track.family.name.lower()} {track.lane}: {what}")

    def track(self, track: Track) -> None:
        assert track.key not in {each.key for each in self.tracks}
        self.tracks.add(track)

    def begin(
        self,
        track: Track,
        time_ns: int,
        name: str,
        stage: Stage | None = None,
        details: Details = (),
        flow: int = 0,
    ) -> None:
        self.at(track, time_ns, flow, f"( {name}")
        assert not track.family.is_counter
        # A request has one stage at a time, and what else there is has none.
        assert len(self.open[track]) < 2
        assert not self.open[track] or stage in (
            Stage.ACCEPTED,
            Stage.TO_TX_DONE,
            Stage.AWAITING_REPLY,
        )
        self.open[track].append(name)

    def end(self, track: Track, time_ns: int, details: Details = ()) -> None:
        name = self.open[track].pop()
        self.at(track, time_ns, 0, f") {name}")

    def instant(
        self, track: Track, time_ns: int, name: str, details: Details = (), flow: int = 0
    ) -> None:
        assert not track.family.is_counter
        self.at(track, time_ns, flow, name)

    def count(self, track: Track, time_ns: int, value: int) -> None:
        assert track.family.is_counter
        assert value >= 0
        assert self.counts.get(track) != value
        self.counts[track] = value
        self.at(track, time_ns, 0, str(value))


def drawn(*events: Event, with_remote: bool = False) -> list[str]:
    """Return what becomes of events, without counters."""
    sink = Checked()
    timeline = Timeline(sink, with_remote)
    for event in events:
        timeline.feed(event)
    timeline.close()
    assert not any(sink.open.values())
    assert all(times >= 2 for times in sink.flows.values())
    return [line for line in sink.lines if "_count" not in line]


def host(time_ns: int, kind: Kind, number: int = 0, **more: object) -> Event:
    return Event(time_ns, kind, HOST, number, **more)  # type: ignore[arg-type]


def remote(time_ns: int, kind: Kind, tag: int, **more: object) -> Event:
    return Event(time_ns, kind, REMOTE, 0, tag, **more)  # type: ignore[arg-type]


def test_an_ordinary_request() -> None:
    assert drawn(
        host(1, Kind.QUEUED, 7),
        host(2, Kind.REQUEST, 7, tag=3, expects_reply=True),
        host(3, Kind.TX_DONE, 7),
        host(4, Kind.REPLY, 7, outcome=DONE),
    ) == [
        "1 queued 0: ( #7 queued",
        "2 queued 0: ) #7 queued",
        "2 in_flight 0: ( #7",
        "2 in_flight 0: ( to TX done",
        "3 in_flight 0: ) to TX done",
        "3 in_flight 0: ( awaiting reply",
        "4 in_flight 0: ) awaiting reply",
        "4 in_flight 0: ) #7",
    ]


def test_a_request_that_timed_out_keeps_its_track_until_it_is_freed() -> None:
    assert drawn(
        host(1, Kind.REQUEST, 1),
        host(2, Kind.ENDED, 1, outcome=TIMED_OUT, handed_over=1),
        host(3, Kind.REQUEST, 2),  # has the next track
        host(4, Kind.REPLY, 2, outcome=DONE),
        host(5, Kind.LATE, 1),
        host(5, Kind.FREED, 1, message=b"reply"),
        host(6, Kind.MESSAGE, 3),  # has the first again
        host(7, Kind.TX_DONE, 3, outcome=DONE),
    ) == [
        "1 in_flight 0: ( #1",
        "1 in_flight 0: ( to TX done",
        "2 in_flight 0: timed out",
        "2 in_flight 0: ) to TX done",
        "2 in_flight 0: ) #1",
        "2 in_flight 0: ( #1 held",
        "3 in_flight 1: ( #2",
        "3 in_flight 1: ( to TX done",
        "4 in_flight 1: ) to TX done",
        "4 in_flight 1: ) #2",
        "5 events 0: late reply #1",
        "5 in_flight 0: ) #1 held",
        "6 in_flight 0: ( #3",
        "6 in_flight 0: ( to TX done",
        "7 in_flight 0: ) to TX done",
        "7 in_flight 0: ) #3",
    ]


@pytest.mark.parametrize(
    "ends",
    [
        [host(2, Kind.ENDED, 1, outcome=CANCELLED, handed_over=0)],
        [
            host(2, Kind.REPLY, 1, status=-5, message=b"no"),
            host(2, Kind.ENDED, 1, outcome=TIMED_OUT, handed_over=1),
        ],
    ],
    ids=["not handed over", "answered by an error"],
)
def test_what_holds_nothing_is_not_held(ends: list[Event]) -> None:
    lines = drawn(host(1, Kind.REQUEST, 1, expects_reply=True), *ends, host(3, Kind.DOORBELL))
    assert not [line for line in lines if "held" in line]
    assert "3 doorbells 0: doorbell" in lines


def test_a_driver_that_accepts_first_and_one_that_is_busy() -> None:
    lines = drawn(
        host(1, Kind.REQUEST, 1, handed_over=3),
        host(2, Kind.LEFT, 1),
        host(3, Kind.BUSY, 1),
        host(4, Kind.REQUEST, 1),
    )
    assert [line.partition(": ")[2] for line in lines] == [
        *("( #1", "( accepted", ") accepted", "( to TX done"),
        *("busy", ") to TX done", ") #1", "( #1 queued", ") #1 queued"),
        *("( #1", "( to TX done", "not over", ") to TX done", ") #1"),
    ]


def test_arrows_lead_to_the_remote_and_back() -> None:
    sink = Checked()
    timeline = Timeline(sink, with_remote=True)
    for origin, event in [
        (0, host(1, Kind.REQUEST, 1, tag=9)),
        (1, remote(2, Kind.REQUEST, 9)),
        (1, remote(3, Kind.REMOTE_REQUEST, 5)),
        (0, host(4, Kind.REMOTE_REQUEST, tag=5)),
        (0, host(5, Kind.ANSWER, tag=5)),
        (1, remote(6, Kind.ANSWER, 5)),
        (1, remote(7, Kind.REPLY, 9)),
        (0, host(8, Kind.REPLY, 1, tag=9, outcome=DONE)),
        (0, host(9, Kind.REQUEST, 2, tag=9)),  # never gets there
    ]:
        timeline.feed(event, origin)
    timeline.close()
    assert dict(sink.flows) == {1: 3, 2: 3, 3: 2}
    assert "2 served 0: ( #1 served" in sink.lines
    assert "8 in_flight 0: reply" in sink.lines


def test_a_capture_that_begins_in_the_middle() -> None:
    assert drawn(
        host(1, Kind.REPLY, 4, outcome=DONE),
        host(2, Kind.TX_DONE, 5),
        host(2, Kind.FREED, 6),
        host(3, Kind.ENDED, 5, outcome=TIMED_OUT),
        remote(4, Kind.REPLY, 3),
    ) == [
        "1 events 0: reply #4 to a request that was not seen",
        "3 events 0: timed out #5",
        "4 events 0: reply to a request that was not seen",
    ]


def test_what_comes_a_little_late_takes_its_place() -> None:
    lines = drawn(host(5, Kind.DOORBELL), host(2, Kind.REQUEST, 1))
    assert lines[0] == "2 in_flight 0: ( #1"
    many = [host(time_ns, Kind.DOORBELL) for time_ns in range(100, 300)]
    assert "235 in_flight 0: ( #1" in drawn(*many, host(2, Kind.REQUEST, 1))


def test_an_end_that_was_lost_is_given_up() -> None:
    """By the same tag, by a new life of the remote, and in the end by many more messages."""
    lines = drawn(
        host(1, Kind.REQUEST, 1, tag=1),
        host(2, Kind.REQUEST, 2, tag=1, lost=3),
        host(3, Kind.LINK),
        host(4, Kind.LINK, outcome=1),
    )
    assert "2 events 0: 3 events lost" in lines
    assert "2 in_flight 0: end not seen" in lines
    assert "4 in_flight 0: end not seen" in lines
    many = [
        event
        for number in range(3, 1003)
        for event in (host(number, Kind.MESSAGE, number), host(number, Kind.TX_DONE, number))
    ]
    lines = drawn(host(1, Kind.REQUEST, 1), host(2, Kind.LOST, lost=1), *many)
    assert "1002 in_flight 0: end not seen" in lines


def test_too_many_open_requests_push_the_oldest_out() -> None:
    lines = drawn(*(host(time, Kind.REQUEST, time) for time in range(1, 1026)))
    assert [line for line in lines if "not seen" in line] == ["1025 in_flight 0: end not seen"]
    lines = drawn(*(remote(time, Kind.REQUEST, time) for time in range(1, 1026)))
    assert [line for line in lines if "no answer" in line] == ["1025 served 0: no answer"]


SOURCES = [
    HOST,
    REMOTE,
    Source("shm:demo", ""),
    Source("loopback:", "\x1b[31m\udcff", "elsewhere"),
]
ANY_EVENTS = st.lists(
    st.tuples(
        st.builds(
            Event,
            time_ns=st.one_of(st.integers(0, 50), st.integers(-(1 << 70), 1 << 70)),
            kind=st.sampled_from(Kind),
            source=st.sampled_from(SOURCES),
            number=st.one_of(st.integers(0, 4), st.integers(-1, 1 << 64)),
            tag=st.one_of(st.none(), st.integers(0, 2)),
            status=st.one_of(st.just(0), st.integers(-(1 << 31), (1 << 31) - 1)),
            outcome=st.integers(0, 12),
            handed_over=st.integers(0, 5),
            expects_reply=st.booleans(),
            message=st.binary(max_size=40),
            lost=st.sampled_from([0, 0, 0, 0, 1, 1 << 64]),
        ),
        st.integers(0, 1),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ANY_EVENTS, st.booleans())
def test_nonsense_is_well_formed(events: list[tuple[Event, int]], with_remote: bool) -> None:
    sink = Checked()
    timeline = Timeline(sink, with_remote)
    for event, origin in events:
        timeline.feed(event, origin)
    timeline.close()
    assert not any(sink.open.values())
    assert all(times >= 2 for times in sink.flows.values())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=100), st.integers(1, 5))
def test_what_is_open_is_what_the_counters_say(steps: list[int], depth: int) -> None:
    """Requests in any order: as many tracks as were ever in flight at once, all used again."""
    sink = Checked()
    timeline = Timeline(sink, window=0)
    numbers = count(1)
    open_now: list[int] = []
    most = 0
    for time_ns, step in enumerate(steps):
        if step < 2 and len(open_now) < depth:
            open_now.append(next(numbers))
            timeline.feed(host(time_ns, Kind.REQUEST, open_now[-1]))
        elif open_now:
            number = open_now.pop(step % len(open_now))
            timeline.feed(host(time_ns, Kind.REPLY, number, outcome=DONE))
        most = max(most, len(open_now))
        in_flight = (n for each, n in sink.counts.items() if each.family == Family.IN_FLIGHT_COUNT)
        assert sum(in_flight) == len(open_now)
        assert sum(bool(names) for names in sink.open.values()) == len(open_now)
    assert len([track for track in sink.tracks if track.family == Family.IN_FLIGHT]) == most
