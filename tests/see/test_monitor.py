"""What the monitor knows of each channel, whatever events it is fed with."""

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mboxio
from mboxio.capture.event import OUTCOMES, Event, Kind, Source
from mboxio.capture.reading import read
from mboxio.controllers.loopback import Loopback
from mboxio.recording.recorder import record
from mboxio.see.monitor.channel import OPEN_MAX, RECENT_MAX, ChannelState
from mboxio.see.monitor.facts import facts_of
from mboxio.see.monitor.histogram import STEPS, Histogram, Rate, Times, percentile
from mboxio.see.monitor.history import lines_of, row_of, summary
from mboxio.see.monitor.model import CHANNELS_MAX, Model
from mboxio.see.monitor.table import COLUMNS, NAME_MAX, count, duration, fitting
from mboxio.sim import VirtualClock

PMIC = Source("shm:demo", "pmic", depth=4)
SOURCES = [PMIC, Source("shm:demo", "pmic", "remote"), Source("vcio:", "", depth=1)]
DONE, FAILED, TIMED_OUT = (OUTCOMES.index(each) for each in ("done", "failed", "timed out"))
MS = 1_000_000

once = pytest.mark.once
times = st.integers(0, 50) | st.integers(0, (1 << 64) - 1)
events = st.builds(
    Event,
    times,
    st.sampled_from(Kind),
    st.sampled_from(SOURCES),
    st.integers(0, 5) | st.just((1 << 64) - 1),
    st.none() | st.integers(0, 3),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(0, 12),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([b"", b"epoch", b"tx_done", b"reply", b"\x1b[2J\xff", bytes(100)]),
    lost=st.just(0) | st.integers(0, (1 << 64) - 1),
)


def fed(events: Sequence[Event]) -> ChannelState:
    model = Model()
    model.feed(events)
    (channel,) = model.channels.values()
    return channel


def sent(number: int, at_ns: int = 0) -> Event:
    return Event(at_ns, Kind.REQUEST, PMIC, number, 7, 0, 3, 1, True, b"ask")


def replied(number: int, at_ns: int) -> Event:
    return Event(at_ns, Kind.REPLY, PMIC, number, 7, 0, DONE, 1, True, b"answer")


def ended(number: int, at_ns: int, outcome: int = TIMED_OUT, why: bytes = b"no reply") -> Event:
    return Event(at_ns, Kind.ENDED, PMIC, number, 7, 0, outcome, 1, True, why)


@once
@given(st.lists(events, max_size=40), st.booleans(), times)
def test_any_events_are_taken_and_told(events: list[Event], all_times: bool, later: int) -> None:
    model = Model(None if all_times else 1000)
    model.feed(events)
    now_ns = max(model.last_ns, later)
    assert model.events == len(events)
    for each in model.channels.values():
        assert each.in_flight + each.queued == len(each.open)
        assert 0 <= each.slots_used <= len(each.open) + len(each.held)
        assert min(each.counts.values()) >= 0
        assert not each.open.keys() & each.held.keys()
        for column in COLUMNS:
            text = column.text(each, now_ns)
            assert text.isprintable()
            assert len(text) <= column.width, column.name
        told = [*summary(each, now_ns), *lines_of([each], now_ns, 9)]
        for life in each.stuck(9) + each.ended(9):
            told += row_of(life, now_ns, each.doubt_ns)
            assert all(stage is None or stage >= 0 for stage in life.stages(now_ns))
        assert all(map(str.isprintable, told))
    assert all(each.why.isprintable() for each in model.fetch_notable())
    json.dumps(facts_of(model, now_ns), allow_nan=False)
    model.clear()
    json.dumps(facts_of(model, now_ns), allow_nan=False)


