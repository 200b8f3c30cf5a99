"""What messages say: of the protocols of mboxio, of decoders of others, and of hostile bytes."""

import importlib.metadata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.capture.event import Event, Kind, Source
from mboxio.errors import AddressError
from mboxio.protocols.rpi_buffer import Ask, asks_in, encode
from mboxio.see.decoding import catalogue, pairing
from mboxio.see.decoding.contract import Decoded, Message
from mboxio.see.decoding.decoders import Decoders, protocols_of
from mboxio.see.decoding.pairing import Pairs
from mboxio.see.decoding.words import KINDS, absolute_time, arrow, remarks, seconds
from tests.capture.events import any_event
from tests.see.traffic import PMIC, PROPERTY, START_NS, board, pmic

pytestmark = pytest.mark.once


def texts(events: list[Event], **protocols: str) -> list[str | None]:
    """Return what the messages of events say."""
    complaints: list[str] = []
    decoders = Decoders({"": "acpm-pmic"}, complaints.append)
    found = [decoders.decode(each) for each in events if each.kind is not Kind.TX_DONE]
    assert complaints == []
    return [None if each is None else each.text for each in found]


def test_operations_of_a_pmic() -> None:
    at = "(kind 1, bus 0)"
    assert texts(pmic()) == [
        f"write 0x55 to register 0x12 {at}",
        f"write of register 0x12 {at}: done",
        f"read register 0x12 {at}",
        f"0x55 in register 0x12 {at}",
        f"update bits 0xc0 to 0xf0 in register 0x12 {at}",
        f"update of register 0x12 {at}: done",
        f"write 01 02 03 to registers 0x20 to 0x22 {at}",
        f"bulk-write of registers 0x20 to 0x22 {at}: done",
        f"read registers 0x20 to 0x23 {at}",
        f"01 02 03 00 in registers 0x20 to 0x23 {at}",
        f"read register 0x40 {at}",
        f"read of register 0x40 {at}: result 1 (EACCES)",
    ]


def test_tags_of_a_raspberry_pi() -> None:
    events = board()
    complaints: list[str] = []
    decoders = Decoders({}, complaints.append)  # its address says what it speaks
    found = [decoders.decode(each) for each in events if each.kind is not Kind.TX_DONE]
    said = [[each.text, *each.lines] for each in found if each is not None]
    assert complaints == []
    assert said[:8] == [
        ["temperature"],
        ["temperature: 48.3 °C"],
        ["ARM clock, MAC address"],
        ["ARM clock: 600 MHz, MAC address: b8:27:eb:01:23:45"],
        ["set ARM clock to 700 MHz"],
        ["set ARM clock: 700 MHz"],
        ["set USB_HCD power on"],
        ["the firmware failed (0x80000001), set USB_HCD power: unknown to this firmware"],
    ]
    assert said[8][:2] == ["14 tags", "firmware revision"]
    assert "throttled: under voltage + throttled + was under voltage + was throttled" in said[9]
    assert said[10:] == [
        ["tag 0x00000777 (01 02)"],
        ["tag 0x00000777: ab ab ab ab ab ab ab ab of 20 bytes"],
    ]
    assert found[3] is not None
    assert found[3].fields == {
        "code": 0x80000000,
        "tags": [
            {"tag": 0x30002, "name": "ARM clock", "value": 600_000_000},
            {"tag": 0x10003, "name": "MAC address", "value": "b8:27:eb:01:23:45"},
        ],
    }


@pytest.mark.parametrize(("events", "protocol"), [(pmic(), "acpm-pmic"), (board(), "rpi-property")])
def test_replies_alone_say_the_same(events: list[Event], protocol: str) -> None:
    """Whoever begins to record in the middle has not seen the request."""
    replies = [each for each in events if each.kind is Kind.REPLY]
    complaints: list[str] = []
    both, alone = (Decoders({"": protocol}, complaints.append) for _ in range(2))
    paired = [both.decode(each) for each in events]
    found = [alone.decode(each) for each in replies]
    assert complaints == []
    assert [each for each in found if each] == [
        said
        for each, said in zip(events, paired, strict=True)
        if each.kind is Kind.REPLY and said is not None
    ]


