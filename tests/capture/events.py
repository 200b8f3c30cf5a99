"""Events for tests: any, and an ordinary life."""

from hypothesis import strategies as st

from mboxio.capture.event import HANDED_OVER, OUTCOMES, Event, Kind, Source

START_NS = 1_790_000_000_123_456_789
"""A time whose last digits no float has."""
PMIC = Source("shm:demo", "pmic", number=0, depth=32, message_bytes=64)
THERMAL = Source("shm:demo", "thermal", number=1, depth=8)
BACK = Source("shm:demo", "pmic", "remote")


def life() -> list[Event]:
    """A request and its reply, a late one, and a notification after which some were lost."""
    return [
        Event(
            START_NS, Kind.REQUEST, PMIC, 1, 7, handed_over=1, expects_reply=True, message=b"ask"
        ),
        Event(START_NS + 1, Kind.REQUEST, BACK, 0, 7, expects_reply=True, message=b"ask"),
        Event(START_NS + 900, Kind.TX_DONE, PMIC, 1, 7, outcome=4, handed_over=1),
        Event(START_NS + 2000, Kind.REPLY, PMIC, 1, 7, outcome=5, message=b"\x00\x1b[2J"),
        Event(START_NS + 3000, Kind.NOTIFICATION, THERMAL, message=b"61 degrees", lost=3),
        Event(START_NS + 4000, Kind.LATE, PMIC, 0, 9, -5, message=b"late", length=400),
        Event(START_NS + 5000, Kind.LINK, PMIC, outcome=1, status=2),
    ]


texts = st.text(max_size=12)
sources = st.builds(
    Source,
    texts,
    texts,
    st.sampled_from(["host", "remote"]),
    st.integers(0, 0xFFFF),
    st.integers(0, 1 << 16),
    st.integers(0, 1 << 20),
)


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    """Draw an event whose numbers have room in a file."""
    kind = draw(st.sampled_from(Kind))
    message = draw(st.binary(max_size=40))
    return Event(
        draw(st.integers(0, (1 << 63) - 1)),
        kind,
        draw(sources),
        draw(st.integers(0, (1 << 64) - 1)),
        draw(st.none() | st.integers(0, (1 << 32) - 2)),
        draw(st.integers(-(1 << 31), (1 << 31) - 1)),
        draw(st.integers(0, 1 if kind is Kind.LINK else len(OUTCOMES) - 1)),
        draw(st.integers(0, len(HANDED_OVER) - 1)),
        draw(st.booleans()),
        message,
        len(message) + draw(st.integers(0, 9)),
        draw(st.integers(0, (1 << 64) - 1)),
    )
