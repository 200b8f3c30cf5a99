"""Where everything lies in mboxio's own shared memory, and where the rings of foreign ones lie.

::

    line 0   magic, version, epoch, size, channels, table      written once, magic last
    line 1   host_armed, host_life, host_promise, host_cpu, host_ready  written by the host
    line 2   remote_armed, heartbeat, remote_promise, remote_cpu, host_seen  written by the remote
    table    one entry per channel: name, flags, two rings     written once
    then     per channel: a line of indices per side, the slots of both rings

``mboxio_ring.h`` has the same as C structures, and ``mboxio_firmware.h`` says how the sides of a
memory that nobody handed over meet: by host_life, host_seen and host_ready.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mboxio.errors import RemoteError
from mboxio.regions.region import Region

__all__ = ["ChannelLayout", "ChannelSpec", "MemoryLayout", "RingLayout", "plan", "read", "write"]

MAGIC = int.from_bytes(b"MBX1", "little")
VERSION = 1
LINE_BYTES = 64
NAME_BYTES = 32
SLOT_HEADER_BYTES = 8
SLOTS_MAX = 65536
LENGTH_MAX = 0xFFFFFF  # 24 bits: the kind has the other 8 of that word
TAG_MASK = 0xFFFFFFFF
TAG_SPAN = TAG_MASK + 1
CHANNELS_MAX = 1024
SIZE_MAX = 0xFFFFFFFF
HOST_ARMED = LINE_BYTES
REMOTE_ARMED = 2 * LINE_BYTES
HOST_LIFE = HOST_ARMED + 4
HOST_READY = HOST_ARMED + 16
HEARTBEAT = REMOTE_ARMED + 4
HOST_SEEN = REMOTE_ARMED + 16
TABLE = 3 * LINE_BYTES
ENTRY = struct.Struct(f"<{NAME_BYTES}s12I")
ENTRY_WORDS = ENTRY.size // 4


@dataclass(frozen=True, slots=True)
class RingLayout:
    """Where one ring lies in a region.

    Args:
        front: offset of the producer's index word, in bytes.
        rear: offset of the consumer's index word, in bytes.
        base: offset of the first slot, in bytes.
        slots: number of slots; one of them stays empty.
        slot_bytes: size of a slot.
        framed: mboxio's own slots with length, kind and tag; else the whole slot is the message.
    """

    front: int
    rear: int
    base: int
    slots: int
    slot_bytes: int
    framed: bool = True

    @property
    def message_bytes(self) -> int:
        """The longest message."""
        if self.framed:
            return min(self.slot_bytes - SLOT_HEADER_BYTES, LENGTH_MAX)
        return self.slot_bytes

    @property
    def end(self) -> int:
        """The offset after the last slot."""
        return self.base + self.slots * self.slot_bytes

    def problem(self, size_bytes: int) -> str | None:
        """Say what is wrong with this ring in a region of `size_bytes`; None: nothing."""
        unit = 8 if self.framed else 4
        if not 2 <= self.slots <= SLOTS_MAX:
            return f"{self.slots} slots, not 2 to {SLOTS_MAX}"
        if self.slot_bytes < unit or self.slot_bytes % unit:
            return f"slots of {self.slot_bytes} bytes, not a positive multiple of {unit}"
        for name, offset, alignment, end in (
            ("front", self.front, 4, self.front + 4),
            ("rear", self.rear, 4, self.rear + 4),
            ("base", self.base, unit, self.end),
        ):
            if offset % alignment:
                return f"{name} at offset {offset}, not a multiple of {alignment}"
            if offset < 0 or end > size_bytes:
                return f"{name} reaches from {offset} to {end} in a region of {size_bytes} bytes"
        if self.front == self.rear:
            return f"front and rear are the same word at offset {self.front}"
        for name, offset in (("front", self.front), ("rear", self.rear)):
            if self.base <= offset < self.end:
                return f"{name} at offset {offset} lies among the slots"
        return None


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """What a channel of a new memory shall offer.

    Args:
        name: at most 32 bytes of UTF-8; empty: the channel is known by its number only.
        depth: messages that fit each ring.
        message_bytes: longest message.
        flags: 32 bits that belong to the controller.
    """

    name: str
    depth: int
    message_bytes: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class ChannelLayout:
    """One channel of a memory: its two rings, and 32 flags that belong to the controller."""

    name: str
    flags: int
    to_remote: RingLayout
    to_host: RingLayout


@dataclass(frozen=True, slots=True)
class MemoryLayout:
    """Where everything lies in one memory; offsets and sizes in bytes."""

    epoch: int
    size_bytes: int
    channels: tuple[ChannelLayout, ...]
    host_armed: int = HOST_ARMED
    remote_armed: int = REMOTE_ARMED
    heartbeat: int = HEARTBEAT
    table: int = TABLE

    def problem(self) -> str | None:
        """Say what is wrong with this layout; None: nothing."""
        names: set[str] = set()
        for number, channel in enumerate(self.channels):
            for way, ring in (("to_remote", channel.to_remote), ("to_host", channel.to_host)):
                wrong = ring.problem(self.size_bytes)
                if wrong or ring.base % LINE_BYTES:
                    wrong = wrong or f"base at offset {ring.base}, not a multiple of {LINE_BYTES}"
                    return f"channel {number}, ring {way}: {wrong}"
            if channel.name in names:
                return f"two channels are called {channel.name!r}"
            if channel.name:
                names.add(channel.name)
        return _collision(sorted(self._areas()))

    def _areas(self) -> Iterator[tuple[int, int, str, str]]:
        """Yield start, end, writer and name of everything that lies in the memory."""
        yield 0, LINE_BYTES, "setup", "the header"
        yield self.table, self.table + len(self.channels) * ENTRY.size, "setup", "the table"
        yield self.host_armed, self.host_armed + LINE_BYTES, "host", "the host's line"
        yield self.remote_armed, self.remote_armed + LINE_BYTES, "remote", "the remote's line"
        for number, channel in enumerate(self.channels):
            for way, ring, producer, consumer in (
                ("to_remote", channel.to_remote, "host", "remote"),
                ("to_host", channel.to_host, "remote", "host"),
            ):
                name = f"of channel {number}, ring {way}"
                yield ring.front, ring.front + 4, producer, f"front {name}"
                yield ring.rear, ring.rear + 4, consumer, f"rear {name}"
                yield ring.base, ring.end, producer, f"the slots {name}"


def _collision(areas: Sequence[tuple[int, int, str, str]]) -> str | None:
    for (_, end, writer, name), (start, _, next_writer, next_name) in pairwise(areas):
        if end > start:
            return f"{next_name} overlaps {name} at offset {start}"
        if writer != next_writer and (end - 1) // LINE_BYTES == start // LINE_BYTES:
            return f"{next_name} shares a cache line with {name} at offset {start}"
    return None


def plan(channels: Iterable[ChannelSpec], epoch: int) -> MemoryLayout:
    """Lay out a new memory.

    Args:
        channels: what each channel shall offer.
        epoch: one life of the remote, 32 bits.

    Raises:
        ValueError: a name, number or size is out of range; the text says which.
    """
    specs = tuple(channels)
    if not 1 <= len(specs) <= CHANNELS_MAX:
        raise ValueError(f"{len(specs)} channels, not 1 to {CHANNELS_MAX}")
    if not 0 <= epoch <= 0xFFFFFFFF:
        raise ValueError(f"epoch {epoch} is not a 32-bit number")
    offset = _lines(TABLE + len(specs) * ENTRY.size)
    layouts: list[ChannelLayout] = []
    for spec in specs:
        _check_spec(spec)
        slot_bytes = SLOT_HEADER_BYTES + (spec.message_bytes + 7) // 8 * 8
        slots = spec.depth + 1  # one stays empty: equal indices mean an empty ring
        # One line per side: who gives back a slot and sends the next one touches it once.
        host, remote = offset, offset + LINE_BYTES
        base = remote + LINE_BYTES
        to_remote = RingLayout(host, remote, base, slots, slot_bytes)
        to_host = RingLayout(remote + 4, host + 4, _lines(to_remote.end), slots, slot_bytes)
        layouts.append(ChannelLayout(spec.name, spec.flags, to_remote, to_host))
        offset = _lines(to_host.end)
    if offset > SIZE_MAX:
        raise ValueError(f"the channels need {offset} bytes, more than {SIZE_MAX}")
    layout = MemoryLayout(epoch, offset, tuple(layouts))
    if wrong := layout.problem():
        raise ValueError(wrong)
    return layout


def write(region: Region, layout: MemoryLayout) -> None:
    """Describe a memory in its first lines and zero all indices and armed words; the magic is last.

    Only the side that made the memory calls this, before the other one can see it.

    Raises:
        IndexError: the region is too small.
    """
    region.check(0, layout.size_bytes)
    region.write(0, 0, 4)  # no magic until all is there
    region.write_words(LINE_BYTES, [0] * (2 * LINE_BYTES // 4))
    for number, channel in enumerate(layout.channels):
        fields = [channel.flags, 0]
        for ring in (channel.to_remote, channel.to_host):
            region.write(ring.front, 0, 4)
            region.write(ring.rear, 0, 4)
            fields += [ring.front, ring.rear, ring.base, ring.slots, ring.slot_bytes]
        entry = ENTRY.pack(channel.name.encode(), *fields)
        region.write_words(layout.table + number * ENTRY.size, _words(entry))
    counts = (layout.size_bytes, len(layout.channels), layout.table)
    region.write_words(4, (VERSION, layout.epoch, *counts, *[0] * 10))
    region.write(0, MAGIC, 4)


def read(region: Region) -> MemoryLayout:
    """Read and check the description of a memory that the other side made.

    Every word is read once, so what was checked is what is returned.

    Raises:
        RemoteError: anything in it is impossible; the text says what.
    """
    if region.size_bytes < TABLE:
        raise _lie(f"{region.size_bytes} bytes are too few")
    magic = region.read(0, 4)
    if magic != MAGIC:
        raise _lie(f"magic {magic:#010x}, not {MAGIC:#010x}")
    version, epoch, size_bytes, count, table = region.read_words(4, 5)
    if version != VERSION:
        raise _lie(f"version {version}, not {VERSION}")
    if not TABLE <= size_bytes <= region.size_bytes:
        raise _lie(f"it claims {size_bytes} bytes and has {region.size_bytes}")
    if not 1 <= count <= CHANNELS_MAX:
        raise _lie(f"{count} channels, not 1 to {CHANNELS_MAX}")
    if table % LINE_BYTES or not TABLE <= table <= size_bytes - count * ENTRY.size:
        raise _lie(f"a table of {count} channels at offset {table} of {size_bytes} bytes")
    words = region.read_words(table, count * ENTRY_WORDS)
    entries = struct.pack(f"<{len(words)}I", *words)
    channels = tuple(_channel(*fields) for fields in ENTRY.iter_unpack(entries))
    layout = MemoryLayout(epoch, size_bytes, channels, table=table)
    if wrong := layout.problem():
        raise _lie(wrong)
    return layout


def _channel(name: bytes, flags: int, _reserved: int, *rings: int) -> ChannelLayout:
    text, _, padding = name.partition(b"\0")
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = "\0"  # not printable, so refused below
    if not decoded.isprintable() or padding.strip(b"\0"):
        raise _lie(f"the channel name {name!r} is not printable UTF-8 padded with zeros")
    return ChannelLayout(decoded, flags, _ring(*rings[:5]), _ring(*rings[5:]))


def _ring(front: int, rear: int, base: int, slots: int, slot_bytes: int) -> RingLayout:
    return RingLayout(front, rear, base, slots, slot_bytes)


def _check_spec(spec: ChannelSpec) -> None:
    if not spec.name.isprintable() or len(spec.name.encode()) > NAME_BYTES:
        raise ValueError(f"channel name {spec.name!r} is not printable or over {NAME_BYTES} bytes")
    if not 1 <= spec.depth < SLOTS_MAX:
        raise ValueError(f"channel {spec.name!r}: depth {spec.depth}, not 1 to {SLOTS_MAX - 1}")
    if not 0 <= spec.message_bytes <= LENGTH_MAX:
        raise ValueError(
            f"channel {spec.name!r}: {spec.message_bytes} message bytes, not 0 to {LENGTH_MAX}"
        )
    if not 0 <= spec.flags <= 0xFFFFFFFF:
        raise ValueError(f"channel {spec.name!r}: flags {spec.flags:#x} are not 32 bits")


def _lie(text: str) -> RemoteError:
    return RemoteError(f"the remote's memory is not usable: {text}")


def _lines(offset: int) -> int:
    return (offset + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES


def _words(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data)
