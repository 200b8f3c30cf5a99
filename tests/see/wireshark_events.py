"""A capture in which everything happens, and packets that no mboxio would write."""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from mboxio.capture.blocks import interface_description, packet_block, section_header
from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.layout import HEAD, HEAD_BYTES, NO_TAG, PREFIX
from mboxio.capture.packets import packet_of
from mboxio.capture.writing import open_writer
from mboxio.protocols import acpm_pmic, rpi_buffer, rpi_tags

START_NS = 1_790_000_000_000_000_000
US = 1000

PMIC = Source("shm:demo", "pmic", "host", 0, 4, 64)
THERMAL = Source("shm:demo", "thermal", "host", 1, 8, 64)
REMOTE = Source("shm:demo", "pmic", "remote", 0, 4, 64)
PROPERTY = Source("vcio:", "property", "host", 0, 1, 1024)
ACPM = Source("acpm:?at=file:sram", "2", "host", 2, 16, 16)
SOURCES = (PMIC, THERMAL, REMOTE, PROPERTY, ACPM)
PROTOCOLS = "mboxio.protocols:property=rpi-property, 2=acpm-pmic"

SENT: dict[str, Any] = {"handed_over": 1, "expects_reply": True}


def story() -> list[Event]:
    """Return every kind of event, and every way in which requests end."""
    times = count(START_NS, 10 * US)

    def event(kind: Kind, source: Source = PMIC, number: int = 0, **more: Any) -> Event:
        return Event(next(times), kind, source, number, **more)

    asked = [rpi_buffer.Ask(each.tag, each.request, 8) for each in rpi_tags.OVERVIEW[:2]]
    buffer = rpi_buffer.encode(asked)
    write_it = acpm_pmic.WORDS.pack(0x0001_0112, 0x00_00_55_01, 0, 7)
    refused = acpm_pmic.WORDS.pack(0x0001_0112, 0x02_00_55_01, 0, 7)
    return [
        event(Kind.LINK, outcome=1, status=-3),
        event(Kind.LINK, THERMAL, outcome=1, status=-1),
        # An ordinary one, and one that waits, is accepted and leaves later, and fails.
        event(Kind.REQUEST, number=1, tag=5, outcome=3, message=b"\1\2\3\4", **SENT),
        event(Kind.QUEUED, number=2, outcome=1, expects_reply=True),
        event(Kind.TX_DONE, number=1, tag=5, outcome=4, **SENT),
        event(Kind.REQUEST, number=2, tag=6, outcome=3, message=b"\5", handed_over=3),
        event(Kind.LEFT, number=2, tag=6, outcome=3, **SENT),
        event(Kind.DOORBELL),
        event(Kind.REPLY, number=1, tag=5, outcome=5, message=bytes(range(20)), **SENT),
        event(Kind.REPLY, number=2, tag=6, outcome=4, status=-22, message=b"no", **SENT),
        event(Kind.ENDED, number=2, tag=6, outcome=6, message=b"pmic: no", **SENT),
        # Timed out and cut; what it held is freed by its late reply. Cancelled, and never freed.
        event(Kind.REQUEST, number=3, tag=7, outcome=4, message=b"abcd", length=200, **SENT),
        event(Kind.ENDED, number=3, tag=7, outcome=7, message=b"no reply in 1 s", **SENT),
        event(Kind.LATE, number=3, tag=7, outcome=7, message=b"late", **SENT),
        event(Kind.FREED, number=3, tag=7, outcome=7, message=b"reply", **SENT),
        event(Kind.REQUEST, number=4, tag=8, outcome=4, message=b"x", **SENT),
        event(Kind.ENDED, number=4, tag=8, outcome=8, **SENT),
        # One-way: it leaves, or never does.
        event(Kind.MESSAGE, THERMAL, 5, outcome=3, handed_over=1, message=b"one way"),
        event(Kind.TX_DONE, THERMAL, 5, outcome=5, handed_over=1),
        event(Kind.MESSAGE, THERMAL, 6, outcome=3, handed_over=1, message=b"one way"),
        event(Kind.TX_DONE, THERMAL, 6, outcome=6, status=-5),
        # The remote speaks.
        event(Kind.NOTIFICATION, THERMAL, message=b"61 degrees"),
        event(Kind.REMOTE_REQUEST, THERMAL, tag=77, expects_reply=True, message=b"time?"),
        event(Kind.ANSWER, THERMAL, tag=77, message=b"12:00"),
        event(Kind.UNKNOWN, tag=99, message=b"?"),
        event(Kind.REPLY, number=1000, tag=3, outcome=5, **SENT),
        # Refused; taken back and sent again; and what is still under way at the end.
        event(Kind.REFUSED, number=7, outcome=6, message=b"QueueFull: \x1b[2J\xc2\x9b \xff"),
        event(Kind.REQUEST, number=8, tag=9, outcome=3, message=b"busy?", **SENT),
        event(Kind.BUSY, number=8, tag=9, outcome=1),
        event(Kind.REQUEST, number=8, tag=9, outcome=3, message=b"busy?", lost=12, **SENT),
        event(Kind.LOST, lost=3),
        event(Kind.STOPPED, message=b"index 99 lies outside of the ring"),
        event(Kind.OUT_OF_STEP),
        event(Kind.OVERFLOW, THERMAL, status=17),
        event(Kind.LINK, outcome=0, message=b"end of file"),
        # The same channel, seen by the remote: tags are used again.
        event(Kind.REQUEST, REMOTE, tag=5, expects_reply=True, message=b"a"),
        event(Kind.REQUEST, REMOTE, tag=6, expects_reply=True, message=b"b"),
        event(Kind.REPLY, REMOTE, tag=6, message=b"B"),
        event(Kind.REPLY, REMOTE, tag=5, message=b"A"),
        event(Kind.DOORBELL, REMOTE),
        event(Kind.REQUEST, REMOTE, tag=5, expects_reply=True, message=b"c"),
        event(Kind.REPLY, REMOTE, tag=5, message=b"C"),
        event(Kind.REMOTE_REQUEST, REMOTE, tag=5, expects_reply=True, message=b"host?"),
        event(Kind.ANSWER, REMOTE, tag=5, message=b"yes"),
        # Protocols that the dissector knows.
        event(Kind.REQUEST, PROPERTY, 9, outcome=4, message=buffer, **SENT),
        event(Kind.REPLY, PROPERTY, 9, outcome=5, message=answered(buffer), **SENT),
        event(Kind.REQUEST, ACPM, 10, tag=1, outcome=4, message=write_it, **SENT),
        event(Kind.REPLY, ACPM, 10, tag=1, outcome=5, message=refused, **SENT),
    ]


