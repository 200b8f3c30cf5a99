"""What is written is read again, and files of others are understood, damaged or not."""

import contextlib
import io
import json
import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mboxio.capture import parsing
from mboxio.capture.blocks import interface_description, packet_block, section_header
from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.jsonl import first_line, line_of
from mboxio.capture.packets import direction, packet_of
from mboxio.capture.parsing import BLOCK_BYTES_MAX
from mboxio.capture.reading import Capture, CaptureError, read
from tests.capture.events import BACK, START_NS, any_event, life

pytestmark = pytest.mark.once


def pcapng(events: Iterable[Event]) -> list[bytes]:
    """Return the blocks of a capture."""
    blocks = [section_header(START_NS, 1234)]
    numbers: dict[Source, int] = {}
    for each in events:
        if each.source not in numbers:
            numbers[each.source] = len(numbers)
            blocks.append(interface_description(each.source))
        way = direction(each.kind, each.source.side == "remote")
        data, length = packet_of(each), each.length + 40
        number = numbers[each.source]
        blocks.append(packet_block(number, each.time_ns, data, length, way, each.lost, "said"))
    return blocks


def jsonl(events: Iterable[Event]) -> list[bytes]:
    return [first_line(START_NS, 1234), *(line_of(each, comment="said") for each in events)]


FORMATS = pytest.mark.parametrize("form", [pcapng, jsonl])


def opened(data: bytes) -> Capture:
    return read(io.BytesIO(data))


@FORMATS
@given(events=st.lists(any_event(), max_size=4))
def test_what_is_written_is_read(form, events: list[Event]) -> None:
    capture = opened(b"".join(form(events)))
    assert list(capture) == events
    assert (capture.warnings, capture.offset_ns, capture.pid) == ([], START_NS, 1234)


@FORMATS
def test_cut_at_any_byte_every_whole_event_remains(form) -> None:
    blocks = form(life())
    whole = b"".join(blocks)
    ends = [len(b"".join(blocks[: count + 1])) for count in range(len(blocks))]
    for size in range(len(whole)):
        capture = opened(whole[:size])
        found = list(capture)
        before = sum(end <= size for end in ends)
        kept = [each for each in blocks[:before] if b"mboxio\x00\x00" in each or b"time_ns" in each]
        # A line is whole without its end.
        assert found[: len(kept)] == life()[: len(kept)]
        assert len(found) - len(kept) in (0, int(whole[size : size + 1] == b"\n"))
        dropped = size - ([0, *ends][before])
        if len(found) == len(kept) and dropped and whole[size : size + 1] != b"\n":
            (warning,) = capture.warnings
            assert "cut short" in warning
            assert f" {dropped} bytes" in warning


@FORMATS
@given(data=st.data())
def test_changed_at_random_nothing_but_events_and_warnings_comes_out(form, data) -> None:
    whole = bytearray(b"".join(form(life())))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    capture = opened(bytes(whole))
    with contextlib.suppress(CaptureError):
        for event in capture:
            json.loads(line_of(event))
            pcapng([event])
    assert all(len(each) < 300 and each.isprintable() for each in capture.warnings)


@given(junk=st.binary(max_size=200))
def test_a_section_of_junk_gives_nothing(junk: bytes) -> None:
    assert all(isinstance(each, Event) for each in opened(section_header() + junk))


