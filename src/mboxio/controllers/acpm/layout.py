"""Where ACPM's rings lie in SRAM: the descriptor that the firmware leaves there.

::

    base + 00   reserved (the words that Linux does not use)
    base + 08   offset of the channel array
    base + 18   number of channels
    array       one descriptor of 0x48 bytes for each channel:
        00 id   10 rear, 14 front, 18 base of the ring towards the firmware (its "RX")
                28 rear, 2c front, 30 base of the ring towards the host (its "TX")
                34 slots   38 bytes of a slot   44 completed by polling

All offsets are in bytes from the start of the SRAM, all words 32 bits and little-endian. Sources:
Linux, drivers/firmware/samsung/exynos-acpm.c (facts only); the base is that of gs101.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mboxio.errors import RemoteError
from mboxio.regions.region import Region
from mboxio.ring.contract import Producer
from mboxio.ring.layout import LINE_BYTES, RingLayout

__all__ = [
    "AcpmChannel",
    "AcpmLayout",
    "AcpmSpec",
    "outstanding",
    "parse",
    "plan",
    "raw",
    "read",
    "tags_in",
    "write",
]

BASE = 0xA000
HEADER_BYTES = 0x1C
ARRAY, COUNT = 0x08, 0x18
ENTRY_BYTES = 0x48
ENTRY_WORDS = ENTRY_BYTES // 4
ID, RX_REAR, RX_FRONT, RX_BASE = 0x00, 0x10, 0x14, 0x18
TX_REAR, TX_FRONT, TX_BASE = 0x28, 0x2C, 0x30
SLOTS, SLOT_BYTES, POLLED = 0x34, 0x38, 0x44
KNOWN = (
    *(ID, RX_REAR, RX_FRONT, RX_BASE, TX_REAR, TX_FRONT, TX_BASE),
    *(SLOTS, SLOT_BYTES, POLLED),
)
"""The words of a channel's descriptor whose meaning is known, in ascending order."""
CHANNELS_MAX = 64
TAG_LOW_BIT, TAG_BITS = 16, 6
"""Where the number of a message lies in its first word; 0 is no number."""


@dataclass(frozen=True, slots=True)
class AcpmChannel:
    """One channel of a descriptor.

    Args:
        number: its place in the array, which is also its bit in the doorbell register.
        id: what the firmware calls it.
        to_remote: the ring that the host produces.
        to_host: the ring that the host consumes.
        polled: the firmware raises no interrupt when it answered.
    """

    number: int
    id: int
    to_remote: RingLayout
    to_host: RingLayout
    polled: bool

    @property
    def carries(self) -> bool:
        """Whether it has room for messages at all; some channels of real firmware have none."""
        return self.to_remote.slot_bytes > 0


@dataclass(frozen=True, slots=True)
class AcpmSpec:
    """What a channel of a new descriptor shall offer.

    Args:
        slots: length of each ring; one slot stays empty.
        slot_bytes: size of every message, a multiple of 4.
        polled: the firmware raises no interrupt when it answered.
    """

    slots: int = 32
    slot_bytes: int = 16
    polled: bool = False


@dataclass(frozen=True, slots=True)
class AcpmLayout:
    """Where everything lies in one SRAM; offsets and sizes in bytes."""

    base: int
    array: int
    size_bytes: int
    channels: tuple[AcpmChannel, ...]

    def problem(self) -> str | None:
        """Say what is wrong with this layout; None: nothing."""
        for channel in self.channels:
            if not channel.carries:
                continue
            for way, ring in (("to_remote", channel.to_remote), ("to_host", channel.to_host)):
                wrong = ring.problem(self.size_bytes)
                if wrong:
                    return f"channel {channel.number}, ring {way}: {wrong}"
        return _collision(sorted(self._areas()))

    def _areas(self) -> Iterator[tuple[int, int, str]]:
        """Yield start, end and name of everything that lies in the SRAM."""
        yield self.base, self.base + HEADER_BYTES, "the header"
        yield self.array, self.array + len(self.channels) * ENTRY_BYTES, "the channel array"
        for channel in self.channels:
            if not channel.carries:
                continue
            for way, ring in (("to_remote", channel.to_remote), ("to_host", channel.to_host)):
                name = f"of channel {channel.number}, ring {way}"
                yield ring.front, ring.front + 4, f"front {name}"
                yield ring.rear, ring.rear + 4, f"rear {name}"
                yield ring.base, ring.end, f"the slots {name}"


def _collision(areas: Sequence[tuple[int, int, str]]) -> str | None:
    for (_, end, name), (start, _, next_name) in pairwise(areas):
        if end > start:
            return f"{next_name} overlaps {name} at offset {start:#x}"
    return None