def answered(buffer: bytes) -> bytes:
    """Return a property buffer as the firmware leaves it, with one tag that it does not know."""
    return buffer[:4] + b"\0\0\0\x80" + buffer[8:16] + b"\4\0\0\x80" + buffer[20:]


def strange() -> list[tuple[Source, bytes]]:
    """Return what other versions or enemies could write."""
    return [
        (PMIC, b""),
        (PMIC, b"\1\1"),
        (PMIC, HEAD.pack(1, 99, 0, 0, 0, 0, 5, 0, HEAD_BYTES, 0) + b"xyz"),
        (PMIC, HEAD.pack(2, Kind.REPLY, 0, 5, 0, 8, 9, 0, 28, 0) + b"morelater"),
        (PMIC, HEAD.pack(1, Kind.REPLY, 0, 5, 0, 8, 9, 0, 200, 0) + b"message"),
        (PMIC, HEAD.pack(1, Kind.REPLY, 0, 5, 0, 8, 9, 0, HEAD_BYTES - 1, 0) + b"message"),
        (PMIC, HEAD.pack(0, Kind.REPLY, 0, 5, 0, 8, 9, 0, HEAD_BYTES, 0)),
        (PMIC, HEAD.pack(1, Kind.ENDED, 255, 255, -1, 2**64 - 1, NO_TAG, 9, HEAD_BYTES, 0)),
    ]


def mutated(number: int, seed: int = 1) -> Iterator[tuple[Source, bytes]]:
    """Yield packets with bytes changed, cut off and added."""
    draw = random.Random(seed)
    whole = [(each.source, packet_of(each)[len(PREFIX) :]) for each in story()]
    for _ in range(number):
        source, data = draw.choice(whole)
        changed = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 5))):
            place = draw.randrange(len(changed) + 1)
            match draw.randrange(5):
                case 0:
                    changed[place : place + 1] = draw.choice((b"\0", b"\xff", draw.randbytes(1)))
                case 1:
                    del changed[place:]
                case 2:
                    changed += draw.randbytes(draw.randrange(60))
                case 3:
                    changed[place : place + 4] = draw.choice((b"\xff" * 4, b"\0\0\0\x80"))
                case 4:
                    changed[1:2] = bytes([draw.randrange(23)])
        yield draw.choice((source, source, draw.choice(SOURCES))), bytes(changed)


def write(path: Path, events: Sequence[Event]) -> Path:
    """Write events as mboxio does."""
    writer = open_writer(path)
    for event in events:
        writer.write(event)
    writer.close()
    return path


def write_packets(path: Path, packets: Iterable[tuple[Source, bytes]]) -> Path:
    """Write packets whose heads are as they are."""
    blocks = [section_header(), *map(interface_description, SOURCES)]
    for place, (source, data) in enumerate(packets):
        whole = PREFIX + data
        number = SOURCES.index(source)
        blocks.append(packet_block(number, START_NS + place * US, whole, len(whole)))
    path.write_bytes(b"".join(blocks))
    return path