def test_acpm_is_known_by_its_address_and_shows_words() -> None:
    decoders = Decoders({"pmic": "acpm-pmic"}, pytest.fail)
    source = Source("acpm:?at=file:x", "3")
    event = Event(0, Kind.REQUEST, source, message=bytes.fromhex("0300050001000000"))
    assert decoders.decode(event) == Decoded(
        "number 5: 00050003 00000001", (), {"number": 5, "words": [0x50003, 1]}
    )
    assert decoders.protocol_of(replace(source, channel="pmic")) == "acpm-pmic"
    assert decoders.protocol_of(PMIC) == "acpm-pmic"
    assert decoders.protocol_of(PROPERTY) == "rpi-property"
    assert decoders.protocol_of(Source("bcm2835:", "1")) is None
    assert decoders.protocol_of(Source("vcio:", "")) == "rpi-property"
    assert Decoders({str(PMIC): "acpm", "": "acpm-pmic"}, print).protocol_of(PMIC) == "acpm"


@given(data=st.data(), name=st.sampled_from(sorted(catalogue.BUILT_IN)))
def test_hostile_bytes_cost_a_line(data: st.DataObject, name: str) -> None:
    complaints: list[str] = []
    decoders = Decoders({"": name}, complaints.append)
    for event in data.draw(st.lists(any_event(), max_size=3)) + changed(data):
        decoded = decoders.decode(event)
        assert decoded is None or (decoded.text and decoded.fields)
    assert len(complaints) == len(set(complaints))


def changed(data: st.DataObject) -> list[Event]:
    """Return real traffic, with a few of its bytes changed."""
    found: list[Event] = []
    for each in data.draw(st.sampled_from([pmic()[:3], board()[12:15]])):
        message = bytearray(each.message)
        for _ in range(data.draw(st.integers(0, 3)) if message else 0):
            message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
        found.append(replace(each, message=bytes(message)))
    return found


