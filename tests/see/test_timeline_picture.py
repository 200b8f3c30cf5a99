"""Pictures of whatever a capture holds are valid, and their axes are round."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mboxio.capture.event import Event
from mboxio.see.timeline.drawing import Panel, draw
from mboxio.see.timeline.picture import Picture
from mboxio.see.timeline.scale import Scale, duration, seconds_ns
from mboxio.see.timeline.timeline import Timeline
from tests.see.test_timeline import ANY_EVENTS

pytestmark = pytest.mark.once

TIMES = st.integers(0, 1 << 62)


@settings(max_examples=60, deadline=None)
@given(ANY_EVENTS, st.one_of(st.just(0), TIMES), st.one_of(st.none(), TIMES), st.integers(0, 2000))
def test_nonsense_makes_a_valid_picture(
    events: list[tuple[Event, int]], from_ns: int, to_ns: int | None, width: int
) -> None:
    picture = Picture(from_ns, to_ns, limit=20)
    timeline = Timeline(picture)
    for event, origin in events:
        timeline.feed(event, origin)
    timeline.close()
    root = ElementTree.fromstring(draw([Panel(picture), Panel(picture, "<&")], width, "\x1b"))
    wide = float(root.get("width", ""))
    for each in root.iter():
        for name in ("x", "width"):
            assert -1 <= float(each.get(name, "0")) <= wide


@given(TIMES, TIMES, st.integers(100, 2000))
def test_labels_are_round_and_apart(start_ns: int, length_ns: int, width: int) -> None:
    scale = Scale(start_ns, start_ns + length_ns, 10, width)
    ticks = list(scale.ticks(80))
    places = [place for place, _ in ticks]
    assert all(right - left >= 79 for left, right in pairwise(places))
    assert all(10 <= place <= 10.01 + width for place in places)
    # Whatever stands there is where it says.
    for place, text in ticks:
        if start_ns + length_ns < 1 << 40:
            said_ns = seconds_ns(text.replace(" ", ""))
            assert scale.place(said_ns) == pytest.approx(place, abs=0.01)


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "labels"),
    [
        (0, 100, ["0", "20 ns", "40 ns", "60 ns", "80 ns", "100 ns"]),
        (500, 2_500, ["0.5 µs", "1.0 µs", "1.5 µs", "2.0 µs", "2.5 µs"]),
        (0, 3_000_000, ["0", "1 ms", "2 ms", "3 ms"]),
        (0, 4_000_000_000, ["0", "1 s", "2 s", "3 s", "4 s"]),
        (1_999_999_999, 2_000_000_001, ["1.999999999 s", "2.000000000 s", "2.000000001 s"]),
    ],
)
def test_labels(start_ns: int, end_ns: int, labels: list[str]) -> None:
    assert [text for _, text in Scale(start_ns, end_ns, 0, 500).ticks(84)] == labels


def test_times_in_words() -> None:
    said = [duration(each) for each in (0, 7, 999, 1_000, 12_345, 123_456_789, 61 * 10**9)]
    assert said == ["0", "7 ns", "999 ns", "1.00 µs", "12.3 µs", "123 ms", "61.0 s"]
    times = [seconds_ns(each) for each in ("2", "1.5ms", " 200us", "3 µs", "7ns", "0.25s")]
    assert times == [2_000_000_000, 1_500_000, 200_000, 3_000, 7, 250_000_000]
    for wrong in ("", "soon", "-1s", "nan", "inf", "1e30", "ms"):
        with pytest.raises(ValueError, match="is not a time"):
            seconds_ns(wrong)
