"""A file of Perfetto, read back as its viewer reads it."""

import io
import os
import stat
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from mboxio.capture.event import OUTCOMES, Event, Kind, Source
from mboxio.capture.output import Output
from mboxio.capture.pieces import CaptureError
from mboxio.capture.writing import open_writer
from mboxio.see.timeline import register
from mboxio.see.timeline.pftrace import BATCH_PACKETS, PerfettoSink, TraceWriter, write_pftrace
from mboxio.see.timeline.timeline import WINDOW, Timeline

pytestmark = pytest.mark.once

HOST = Source("shm:demo", "pmic", "host", 0, 4, 64)
REMOTE = Source("demo", "pmic", "remote", 0, 4, 64)
DONE, TIMED_OUT = OUTCOMES.index("done"), OUTCOMES.index("timed out")


def traffic(count: int) -> Iterator[Event]:
    """Requests, each in flight with the one before; every tenth is never answered."""
    yield Event(1, Kind.LINK, HOST, outcome=1)
    for number in range(1, count + 1):
        now, tag = number * 10, number % 4
        yield Event(now, Kind.REQUEST, HOST, number, tag, expects_reply=True, message=b"\xff\0")
        yield Event(now + 1, Kind.TX_DONE, HOST, number, tag)
        yield Event(now + 2, Kind.REQUEST, REMOTE, 0, tag)
        if number % 10 == 0:
            yield Event(now + 3, Kind.ENDED, HOST, number, tag, 0, TIMED_OUT, 1, message=b"\x1b")
            yield Event(now + 4, Kind.FREED, HOST, number, tag)
        elif number > 1:
            yield Event(now + 5, Kind.REPLY, REMOTE, 0, (number - 1) % 4)
            yield Event(now + 6, Kind.REPLY, HOST, number - 1, (number - 1) % 4, outcome=DONE)


def whole(events: Iterable[Event], with_remote: bool = False) -> bytes:
    """Return a file."""
    file = io.BytesIO()
    sink = PerfettoSink(file)
    timeline = Timeline(sink, with_remote)
    for event in events:
        timeline.feed(event)
    timeline.close()
    sink.flush()
    return file.getvalue()


def read_back(data: bytes) -> list[Any]:
    trace = Trace()
    trace.ParseFromString(data)
    return list(trace.packet)


def test_what_is_written_is_whole() -> None:
    packets = read_back(whole(traffic(300), with_remote=True))
    assert len(packets) > 2 * BATCH_PACKETS
    tracks: dict[int, Any] = {}
    open_slices: dict[int, list[str]] = defaultdict(list)
    flows: Counter[int] = Counter()
    names: Counter[str] = Counter()
    now_ns = 0
    for packet in packets:
        if packet.HasField("track_descriptor"):
            about = packet.track_descriptor
            assert about.uuid not in tracks
            assert about.HasField("process") or about.parent_uuid in tracks
            tracks[about.uuid] = about
            continue
        if packet.HasField("clock_snapshot"):
            assert {each.timestamp for each in packet.clock_snapshot.clocks} == {1}  # LINK
            continue
        event = packet.track_event
        assert packet.timestamp >= now_ns
        assert event.track_uuid in tracks
        now_ns = packet.timestamp
        names[event.name] += 1
        flows.update(event.flow_ids)
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            assert event.name
            open_slices[event.track_uuid].append(event.name)
        elif event.type == TrackEvent.TYPE_SLICE_END:
            open_slices[event.track_uuid].pop()
    assert not any(open_slices.values())
    assert names["link up"] == 1
    assert (names["timed out"], names["#10 held"], names["#20 held"]) == (30, 1, 1)
    assert names["awaiting reply"] == names["sent"] == len(flows) == 300
    # From the host to the remote and back, or to where the host gave up.
    assert set(flows.values()) == {3}
    processes = {each.process.process_name for each in tracks.values() if each.HasField("process")}
    assert processes == {"shm:demo (host)", "demo (remote)"}


def test_what_a_request_says() -> None:
    data = whole(
        [
            Event(1, Kind.REQUEST, HOST, 7, 2, message=bytes(40), length=60),
            Event(5, Kind.REPLY, HOST, 7, 2, outcome=DONE, message=b"\1\2", length=2),
            Event(6, Kind.STOPPED, HOST, message=b"\x1b[31mit lied\xff", status=1 << 40),
        ]
    )
    said = {
        detail.name: detail.string_value or detail.int_value
        for packet in read_back(data)
        for detail in packet.track_event.debug_annotations
    }
    assert said == {
        "bytes": 60,
        "message": "00 " * 32 + "...",
        "tag": 2,
        "outcome": "done",
        "reply bytes": 2,
        "reply": "01 02",
        "text": "\\x1b[31mit lied\ufffd",
        "status": 1 << 40,
    }


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    write_pftrace(traffic(3), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == whole(traffic(3))


def test_a_recorder_writes_one_too(tmp_path: Path) -> None:
    path = tmp_path / "t.pftrace"
    register()
    writer = open_writer(path, snap=1)
    for event in traffic(3):
        writer.write(event, "no place for this")
    writer.close()
    writer.close()
    assert path.read_bytes() == whole(
        replace(each, message=b"\xff"[: len(each.message)]) for each in traffic(3)
    )


def test_one_that_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Through a pipe, each event is there at once, but for those that wait for earlier ones."""
    reader, pipe = os.pipe()
    writer = TraceWriter(Output(pipe, "pipe"))
    for number in range(1, WINDOW + 2):
        writer.write(Event(number, Kind.REQUEST, HOST, number))
    names = [packet.track_event.name for packet in read_back(os.read(reader, 1 << 16))]
    assert "#1" in names
    assert "#2" not in names
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        writer.close()
    writer.close()


def test_a_file_that_cannot_be_written_is_closed(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_pftrace([], tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write_pftrace(traffic(3), "/dev/full")


def test_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "perfetto", None)
    monkeypatch.delitem(sys.modules, "mboxio.see.timeline.pftrace")
    for name in [each for each in sys.modules if each.startswith("perfetto.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(CaptureError, match="Perfetto needs perfetto: pip install"):
        register()