def raw(region: Region, base: int) -> tuple[int, ...]:
    """Read every known word of a descriptor once: array, number of channels, then each channel.

    Raises:
        RemoteError: the words cannot be read, because they point outside the SRAM.
    """
    if base % 4 or not 0 <= base <= region.size_bytes - HEADER_BYTES:
        raise _lie(base, f"the SRAM has {region.size_bytes} bytes", not_yet=False)
    (array,) = region.read_words(base + ARRAY, 1)
    (count,) = region.read_words(base + COUNT, 1)
    if not 1 <= count <= CHANNELS_MAX:
        raise _lie(base, f"{count} channels, not 1 to {CHANNELS_MAX}")
    if array % 4 or array > region.size_bytes - count * ENTRY_BYTES:
        raise _lie(base, f"an array of {count} channels at {array:#x} of {region.size_bytes} bytes")
    words = region.read_words(array, count * ENTRY_WORDS)
    known = [words[n * ENTRY_WORDS + at // 4] for n in range(count) for at in KNOWN]
    return (array, count, *known)


def parse(words: Sequence[int], base: int, size_bytes: int) -> AcpmLayout:
    """Make sense of what `raw` read, and check it.

    Raises:
        RemoteError: an offset, length or overlap is impossible; the text says which.
    """
    array, count, *known = words
    channels: list[AcpmChannel] = []
    for number in range(count):
        fields = known[number * len(KNOWN) : (number + 1) * len(KNOWN)]
        name, rx_rear, rx_front, rx_base, tx_rear, tx_front, tx_base, slots, size, polled = fields
        to_remote = RingLayout(rx_front, rx_rear, rx_base, slots, size, framed=False)
        to_host = RingLayout(tx_front, tx_rear, tx_base, slots, size, framed=False)
        channels.append(AcpmChannel(number, name, to_remote, to_host, polled != 0))
    layout = AcpmLayout(base, array, size_bytes, tuple(channels))
    if wrong := layout.problem():
        raise _lie(base, wrong)
    return layout


def read(region: Region, base: int = BASE) -> AcpmLayout:
    """Read and check the descriptor that the firmware made; every word is read once.

    Args:
        region: the SRAM from its start.
        base: offset of the header, in bytes.

    Raises:
        RemoteError: anything in it is impossible; the text says what.
    """
    return parse(raw(region, base), base, region.size_bytes)


def plan(channels: Iterable[AcpmSpec], base: int = BASE) -> AcpmLayout:
    """Lay out a new SRAM, as firmware would.

    Raises:
        ValueError: a number is out of range; the text says which.
    """
    specs = tuple(channels)
    if not 1 <= len(specs) <= CHANNELS_MAX:
        raise ValueError(f"{len(specs)} channels, not 1 to {CHANNELS_MAX}")
    array = base + LINE_BYTES
    offset = _lines(array + len(specs) * ENTRY_BYTES)
    found: list[AcpmChannel] = []
    for number, spec in enumerate(specs):
        slots, size = spec.slots, spec.slot_bytes
        # One line per side: neither waits for the other's cache line.
        host, remote = offset, offset + LINE_BYTES
        there = RingLayout(host, remote, remote + LINE_BYTES, slots, size, framed=False)
        back_at = _lines(there.end)
        back = RingLayout(remote + 4, host + 4, back_at, slots, size, framed=False)
        found.append(AcpmChannel(number, number, there, back, spec.polled))
        offset = _lines(back.end)
    layout = AcpmLayout(base, array, offset, tuple(found))
    if wrong := layout.problem():
        raise ValueError(wrong)
    return layout


def write(region: Region, layout: AcpmLayout, boot: int = 0) -> None:
    """Describe an SRAM as firmware does when it starts; the number of channels is written last.

    All indices start at 0.

    Args:
        region: the SRAM from its start.
        layout: what to describe.
        boot: written to the first, reserved word: the number of this life.

    Raises:
        IndexError: the region is too small.
    """
    region.check(0, layout.size_bytes)
    region.write(layout.base + COUNT, 0, 4)
    for channel in layout.channels:
        there, back = channel.to_remote, channel.to_host
        for word in (there.front, there.rear, back.front, back.rear) if channel.carries else ():
            region.write(word, 0, 4)
        words = [0] * ENTRY_WORDS
        for at, value in zip(
            KNOWN,
            (
                *(channel.id, there.rear, there.front, there.base),
                *(back.rear, back.front, back.base),
                *(there.slots, there.slot_bytes, int(channel.polled)),
            ),
            strict=True,
        ):
            words[at // 4] = value
        region.write_words(layout.array + channel.number * ENTRY_BYTES, words)
    region.write(layout.base, boot & 0xFFFFFFFF, 4)
    region.write(layout.base + ARRAY, layout.array, 4)
    region.write(layout.base + COUNT, len(layout.channels), 4)


def tags_in(region: Region, ring: RingLayout) -> list[int]:
    """Return the tags of the messages in a ring's slots, also of those taken, the oldest first.

    -1: nobody has written the slot.
    """
    front = region.read(ring.front, 4)
    size = ring.slot_bytes // 4
    every = region.read_words(ring.base, ring.slots * size)  # together: it may be far away
    tags: list[int] = []
    for step in range(1, ring.slots):
        at = (front + step) % ring.slots * size
        words = every[at : at + size]
        tags.append(words[0] >> TAG_LOW_BIT & ((1 << TAG_BITS) - 1) if any(words) else -1)
    return tags


def outstanding(sending: Producer) -> int:
    """Return how many messages were not taken; `Producer.consumed` counts from here on.

    Raises:
        RemoteError: the peer lied.
    """
    while True:
        before = sending.free()
        sending.consumed()
        if sending.free() == before:
            return sending.slots - 1 - before


def _lie(base: int, text: str, *, not_yet: bool = True) -> RemoteError:
    """Return the error; unless the place itself is wrong, firmware may still write the rest."""
    text = f"the ACPM descriptor at {base:#x} is not usable: {text}"
    return RemoteError(text, not_yet=not_yet)


def _lines(offset: int) -> int:
    return (offset + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES
