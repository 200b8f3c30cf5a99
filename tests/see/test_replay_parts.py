"""Conversations out of events in any order, and which of them can be played."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.capture.event import OUTCOMES, Event, Kind, Source
from mboxio.capture.pieces import CaptureError
from mboxio.see.replay import Pace, Player, Unplayable, select
from mboxio.see.replay.conversation import Exchange, conversations
from mboxio.see.replay.difference import Difference, explain
from mboxio.see.replay.outcome import Outcome
from mboxio.see.replay.wire import correlator_of, untagged

pytestmark = pytest.mark.once

SHM = Source("shm:t", "pmic")
ACPM = Source("acpm:?at=peer:t", "1")
SOURCES = [
    SHM,
    ACPM,
    Source("shm:t", "pmic", "remote"),
    Source("acpm:?at=peer:t", "1", "remote"),
    Source("no address", ""),
]
MS = 1_000_000

EVENTS = st.builds(
    Event,
    time_ns=st.integers(0, 50),
    kind=st.sampled_from(Kind),
    source=st.sampled_from(SOURCES),
    number=st.integers(0, 3),
    tag=st.none() | st.integers(0, 3),
    status=st.integers(-2, 2),
    outcome=st.integers(0, 255),
    handed_over=st.integers(0, 3),
    expects_reply=st.booleans(),
    message=st.sampled_from([b"", b"a", bytes(8), b"\0\0\3\0four", b"\xff\xfe"]),
    length=st.sampled_from([-1, -1, -1, 100]),
    lost=st.integers(0, 2),
)


@given(st.lists(EVENTS, max_size=40))
def test_any_events_make_conversations(events: list[Event]) -> None:
    found = conversations(events)
    assert {each.source for each in found} == {each.source for each in events}
    for each in found:
        mine = [one for one in events if one.source == each.source]
        assert each.lost == sum(one.lost for one in mine)
        assert len(each.exchanges) + each.unsent + each.strays <= len(mine)
        times = [one.at_ns for one in each.exchanges]
        assert times == sorted(times)
        for one in each.exchanges:
            assert one.left
            assert one.end == "unknown" or one.end in OUTCOMES[OUTCOMES.index("done") :]
            assert one.took_ns >= 0
    with suppress(Unplayable):  # and nothing else
        selection = select(events)
        assert all(not one.is_cut for each in selection.conversations for one in each.exchanges)


def request(number: int, at_ms: int, kind: Kind = Kind.REQUEST, **more: object) -> Event:
    made = {"number": number, "tag": number, "handed_over": 1, "message": b"ask", **more}
    return Event(at_ms * MS, kind, SHM, **made)  # type: ignore[arg-type]


def only(*events: Event) -> list[Exchange]:
    (found,) = conversations(events)
    return found.exchanges


def test_messages_that_never_left_are_left_out() -> None:
    found = select(
        [
            request(1, 1, handed_over=3),  # accepted, and cancelled before it left
            request(1, 2, Kind.ENDED, outcome=8, handed_over=0, message=b"cancelled"),
            request(2, 3),  # the hardware says that it never reached the remote
            request(2, 4, Kind.TX_DONE, status=5),
            request(3, 5),  # there was no room, ever
            request(3, 6, Kind.BUSY),
            request(4, 7, Kind.QUEUED),  # it timed out while it waited for a place
            request(4, 8, Kind.ENDED, outcome=7, handed_over=0),
            request(5, 9, handed_over=3),  # accepted, and left later
            request(5, 10, Kind.LEFT, message=b""),
            request(5, 11, Kind.REPLY, outcome=5, message=b"yes"),
            request(6, 12),
            request(6, 13, Kind.BUSY),  # taken back once
            request(6, 14),
        ]
    )
    (conversation,) = found.conversations
    assert [each.at_ns // MS for each in conversation.sent] == [10, 14]
    assert conversation.unsent == 4
    assert found.warnings == ["shm:t/pmic: messages that never left, and are left out: 4"]


def test_a_recording_that_begins_in_the_middle_or_has_holes() -> None:
    found = select(
        [
            request(1, 1, Kind.REPLY, outcome=5, message=b"to whom?"),
            request(2, 2),
            request(3, 3, lost=7),
            request(3, 4, Kind.REPLY, outcome=5, message=b"yes"),
        ]
    )
    (conversation,) = found.conversations
    assert [each.end for each in conversation.sent] == ["unknown", "done"]
    assert found.warnings == [
        "shm:t/pmic: events lost when it was recorded: 7",
        "shm:t/pmic: replies to messages that are not in it: 1",
    ]


def test_two_programs_with_the_same_numbers_are_told_by_their_tags() -> None:
    found = only(
        request(1, 1, tag=10),
        request(1, 2, tag=20),
        request(1, 3, Kind.REPLY, tag=10, outcome=5, message=b"ten"),
        request(1, 4, Kind.REPLY, tag=20, outcome=5, message=b"twenty"),
    )
    assert [each.reply for each in found] == [b"ten", b"twenty"]


def test_at_the_remote_the_wire_says_what_belongs_together() -> None:
    far = Source("peer:t", "1", "remote")
    rings = Source("shm:t", "pmic", "remote")
    acpm, shm = conversations(
        [
            Event(1, Kind.MESSAGE, far, tag=0, message=b"\0\0\1\0ask1"),
            Event(2, Kind.MESSAGE, far, tag=0, message=b"\0\0\2\0ask2"),
            Event(3, Kind.NOTIFICATION, far, message=b"\0\0\2\0two."),
            Event(4, Kind.NOTIFICATION, far, message=b"\0\0\0\0hint"),
            Event(5, Kind.NOTIFICATION, far, message=b"\0\0\1\0one."),
            Event(6, Kind.REQUEST, rings, tag=7, message=b"first"),
            Event(7, Kind.REPLY, rings, tag=7, message=b"1"),
            Event(8, Kind.REQUEST, rings, tag=7, message=b"again"),
            Event(9, Kind.REPLY, rings, tag=7, status=5, message=b"no"),
        ]
    )
    assert [each.reply for each in acpm.sent] == [b"\0\0\1\0one.", b"\0\0\2\0two."]
    assert [each.kind for each in acpm.exchanges] == [Kind.REQUEST, Kind.REQUEST, Kind.NOTIFICATION]
    assert [(each.reply, each.status) for each in shm.sent] == [(b"1", 0), (b"no", 5)]


def test_a_link_that_is_lost_at_the_end_is_the_end() -> None:
    lost = Event(9 * MS, Kind.LINK, SHM, message=b"closed")
    assert [each.kind for each in only(request(1, 1), lost)] == [Kind.REQUEST]
    back = Event(10 * MS, Kind.LINK, SHM, outcome=1)
    assert [each.kind for each in only(request(1, 1), lost, back, request(2, 11))] == [
        Kind.REQUEST,
        Kind.LINK,
        Kind.REQUEST,
    ]


def test_what_cannot_be_played_is_refused_in_a_line() -> None:
    cut = Event(1, Kind.REQUEST, SHM, 1, message=b"ab", length=300)
    other = Event(1, Kind.REQUEST, Source("shm:u", "pmic"), 1, message=b"ab")
    pointer = Event(1, Kind.REQUEST, Source("bcm2835:?raw=yes", "8"), 1, message=bytes(4))
    with pytest.raises(Unplayable, match=r"^the recording holds no messages$"):
        select([])
    with pytest.raises(Unplayable, match=r"message 1 on shm:t/pmic was cut .*snap length"):
        select([cut])
    with pytest.raises(Unplayable, match="'pmic' of shm:t and of shm:u: choose one, such as"):
        select([request(1, 1), other])
    with pytest.raises(Unplayable, match="no channel 'x'; there are: shm:t/pmic"):
        select([request(1, 1)], ["x"])
    with pytest.raises(Unplayable, match="addresses of buffers"):
        select([pointer])
    with pytest.raises(CaptureError):
        select(io.BytesIO(b"no capture at all"))
    with pytest.raises(Unplayable, match=r"acpm:\?at=peer:t cannot play it: .* numbers, not pmic"):
        Player([request(1, 1)], "acpm:?at=peer:t")
    assert len(select([cut, other], ["shm:u/pmic"]).conversations) == 1
    far = Event(1, Kind.REQUEST, Source("shm:t", "pmic", "remote"), tag=1, message=b"ab")
    (both,) = select([request(1, 1), far]).conversations
    assert both.source.side == "host"


def test_a_tag_is_no_part_of_a_message() -> None:
    acpm = correlator_of("acpm:?at=peer:t")
    assert untagged(b"\xff\xff\xff\xff.", acpm) == b"\xff\xff\xc0\xff."
    assert untagged(b"\xff\xff", acpm) == b"\xff\xff"
    for address in ("shm:t", "bcm2835:", "", "nothing"):
        assert untagged(b"\xff\xff\xff\xff", correlator_of(address)) == b"\xff\xff\xff\xff"


def test_pace() -> None:
    assert Pace().scaled_ns(1001) == 1001
    assert Pace(2.0, max_gap_s=1e-6).scaled_ns(4000) == 500
    assert Pace(1e-300).scaled_ns(1 << 64) == Pace().scaled_ns(1 << 64) == 10**15
    assert Pace(gaps=False).scaled_ns(4000) == Pace().scaled_ns(-3) == 0
    for wrong in ({"speed": 0}, {"speed": float("nan")}, {"max_gap_s": -1}):
        with pytest.raises(ValueError):
            Pace(**wrong)


EXPLAINED = """\
request 3 of 9 on pm\\x1bic, 0.001200 s after the first
  sent      00000000  01 02
  recorded  a reply of 10 bytes
  received  a reply of 7 bytes
  4 bytes differ, the first at 2
  recorded  00000000  00 01 02 03
  received  00000000  00 01 ff 03
                            ^^
  recorded  00000004  04 05 06 07
  received  00000004  04 05 06 --
                               ^^
  recorded  00000008  08 09
  received  00000008  -- --
                      ^^ ^^"""


def test_a_difference_is_explained_on_a_narrow_terminal() -> None:
    ten = bytes(range(10))
    received = Outcome("done", ten[:2] + b"\xff" + ten[3:7])
    difference = Difference(
        3, 9, True, SHM, "pm\x1bic", 1_200_000, b"\1\2", Outcome("done", ten), received
    )
    assert "\n".join(explain(difference, 40)) == EXPLAINED


@given(st.binary(max_size=600), st.binary(max_size=600), st.integers(1, 250))
def test_any_difference_fits(one: bytes, other: bytes, columns: int) -> None:
    recorded, received = Outcome("done", one), Outcome("failed", None, 5, "\x1b[2J" + "x" * 9)
    for each in (received, Outcome("done", other)):
        lines = list(explain(Difference(1, 1, True, SHM, "a", 0, one, recorded, each), columns))
        assert all(line.isprintable() for line in lines)
        assert len(lines) < 40
        dumps = [line for line in lines if "  0000" in line]
        assert all(len(line) <= max(columns, 33) for line in dumps)