@once
def test_memory_is_bounded() -> None:
    """Requests that never end, tags that never end, channels and texts without end."""

    def endless(start: int, count: int) -> Model:
        for n in range(start, start + count):
            model.take(Event(n, Kind.REQUEST, PMIC, n + 1, expects_reply=True, message=bytes(5000)))
            model.take(Event(n, Kind.FREED, PMIC, n, message=b"%d" % n))
            model.take(Event(n, Kind.REQUEST, SOURCES[1], 0, n, message=b"?"))
            model.take(ended(n // 2 + 1, n, why=b"%d " % n * 1000))
            model.take(Event(n, Kind.UNKNOWN, Source("shm:demo", f"{n}")))
        return model

    model = Model(5)
    endless(0, 3 * OPEN_MAX)
    pmic = model.channels["shm:demo", "pmic", "host"]
    assert len(pmic.open) == OPEN_MAX
    assert len(pmic.held) <= OPEN_MAX
    assert len(pmic.recent) == RECENT_MAX
    assert pmic.forgotten > 0
    assert len(model.channels) == CHANNELS_MAX
    assert model.strangers == 3 * OPEN_MAX - (CHANNELS_MAX - 2)
    tracemalloc.start()
    endless(3 * OPEN_MAX, OPEN_MAX)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # What was replaced is not counted: all of it may be new, and nothing else.
    assert grown < 12 << 20


@once
def test_names_that_look_alike_are_told_apart() -> None:
    model = Model()
    model.feed(Event(0, Kind.DOORBELL, Source("x" * 300, f"{n}")) for n in range(3))
    assert len({each.name for each in model.channels.values()}) == 3


@once
def test_a_life_with_all_its_stages() -> None:
    channel = fed(
        [
            Event(0, Kind.LINK, PMIC, status=3, outcome=1),
            Event(0, Kind.QUEUED, PMIC, 1, expects_reply=True),
            Event(1 * MS, Kind.BUSY, PMIC, 1, expects_reply=True, message=b"no room"),
            sent(1, 2 * MS),
            Event(5 * MS, Kind.TX_DONE, PMIC, 1, 7, outcome=4, handed_over=1, expects_reply=True),
            replied(1, 9 * MS),
        ]
    )
    (life,) = channel.ended(9)
    assert life.stages(99 * MS) == (2 * MS, 3 * MS, 4 * MS)
    assert (channel.link, channel.epoch, channel.busy) == ("up", 3, 1)
    assert (channel.counts["done"], channel.slots_used, channel.in_flight) == (1, 0, 0)
    assert (channel.sent_last, channel.came_last) == (b"ask", b"answer")
    assert channel.trip.at(0.5, 0) == pytest.approx(7 * MS, rel=1 / 16)


@once
def test_why_a_request_is_stuck() -> None:
    accepted = Event(3, Kind.REQUEST, PMIC, 3, 7, 0, 3, 3, True, b"ask")
    channel = fed(
        [
            Event(1, Kind.QUEUED, PMIC, 1, expects_reply=True),
            sent(2, 2),
            accepted,
            sent(4, 4),
            Event(5, Kind.TX_DONE, PMIC, 4, 7, outcome=4, handed_over=1, expects_reply=True),
            sent(5, 5),
            ended(5, 6),
        ]
    )
    stages = {each.number: each.stage for each in channel.stuck(9)}
    assert stages == {
        1: "queued",
        2: "to TX done",
        3: "accepted",
        4: "awaiting reply",
        5: "held",
    }
    assert (channel.slots_used, channel.queued, channel.in_flight) == (3, 1, 3)
    text = lines_of([channel], 5 * MS, 9)
    assert text[0].startswith("shm:demo/pmic #1: queued for 5.00 ms: waits for a place")
    assert "wrong" not in text[0]
    channel.doubt_ns = 7
    assert "events were lost since then" in lines_of([channel], 8, 9)[0]


@once
@pytest.mark.parametrize("proof", ["late reply", "new epoch", "tx_done"])
def test_what_is_held_is_freed_by_its_proof(proof: str) -> None:
    channel = fed([Event(0, Kind.LINK, PMIC, status=1, outcome=1), sent(1, 1), ended(1, 2)])
    model = Model()
    model.channels["shm:demo", "pmic", "host"] = channel
    assert (list(channel.held), channel.slots_used) == ([1], 1)
    if proof == "late reply":
        model.take(Event(3, Kind.LATE, PMIC, 1, 7, message=b"late"))
        assert (list(channel.held), channel.slots_used) == ([1], 0)
        model.take(Event(3, Kind.FREED, PMIC, 1, 7, message=b"reply"))
    elif proof == "new epoch":
        model.take(Event(3, Kind.LINK, PMIC, status=2, outcome=1))
    else:  # it frees the slot, and a reply may still come
        model.take(Event(3, Kind.TX_DONE, PMIC, 1, 7, outcome=TIMED_OUT, handed_over=1))
        model.take(Event(3, Kind.FREED, PMIC, 1, 7, message=b"tx_done"))
    assert list(channel.held) == ([1] if proof == "tx_done" else [])
    assert (channel.slots_used, channel.counts["timed out"]) == (0, 1)


@once
def test_ends_are_counted_once_and_as_what_they_are() -> None:
    channel = fed(
        [
            sent(1),
            Event(1, Kind.REPLY, PMIC, 1, 7, -22, 4, 1, True, b"bad register"),
            ended(1, 1, FAILED, b"error -22: bad register"),
            Event(2, Kind.FREED, PMIC, 1, message=b"reply"),
            Event(3, Kind.MESSAGE, PMIC, 2, handed_over=1, message=b"one-way"),
            Event(4, Kind.TX_DONE, PMIC, 2, outcome=DONE, handed_over=1),
            Event(5, Kind.ANSWER, PMIC, 3, 1, message=b"here you are"),
            Event(6, Kind.TX_DONE, PMIC, 3, outcome=DONE, handed_over=1),
            Event(7, Kind.REFUSED, PMIC, 4, message=b"all slots are taken"),
            Event(8, Kind.QUEUED, PMIC, 5),
            ended(5, 9, OUTCOMES.index("cancelled"), b"cancelled"),
            replied(9, 10),  # it was sent before the capture began
            replied(9, 10),
        ]
    )
    counts = {how: number for how, number in channel.counts.items() if number}
    assert counts == {"failed": 1, "done": 2, "cancelled": 1}
    assert (channel.refused, channel.answers, channel.sent) == (1, 1, 2)
    assert (len(channel.open), len(channel.held)) == (0, 1)  # the cancelled one has handed_over 1


@once
def test_at_the_remote_a_reply_belongs_to_the_latest_request_with_its_tag() -> None:
    there = SOURCES[1]
    channel = fed(
        [
            Event(0, Kind.REQUEST, there, 0, 7, expects_reply=True, message=b"first"),
            Event(1, Kind.REQUEST, there, 0, 8, expects_reply=True, message=b"second"),
            Event(2, Kind.REQUEST, there, 0, 7, expects_reply=True, message=b"third"),
            Event(9, Kind.REPLY, there, 0, 7, message=b"reply"),
        ]
    )
    (over,) = channel.ended(9)
    assert (over.written, over.reply, over.stages(99)) == (b"third", b"reply", (None, 0, 7))
    assert [each.tag for each in channel.stuck(9)] == [8]
    assert (channel.came_last, channel.sent_last) == (b"third", b"reply")


@once
def test_many_of_the_same_are_told_once() -> None:
    model = Model()
    model.feed(ended(n + 1, n) for n in range(1000))
    told = model.fetch_notable()
    assert (len(told), sum(each.count for each in told)) == (21, 1000)
    assert model.fetch_notable() == []


def test_a_real_recording(tmp_path: Path) -> None:
    """What the events of a connection say agrees with its own counts."""
    kept: list[bytes] = []

    def far(channel: str, message: bytes) -> bytes | None:
        kept.append(message)
        return None if message == b"silent" else message[::-1]

    path = tmp_path / "a.pcapng"
    with (
        mboxio.Connection(Loopback(far=far), address="loopback:", clock=VirtualClock()) as made,
        record(made, path),
    ):
        client = made.client(0)
        assert client.request(b"abc") == b"cba"
        client.send(b"one-way")
        stuck = client.submit(b"silent", timeout_s=5)
        assert isinstance(stuck.exception(), mboxio.RequestTimeout)
        waiting = client.submit(b"silent", timeout_s=None)
        assert not waiting.wait(1)
        (stats,) = (each for each in made.stats().values() if each.sent)
    model = Model()
    with read(path) as capture:
        model.feed(capture)
        assert capture.warnings == []
    channel = next(each for each in model.channels.values() if each.sent)
    assert (channel.sent, channel.counts["done"]) == (stats.sent, stats.done) == (4, 2)
    assert channel.counts["timed out"] == stats.timed_out == 1
    assert waiting.done()  # when the connection was closed, which is not in the recording
    (stuck_there,) = channel.open.values()
    assert (stuck_there.stage, stuck_there.written) == ("awaiting reply", b"silent")


# -- numbers


@once
@given(st.lists(st.integers(0, (1 << 63) - 1), min_size=1), st.sampled_from([0.01, 0.5, 0.99]))
def test_a_percentile_is_off_by_one_part_in_32_at_most(values: list[int], share: float) -> None:
    histogram = Histogram()
    for each in values:
        histogram.add(each)
    exact = sorted(values)[max(-int(-share * len(values) // 1), 1) - 1]
    found = percentile([histogram], share)
    assert found is not None
    assert abs(found - exact) <= exact / (2 * STEPS)
    assert len(histogram.buckets) <= 64 * STEPS


@once
def test_recent_times_and_rates_forget() -> None:
    recent, everything = Times(10), Times()
    for now_ns in (0, 5, 12):
        recent.add(100 + now_ns, now_ns)
        everything.add(100 + now_ns, now_ns)
    assert recent.at(0.0, 12) is not None
    assert recent.at(0.5, 40) is None
    assert everything.at(0.5, 40) is not None
    rate = Rate()
    for n in range(400):
        rate.add(n * 10 * MS)
    assert rate.per_s(4000 * MS - 1) == pytest.approx(100, rel=0.15)
    assert rate.average(4000 * MS) == pytest.approx(100, rel=0.01)
    assert rate.per_s(9000 * MS) == 0


@once
def test_numbers_are_short() -> None:
    shown = [duration(each) for each in (None, 0, 999, 1500, 99_960, 3 * 10**9, 10**14, 10**19)]
    assert shown == ["-", "0 ns", "999 ns", "1.50 µs", "100 µs", "3.00 s", "28 h", "317 y"]
    assert [count(each) for each in (0, 0.25, 99_999, 123_456, 10**9, 10**20)] == [
        *("0", "0.2", "99999", "123k", "1000M", "many"),
    ]


@once
@given(st.integers(0, 400), st.integers(0, 100))
def test_columns_fit_the_width_and_go_by_importance(width: int, name_width: int) -> None:
    name, columns = fitting(width, name_width, 2)
    assert name <= NAME_MAX
    if columns:
        assert name + 2 + sum(each.width + 2 for each in columns) <= width
    left_out = {each.importance for each in COLUMNS} - {each.importance for each in columns}
    assert not left_out or max((each.importance for each in columns), default=0) < min(left_out)
