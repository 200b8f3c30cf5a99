"""Several captures, as they come, into one: the interfaces get new numbers, the packets stay."""

import struct
import threading
from typing import BinaryIO, cast

from mboxio.capture.blocks import DROPPED, INTERFACE, PACKET, SECTION
from mboxio.recording.sinks import Sink

__all__ = ["Relay"]

READ_BYTES = 1 << 18
BLOCK_BYTES_MIN, BLOCK_BYTES_MAX = 12, 1 << 25
LEAD = struct.Struct("<6I")
"""Of a packet: kind, size, interface, time, and how much of its data is kept."""
WORD = struct.Struct("<I")
PACKET_BYTES_MIN = 32
"""Without data and options."""
DIRECTION_BYTES = 12
"""Of options that only say which way a message went."""


def dropped(packet: bytearray, kept: int) -> int:
    """Return how many events a packet says to be lost before it."""
    at = PACKET_BYTES_MIN - 4 + (kept + 3 & ~3)
    while at + 4 <= len(packet) - 4:
        code, size = struct.unpack_from("<HH", packet, at)
        if code == DROPPED and size == 8 and at + 12 <= len(packet) - 4:
            return int(struct.unpack_from("<Q", packet, at + 4)[0])
        if code == 0:
            break
        at += 4 + (size + 3 & ~3)
    return 0


class Relay:
    """Writes the packets of streams that `Recorder` made, of programs that are recorded at once.

    Args:
        sink: gets them; closed with this.

    Attributes:
        events: how many packets were written.
        lost: how many the programs could not write in time.
        warnings: what was wrong, a line each.
        error: why nothing more can be written, if so.
    """

    def __init__(self, sink: Sink) -> None:
        self.events = self.lost = 0
        self.warnings: list[str] = []
        self.error: OSError | None = None
        self.streams = 0
        self.failed = threading.Event()
        self._sink = sink
        self._sources: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []

    def add(self, stream: BinaryIO) -> None:
        """Write what comes of a stream until it ends, on a thread of its own."""
        self.streams += 1
        thread = threading.Thread(target=self._run, args=(stream,), daemon=True)
        with self._guard:  # `join` finds no thread that does not run yet
            self._threads.append(thread)
            thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until all streams have ended; True if they have."""
        with self._guard:
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Close the sink; what comes later is dropped."""
        with self._guard:
            self.failed.set()
            self._sink.close()

    def _run(self, stream: BinaryIO) -> None:
        numbers: list[int] = []  # of its interfaces, here
        left = bytearray()
        with stream:
            while not self.failed.is_set():
                try:
                    data = cast("bytes", stream.read1(READ_BYTES))  # type: ignore[attr-defined]
                except OSError as error:
                    self.warnings.append(f"a program was lost: {error}")
                    break
                if not data:
                    break
                left += data
                try:
                    used = self._pass_on(left, numbers)
                except ValueError as error:
                    self.warnings.append(f"the rest of a program is missing: {error}")
                    return
                del left[:used]
        if left:
            self.warnings.append(f"a program ended inside a packet: {len(left)} bytes are dropped")

    def _pass_on(self, data: bytearray, numbers: list[int]) -> int:
        """Write the whole blocks that data begin with; returns how many bytes they have.

        Raises:
            ValueError: this is no stream of ours.
        """
        at = begin = count = 0
        packets = bytearray()
        unpack, end = LEAD.unpack_from, len(data)
        while end - at >= LEAD.size:
            kind, size, number, _, _, kept = unpack(data, at)
            if not BLOCK_BYTES_MIN <= size <= BLOCK_BYTES_MAX or size & 3:
                raise ValueError(f"a block of {size} bytes cannot be")
            if end - at < size:
                break
            if kind == PACKET:
                options = size - PACKET_BYTES_MIN - (kept + 3 & ~3)
                if options < 0 or number >= len(numbers):
                    raise ValueError("a packet is too short, or of a channel that is not described")
                if numbers[number] != number:
                    WORD.pack_into(data, at + 8, numbers[number])
                if options > DIRECTION_BYTES:
                    self.lost += dropped(data[at : at + size], kept)
                count += 1
            else:
                packets += data[begin:at]
                begin = at + size
                if kind == INTERFACE:
                    numbers.append(self._describe(bytes(data[at : at + size])))
                elif kind != SECTION:
                    raise ValueError(f"a block of type {kind} is none of ours")
            at += size
        packets += data[begin:at]
        if packets:
            self._write(packets, count)
        return at

    def _describe(self, description: bytes) -> int:
        with self._guard:
            number = self._numbers.setdefault(description, len(self._sources))
            if number == len(self._sources):
                self._sources.append(description)
            return number

    def _write(self, packets: bytearray, count: int) -> None:
        with self._guard:
            if self.failed.is_set():
                return
            try:
                self._sink.write(self._sources, packets)
                self.events += count
            except OSError as error:
                self.error = error
                self.failed.set()