@pytest.mark.parametrize(
    "buffer",
    [
        b"",
        bytes(8),
        encode([])[:-4],
        encode([Ask(5, b"1234")])[:-4],
        encode([Ask(5, b"1234")]).replace(b"\4\0\0\0", b"\xff\0\0\0", 1),
        encode([Ask(5, b"1234")])[:24] + b"\1\0\0\0",
    ],
)
def test_buffers_that_are_damaged(buffer: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        asks_in(buffer)
    asks = [Ask(5, b"123", 8), Ask(7)]
    assert asks_in(encode(asks)) == [asks[0], Ask(7, b"", 0)]


class Hostile:
    """A decoder of another package, which may do anything."""

    def decode(self, message: Message) -> Any:
        if message.data == b"raise":
            raise RuntimeError("never\x1b[2J\nmind")
        if message.data == b"junk":
            return "junk"
        if message.data == b"none":
            return None
        return Decoded(f"{message.request!r} -> {message.data!r}, {message.is_reply}")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points of another package."""
    entries = [
        importlib.metadata.EntryPoint(name, f"{__name__}:{value}", catalogue.GROUP)
        for name, value in (("hostile", "Hostile"), ("broken", "Nowhere"), ("text", "__doc__"))
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: entries)
    found = {"Hostile": Hostile, "__doc__": __doc__}
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda self: found[self.attr])


@pytest.mark.usefixtures("outside")
def test_decoders_of_other_packages() -> None:
    complaints: list[str] = []
    decoders = Decoders({"": "hostile"}, complaints.append)

    def said(data: bytes, kind: Kind = Kind.REQUEST, number: int = 1) -> Decoded | None:
        return decoders.decode(Event(0, kind, PMIC, number, message=data))

    assert said(b"ask") == Decoded("None -> b'ask', False")
    assert said(b"told", Kind.REPLY) == Decoded("b'ask' -> b'told', True")
    assert said(b"again", Kind.LATE) == Decoded("None -> b'again', True")
    assert [said(each) for each in (b"raise", b"raise", b"junk", b"none")] == [None] * 4
    assert complaints == [
        "hostile cannot decode a message of shm:demo/pmic: RuntimeError: never\x1b[2J\nmind",
        "the decoder of hostile returned str, not Decoded",
    ]
    with pytest.raises(AddressError, match="no protocol 'x'; there are: acpm, acpm-pmic, broken,"):
        Decoders({"": "x"}, print)
    with pytest.raises(AddressError, match="'broken' cannot be loaded: KeyError"):
        Decoders({"": "broken"}, print)
    with pytest.raises(AddressError, match=r"'text' cannot be loaded: .* is no class"):
        Decoders({"": "text"}, print)
    assert protocols_of(["a", "b=c"]) == {"": "a", "c": "b"}
    with pytest.raises(ValueError, match="two protocols for channel 'c'"):
        protocols_of(["a=c", "b=c"])


def test_pairs_by_number_and_at_the_remote_by_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = Pairs()
    back = replace(PMIC, side="remote")

    def seen(kind: Kind, source: Source, number: int, tag: int, message: bytes = b"") -> Any:
        return pairs.request_of(Event(0, kind, source, number, tag, message=message))

    for number, tag, message in ((1, 7, b"one"), (2, 7, b"two")):
        assert seen(Kind.REQUEST, PMIC, number, tag, message) is None
    assert seen(Kind.REQUEST, back, 0, 7, b"there") is None
    assert seen(Kind.REMOTE_REQUEST, PMIC, 0, 7, b"remote asks") is None
    assert seen(Kind.ANSWER, PMIC, 0, 7) == b"remote asks"
    assert seen(Kind.REPLY, back, 0, 7) == b"there"
    assert seen(Kind.REPLY, PMIC, 1, 7) == b"one"
    assert seen(Kind.REPLY, PMIC, 1, 7) is None
    assert seen(Kind.LATE, PMIC, 2, 7) == b"two"
    # Requests that nothing answers are forgotten, the oldest first.
    monkeypatch.setattr(pairing, "BYTES_MAX", 10)
    for number in range(3, 6):
        seen(Kind.REQUEST, PMIC, number, 1, b"1234")
    assert [seen(Kind.REPLY, PMIC, number, 1) for number in (3, 4, 5)] == [None, b"1234", b"1234"]
    pairs.request_of(Event(0, Kind.REQUEST, PMIC, 9, message=b"cut", length=99))
    assert seen(Kind.REPLY, PMIC, 9, 0) is None


def test_events_in_words() -> None:
    assert len(set(KINDS.values())) == len(Kind)
    assert (seconds(-5), seconds(61_000_000_001)) == ("-0.000000005", "61.000000001")
    assert "26 " not in absolute_time(START_NS)
    assert ".123456789" in absolute_time(START_NS)
    event = Event(0, Kind.LINK, PMIC, status=3, outcome=1)
    assert (arrow(event), remarks(event)) == ("·", ["up, epoch 3"])
    ended = Event(0, Kind.ENDED, PMIC, 1, outcome=7, handed_over=2, message=b"why")
    assert remarks(ended) == ["timed out", "handed over: unknown", "why"]
    failed = Event(0, Kind.TX_DONE, PMIC, 1, status=-110, outcome=6)
    assert remarks(failed) == ["status -110 (ETIMEDOUT)"]
    error = Event(0, Kind.REPLY, PMIC, 1, status=5, message=b"no such register")
    assert remarks(error) == ["status 5 (EIO)", "no such register"]
    assert Decoders({"": "acpm-pmic"}, pytest.fail).decode(error) is None
    slow = Event(0, Kind.OVERFLOW, PMIC, status=12)
    assert remarks(slow) == ["12 messages thrown away for a slow subscriber"]
    accepted = Event(0, Kind.REQUEST, replace(PMIC, side="remote"), handed_over=3)
    assert (arrow(accepted), remarks(accepted)) == ("←", ["accepted by the driver"])