def foreign(order: str, resolution: bytes, count: int) -> bytes:
    """Write a capture as others do: their order, their clock, and blocks that nobody knows."""

    def block(kind: int, body: bytes) -> bytes:
        length = len(body) + 12
        return struct.pack(f"{order}2I", kind, length) + body + struct.pack(f"{order}I", length)

    def option(code: int, value: bytes) -> bytes:
        return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)

    options = option(2, b"eth0") + option(77, b"?") + resolution + option(0, b"")
    data = packet_of(Event(0, Kind.REPLY, BACK, message=b"abc"))
    head = struct.pack(f"{order}5I", 0, count >> 32, count & 0xFFFFFFFF, len(data), len(data))
    dropped = option(4, struct.pack(f"{order}Q", 5))
    return (
        block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
        + block(0x0BAD, bytes(64))
        + block(1, struct.pack(f"{order}HHI", 252, 0, 0) + options)
        + block(6, head + data + bytes(-len(data) % 4) + option(9999, b"x") + dropped)
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "count", "time_ns"),
    [
        (b"", 1_790_000_000_000_001, 1_790_000_000_000_001_000),  # microseconds
        (9, START_NS, START_NS),
        (12, 1_790_000_000_123_456_789, 1_790_000_000_123_456),
        (0, 1_790_000_000, 1_790_000_000_000_000_000),
        (0x80 | 30, (5 << 30) + 1, 5_000_000_000),
        (0x80 | 10, (7 << 10) + 512, 7_500_000_000),
    ],
)
def test_files_of_others(order: str, resolution, count: int, time_ns: int) -> None:
    said = struct.pack(f"{order}HHB3x", 9, 1, resolution) if resolution != b"" else b""
    # Two sections: the interfaces of the second are its own.
    capture = opened(foreign(order, said, count) + b"".join(pcapng(life())))
    first, *others = capture
    # The flag of the head says who saw it, where no description does.
    assert first == Event(time_ns, Kind.REPLY, Source("eth0", "", "remote"), message=b"abc", lost=5)
    assert others == life()
    assert capture.warnings == []


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a socket may."""

    def __init__(self, data: bytes, at_once: int) -> None:
        self.data = io.BytesIO(data)
        self.at_once = at_once

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self.data.readinto(memoryview(buffer)[: self.at_once])


@FORMATS
@pytest.mark.parametrize("at_once", [1, 3, 11])
def test_streams_that_give_little_at_a_time(form, at_once: int) -> None:
    data = b"".join(form(life()))
    capture = read(Trickle(data, at_once))  # type: ignore[arg-type]
    assert list(capture) == life()
    assert capture.warnings == []
    capture = read(Trickle(data[:-3], at_once))  # type: ignore[arg-type]
    assert list(capture) == life()[:-1]
    assert "cut short" in capture.warnings[0]


def changed(block: bytes, at: int, form: str, value: int) -> bytes:
    found = bytearray(block)
    struct.pack_into(form, found, at, value)
    return bytes(found)


HEAD, DESCRIBED, PACKET = pcapng(life()[:1])
MESSAGE_AT = 28 + 16


@pytest.mark.parametrize(
    ("bad", "says", "goes_on"),
    [
        (changed(PACKET, 4, "<I", 8), "a block of 8 bytes cannot be; the rest, ", False),
        (changed(PACKET, 4, "<I", 61), "a block of 61 bytes cannot be", False),
        (changed(PACKET, 4, "<I", BLOCK_BYTES_MAX + 4), "is too long", False),
        (
            changed(PACKET, len(PACKET) - 4, "<I", 12),
            f"{len(PACKET)} bytes at its start, 12",
            False,
        ),
        (changed(HEAD, 8, "<I", 7), "a section without its magic number", False),
        (changed(PACKET, 8, "<I", 9), "1 packet: a channel", True),
        (changed(PACKET, 12, "<I", 0xFFFFFFFF), "1 packet: an impossible time", True),
        (changed(PACKET, 20, "<I", 0x7FFFFFF), "1 packet: shorter", True),
        (changed(PACKET, 20, "<I", 30), "1 packet: no event", True),
        (changed(PACKET, MESSAGE_AT + 1, "<B", 99) * 2, "2 packets: no event", True),
        (changed(PACKET, MESSAGE_AT + 3, "<B", 10), "no event", True),
        (changed(PACKET, MESSAGE_AT + 22, "<B", 23), "no event", True),
        (changed(PACKET, MESSAGE_AT - 10, "<B", 0), "no event", True),
    ],
)
def test_a_bad_block_is_told_of(tmp_path: Path, bad: bytes, says: str, goes_on: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(HEAD + DESCRIBED + PACKET + bad + PACKET)
    with read(path) as capture:
        found = list(capture)
    assert found == life()[:1] * (2 if goes_on else 1)
    (warning,) = capture.warnings
    assert says in warning
    if "the rest, " in says:
        assert f"{len(bad + PACKET)} bytes, is dropped" in warning


@pytest.mark.parametrize("limit", ["INTERFACES_MAX", "DESCRIBED_BYTES_MAX"])
def test_a_file_cannot_describe_channels_without_end(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    described = [interface_description(Source("shm:demo", str(each))) for each in range(9)]
    again = described[0] * 5000  # the same program may connect many times
    data = b"".join([HEAD, DESCRIBED, PACKET, again, *described, PACKET])
    assert list(opened(data)) == life()[:1] * 2
    monkeypatch.setattr(parsing, limit, 900)
    capture = opened(data)
    assert list(capture) == life()[:1]
    assert capture.warnings == ["too many channels are described; the rest is dropped"]


def test_a_longer_head_is_passed_over_by_its_length() -> None:
    data = bytearray(packet_of(life()[0])[: 16 + 24] + b"new!" + b"ask")
    data[16], data[16 + 22] = 2, 28
    block = packet_block(0, START_NS, bytes(data), len(data))
    assert list(opened(HEAD + DESCRIBED + block)) == life()[:1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", []),
        (b"\n", []),
        (b"[1]\n", ["1 line: not a JSON object"]),
        (b"{" + b'"a": [[],' * 10_001 + b"\n", ["not a JSON object"]),
        (b"[" * 100_000 + b"\n{}\n", ["not a JSON object", "no event"]),
        (line_of(life()[0]).replace(b'"request"', b'"novelty"'), ["no event"]),
        (line_of(life()[0]).replace(b'"host"', b'["host"]'), None),
        (line_of(life()[0]).replace(b": 7", b": 7.5"), ["no event"]),
        (line_of(life()[0]).replace(b"61736b", b"6173 "), None),
        (line_of(life()[0]).replace(b"61736b", b"61736"), ["no event"]),
    ],
)
def test_lines_that_are_no_events(text: bytes, says: list[str] | None) -> None:
    capture = opened(first_line() + text + line_of(life()[1]))
    found = list(capture)
    assert len(found) == 1 + (says is None)
    for text_part, warning in zip(says or [], capture.warnings, strict=True):
        assert text_part in warning


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GIF89a", "it begins with 47 49 46 38"),
        (b"\xd4\xc3\xb2\xa1rest", "it is pcap"),
        (b"\x1f\x8b\x08\x00", "it is compressed"),
        (b'{"version": 1}\n', 'its first line is not {"mboxio": "capture", ...}'),
        (b"{]\n", "its first line"),
    ],
)
def test_what_is_no_capture(data: bytes, says: str) -> None:
    with pytest.raises(CaptureError, match="is no capture") as error:
        list(opened(data))
    assert says in str(error.value)


def test_an_empty_file_and_one_that_is_missing(tmp_path: Path) -> None:
    capture = opened(b"")
    assert (list(capture), capture.warnings) == ([], ["it is empty"])
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")
