"""A timeline as a file of Perfetto, which its viewer opens: https://ui.perfetto.dev."""

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from perfetto.protos.perfetto.trace import (  # pyright: ignore[reportMissingTypeStubs]
    perfetto_trace_pb2 as proto,
)

from mboxio._base.texts import remote_text
from mboxio.capture.event import Event
from mboxio.capture.output import Output, open_output
from mboxio.see.timeline.sink import Details, Family, Stage, Track
from mboxio.see.timeline.timeline import Timeline

__all__ = ["PerfettoSink", "TraceWriter", "write_pftrace"]

SEQUENCE = 1
"""Who wrote the packets; there is one writer."""
BATCH_PACKETS = 500
"""Written at once: a file is a trace, and so are several, one after the other."""
SLICE_BEGIN = proto.TrackEvent.TYPE_SLICE_BEGIN
SLICE_END = proto.TrackEvent.TYPE_SLICE_END
INSTANT = proto.TrackEvent.TYPE_INSTANT
COUNTER = proto.TrackEvent.TYPE_COUNTER
INT64_MAX = (1 << 63) - 1

NAMES = {
    Family.EVENTS: "events",
    Family.IN_FLIGHT: "in flight",
    Family.QUEUED: "queued",
    Family.SERVED: "served",
    Family.ASKED: "requests of the remote",
    Family.NOTIFICATIONS: "notifications",
    Family.DOORBELLS: "doorbells",
    Family.IN_FLIGHT_COUNT: "number in flight",
    Family.BACKLOG_COUNT: "backlog",
}


class Writable(Protocol):
    """What bytes can be written to, such as an `Output`."""

    def write(self, data: bytes, /) -> object:
        """Write all of them."""
        ...


class PerfettoSink:
    """Writes packets, in the order in which they come; see `mboxio.see.timeline.sink.Sink`.

    Args:
        file: is written to in large pieces, and left open.
    """

    def __init__(self, file: Writable) -> None:
        self.file = file
        self.batch = proto.Trace()
        self.left = BATCH_PACKETS
        self.has_clock = False
        self.uuids = 0
        self.processes: dict[tuple[int, str, str], int] = {}
        self.channels: dict[tuple[int, str, int], int] = {}
        self.by_track: dict[Track, int] = {}

    def flush(self) -> None:
        """Write what is in the buffer."""
        if self.left == BATCH_PACKETS:
            return
        self.file.write(self.batch.SerializeToString())
        self.batch = proto.Trace()
        self.left = BATCH_PACKETS

    def tell_clock(self, time_ns: int) -> None:
        """Say that times count from 1970, so that the viewer can show dates."""
        self.has_clock = True
        packet = self.packet()
        packet.timestamp = time_ns
        for clock in (proto.BUILTIN_CLOCK_BOOTTIME, proto.BUILTIN_CLOCK_REALTIME):
            packet.clock_snapshot.clocks.add(clock_id=clock, timestamp=time_ns)

    def packet(self) -> Any:
        """Return a new packet, to be filled in."""
        if not self.left:
            self.flush()
        self.left -= 1
        return self.batch.packet.add(trusted_packet_sequence_id=SEQUENCE)

    # -- tracks

    def track(self, track: Track) -> None:
        """See `Sink`."""
        parent = self.channel(track)
        name = NAMES[track.family]  # viewers put those of one name together
        about = self.descriptor(parent, name, track.family * 10_000 + track.lane)
        if track.family.is_counter:
            about.counter.SetInParent()
        self.by_track[track] = about.uuid

    def channel(self, track: Track) -> int:
        """Return the parent of the tracks of a channel."""
        source = track.source
        side = (track.origin, source.address, source.side)
        process = self.processes.get(side)
        if process is None:
            about = self.descriptor(0, "", len(self.processes))
            process = self.processes[side] = about.uuid
            about.process.pid = len(self.processes)
            name = f"{remote_text(source.address)} ({remote_text(source.side)})"
            about.process.process_name = name
        key = (process, source.channel, source.number)
        channel = self.channels.get(key)
        if channel is None:
            name = remote_text(source.channel) or f"channel {source.number}"
            channel = self.descriptor(process, name, len(self.channels)).uuid
            self.channels[key] = channel
        return channel

    def descriptor(self, parent: int, name: str, rank: int) -> Any:
        """Return what is written of a new track, which has a number."""
        self.uuids += 1
        about = self.packet().track_descriptor
        about.uuid = self.uuids
        if parent:
            about.parent_uuid = parent
            about.name = name
        about.child_ordering = proto.TrackDescriptor.EXPLICIT
        about.sibling_order_rank = rank
        return about

    # -- what happens

    def begin(
        self,
        track: Track,
        time_ns: int,
        name: str,
        stage: Stage | None = None,
        details: Details = (),
        flow: int = 0,
    ) -> None:
        """See `Sink`."""
        self.event(SLICE_BEGIN, track, time_ns, name, details, flow)

    def end(self, track: Track, time_ns: int, details: Details = ()) -> None:
        """See `Sink`."""
        self.event(SLICE_END, track, time_ns, "", details, 0)

    def instant(
        self, track: Track, time_ns: int, name: str, details: Details = (), flow: int = 0
    ) -> None:
        """See `Sink`."""
        self.event(INSTANT, track, time_ns, name, details, flow)

    def count(self, track: Track, time_ns: int, value: int) -> None:
        """See `Sink`."""
        packet = self.packet()
        packet.timestamp = time_ns
        event = packet.track_event
        event.type = COUNTER
        event.track_uuid = self.by_track[track]
        event.counter_value = value

    def event(
        self, kind: int, track: Track, time_ns: int, name: str, details: Details, flow: int
    ) -> None:
        """Write one packet."""
        if not self.has_clock:
            self.tell_clock(time_ns)
        packet = self.packet()
        packet.timestamp = time_ns
        event = packet.track_event
        event.type = kind
        event.track_uuid = self.by_track[track]
        if name:
            event.name = name
        if flow:
            event.flow_ids.append(flow)
        for key, value in details:
            detail = event.debug_annotations.add(name=key)
            if isinstance(value, str):
                detail.string_value = value
            else:
                detail.int_value = max(min(value, INT64_MAX), -INT64_MAX)


class TraceWriter:
    """Writes the events of one capture while they come; see `mboxio.capture.writing.Writer`.

    Args:
        output: where to; closed with this.
        snap: show no more bytes of a message; None: as many as are ever shown.
    """

    def __init__(self, output: Output, snap: int | None = None) -> None:
        self._output: Output | None = output
        self._snap = snap
        self._streams = output.streams
        self._sink = PerfettoSink(output)
        self._timeline = Timeline(self._sink)

    def write(self, event: Event, comment: str = "") -> None:
        """See `Writer.write`; there is no place for a comment."""
        if self._snap is not None and len(event.message) > self._snap:
            event = replace(event, message=event.message[: self._snap])
        self._timeline.feed(event)
        if self._streams:
            self._sink.flush()

    def close(self) -> None:
        """See `Writer.close`; requests that are not over end here."""
        output, self._output = self._output, None
        if output is None:
            return
        try:
            self._timeline.close()
            self._sink.flush()
        finally:
            output.close()


def write_pftrace(events: Iterable[Event], path: "str | os.PathLike[str]") -> None:
    """Write the events of one capture into a file of Perfetto.

    Raises:
        CaptureError: another user has a hand in the file.
        OSError: it cannot be written.
    """
    writer = TraceWriter(open_output(os.fspath(path)))
    try:
        for event in events:
            writer.write(event)
    finally:
        writer.close()
