"""Traffic of protocols as events: a PMIC and a Raspberry Pi's firmware, both in this process."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from mboxio.capture.event import Event, Kind, Source
from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.acpm_pmic import encode, encode_bulk_write
from mboxio.protocols.rpi_buffer import Ask
from mboxio.protocols.rpi_buffer import encode as encode_tags
from mboxio.remote.acpm.pmic import PmicModel
from mboxio.sim.videocore import VideoCore

START_NS = 1_790_000_000_123_456_789
PMIC = Source("shm:demo", "pmic", depth=32, message_bytes=16)
PROPERTY = Source("bcm2835:?at=x", "property", depth=8, message_bytes=1024)


def pairs(
    source: Source, asked: list[bytes], answer: Callable[[bytes], bytes | None]
) -> Iterator[Event]:
    """Yield requests and their replies."""
    for number, message in enumerate(asked, 1):
        at_ns = START_NS + number * 20_000
        yield Event(at_ns, Kind.REQUEST, source, number, number, 0, 3, 1, True, message)
        yield Event(at_ns + 900, Kind.TX_DONE, source, number, number, 0, 4, 1)
        reply = answer(message) or b""
        yield Event(at_ns + 9000, Kind.REPLY, source, number, number, 0, 5, message=reply)


def pmic() -> list[Event]:
    """All operations on a PMIC, and one that it refuses."""
    asked = [
        encode(1, 0, 1, 0x12, 0x55),
        encode(0, 0, 1, 0x12),
        encode(2, 0, 1, 0x12, 0xF0, 0xC0),
        encode_bulk_write(0, 1, 0x20, b"\1\2\3"),
        encode(3, 0, 1, 0x20, 4),
        encode(0, 0, 1, 0x40),
    ]
    return list(pairs(PMIC, asked, PmicModel(refused=[(0, 1, 0x40)])))


def tagged(*properties: tags.Property[Any]) -> bytes:
    """Return the buffer that asks for these."""
    return encode_tags(
        [Ask(each.tag, each.request, each.answer_bytes or each.room_bytes) for each in properties]
    )


def board() -> list[Event]:
    """What a Raspberry Pi is asked, also a tag that it does not know."""
    core = VideoCore()
    core.values[0x38002] = struct.pack("<2I", 3, 700_000_000)
    core.values[0x777] = b"\xab" * 20

    def answer(message: bytes) -> bytes:
        count = len(message) // 4
        core.memory.write_words(0, struct.unpack(f"<{count}I", message))
        core.fails = struct.pack("<I", 0x28001) in message
        core.answer(core.bus_address | 8)
        return struct.pack(f"<{count}I", *core.memory.read_words(0, count))

    asked = [
        tagged(tags.TEMPERATURE),
        tagged(tags.clock_rate(tags.Clock.ARM), tags.MAC_ADDRESS),
        tagged(tags.set_clock_rate(tags.Clock.ARM, 700_000_000)),
        tagged(tags.set_power(tags.Device.USB_HCD, True)),
        tagged(*(each for each in tags.OVERVIEW if each.name != "CORE clock")),
        tagged(tags.raw(0x777, b"\1\2", 8)),
    ]
    return list(pairs(PROPERTY, asked, answer))
