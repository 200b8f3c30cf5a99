"""pcapng, read from a stream that nobody vouches for: what is whole counts, all else is told of.

Behind a block that is damaged nothing is looked for: a message may hold what looks like a block.
"""

import json
import re
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from mboxio.capture.blocks import (
    COMMENT,
    DESCRIPTION,
    DROPPED,
    INTERFACE,
    MAGIC,
    NAME,
    PACKET,
    RESOLUTION,
    SECTION,
    TIME_OFFSET,
)
from mboxio.capture.event import Event, Source
from mboxio.capture.layout import LINK_TYPE
from mboxio.capture.packets import event_of
from mboxio.capture.pieces import Pieces, Warnings

__all__ = ["PcapngReader", "in_nanoseconds", "source_of"]

BLOCK_BYTES_MAX = 1 << 25
"""A block that we have to look into; the longest message of any channel is far shorter."""
HEAD_BYTES, TAIL_BYTES = 8, 4
SECTION_BYTES, INTERFACE_BYTES, PACKET_BYTES = 16, 8, 20
"""Of a body before its options, or its data."""
INTERFACES_MAX = 1 << 18
DESCRIBED_BYTES_MAX = 1 << 24
"""Of descriptions, different ones: a program may open the same connection many times."""
TEXT_MAX = 1024
"""Characters of a name."""
TIME_MAX_NS = (1 << 63) - 1
MICROSECONDS = 6
POWER_OF_TWO = 0x80
CLOCK = re.compile(rb"mboxio clock=monotonic(?: offset_ns=(-?\d{1,19}))?(?: pid=(\d{1,10}))?\Z")

NOT_OURS = "no event that this version of mboxio knows"
NO_INTERFACE = "a channel that is not described"
WRONG_LENGTH = "shorter than it says"
WRONG_TIME = "an impossible time"


class ByteOrder:
    """Numbers of a section, in its order of bytes.

    Args:
        sign: of `struct`: ``<`` or ``>``.
    """

    def __init__(self, sign: str) -> None:
        self.u16 = struct.Struct(f"{sign}H")
        self.u32 = struct.Struct(f"{sign}I")
        self.u64 = struct.Struct(f"{sign}Q")
        self.i64 = struct.Struct(f"{sign}q")
        self.option = struct.Struct(f"{sign}2H")
        self.block = struct.Struct(f"{sign}2I")
        self.packet = struct.Struct(f"{sign}5I")


LITTLE, BIG = ByteOrder("<"), ByteOrder(">")


class Damaged(Exception):
    """The stream cannot be followed any further; the text says why."""


class Interface:
    """A channel of a section.

    Args:
        link_type: how its packets begin.
        source: the channel.
        options: of its description.
        order: of the bytes.
    """

    __slots__ = ("offset_ns", "ours", "resolution", "source")

    def __init__(
        self, link_type: int, source: Source, options: dict[int, bytes], order: ByteOrder
    ) -> None:
        self.ours = link_type == LINK_TYPE
        self.source = source
        resolution = options.get(RESOLUTION, b"")[:1]
        self.resolution = resolution[0] if resolution else MICROSECONDS
        offset = options.get(TIME_OFFSET, b"")
        self.offset_ns = 0
        if len(offset) == 8:
            self.offset_ns = order.i64.unpack(offset)[0] * 1_000_000_000

    def time_ns(self, count: int) -> int:
        """Return a time in nanoseconds since 1970."""
        if self.resolution != 9:
            count = in_nanoseconds(count, self.resolution)
        return count + self.offset_ns


class PcapngReader:
    """Reads the events of a stream of blocks.

    Args:
        pieces: the stream.
        warnings: gets what is wrong.
    """

    def __init__(self, pieces: Pieces, warnings: Warnings) -> None:
        self.pieces = pieces
        self.warnings = warnings
        self.offset_ns: int | None = None
        self.pid: int | None = None
        self.order = LITTLE
        self.interfaces: list[Interface] = []
        self.sources: dict[bytes, Source] = {}
        self.described_bytes = 0
        self.passed_over: Counter[str] = Counter()

    def events(self) -> Iterator[Event]:
        """Yield the events, in the order of the file."""
        try:
            while (block := self.block()) is not None:
                kind, body = block
                if kind == PACKET:
                    event = self.event(body)
                    if isinstance(event, str):
                        self.passed_over[event] += 1
                    else:
                        yield event
                elif kind == SECTION:
                    self.begin_section(body)
                elif kind == INTERFACE:
                    self.add_interface(body)
        except Damaged as damage:
            self.warnings.append(str(damage))
        finally:
            for why, count in self.passed_over.items():
                packets = "1 packet" if count == 1 else f"{count} packets"
                self.warnings.append(f"passed over {packets}: {why}")

    def block(self) -> tuple[int, bytes] | None:
        """Return the type and the body of the next block; None: there are no more.

        Raises:
            Damaged: what follows is no whole block.
        """
        start = self.pieces.offset
        head = self.pieces.take(HEAD_BYTES)
        if not head:
            return None
        if len(head) < HEAD_BYTES:
            raise self.cut_short(start)
        if head.startswith(b"\x0a\x0d\x0d\x0a"):
            self.order = self.order_of(start, self.pieces.peek(4))
        kind, length = self.order.block.unpack(head)
        if length < HEAD_BYTES + TAIL_BYTES or length % 4:
            raise self.damage(start, f"a block of {length} bytes cannot be")
        if kind not in (SECTION, INTERFACE, PACKET):
            self.pieces.skip(length - HEAD_BYTES - TAIL_BYTES)
            rest = self.pieces.take(TAIL_BYTES)
        elif length > BLOCK_BYTES_MAX:
            raise self.damage(start, f"a block of {length} bytes is too long")
        else:
            rest = self.pieces.take(length - HEAD_BYTES)
        if self.pieces.offset - start < length:
            raise self.cut_short(start)
        if rest[-TAIL_BYTES:] != head[4:]:
            (other,) = self.order.u32.unpack(rest[-TAIL_BYTES:])
            raise self.damage(start, f"a block has {length} bytes at its start, {other} at its end")
        return kind, rest[:-TAIL_BYTES]

    def order_of(self, start: int, magic: bytes) -> ByteOrder:
        """Return the order of the bytes in a section."""
        if len(magic) < 4:
            self.pieces.skip(len(magic))
            raise self.cut_short(start)
        for order in (LITTLE, BIG):
            if order.u32.unpack(magic) == (MAGIC,):
                return order
        raise self.damage(start, "a section without its magic number")

    def cut_short(self, start: int) -> Damaged:
        """Return that the stream ends inside of a block."""
        count = self.pieces.offset - start
        return Damaged(f"cut short: it ends inside a block, the last {count} bytes are dropped")

    def damage(self, start: int, why: str) -> Damaged:
        """Return that a block is none; what follows it cannot be found."""
        left = self.pieces.left()
        count = "" if left is None else f", {self.pieces.offset - start + left} bytes,"
        return Damaged(f"damaged at byte {start}: {why}; the rest{count} is dropped")

    def begin_section(self, body: bytes) -> None:
        """Take a section header: interfaces are counted from 0 again."""
        self.interfaces = []
        said = CLOCK.match(self.options(body, SECTION_BYTES).get(COMMENT, b""))
        if said:
            offset, pid = said.groups()
            self.offset_ns = None if offset is None else int(offset)
            self.pid = None if pid is None else int(pid)

    def add_interface(self, body: bytes) -> None:
        """Take the description of a channel."""
        if len(body) < INTERFACE_BYTES:
            raise Damaged("damaged: the description of a channel is too short; the rest is dropped")
        (link_type,) = self.order.u16.unpack_from(body)
        options = self.options(body, INTERFACE_BYTES)
        name, description = options.get(NAME, b""), options.get(DESCRIPTION, b"")
        source = self.sources.get(name + description)
        if source is None:
            self.described_bytes += len(name) + len(description)
            source = self.sources[name + description] = source_of(name, description)
        if len(self.interfaces) == INTERFACES_MAX or self.described_bytes > DESCRIBED_BYTES_MAX:
            raise Damaged("too many channels are described; the rest is dropped")
        self.interfaces.append(Interface(link_type, source, options, self.order))

    def event(self, body: bytes) -> Event | str:
        """Return the event of a packet, or why it is none."""
        if len(body) < PACKET_BYTES:
            return WRONG_LENGTH
        fields: tuple[int, ...] = self.order.packet.unpack_from(body)
        number, high, low, captured, length = fields
        if captured > len(body) - PACKET_BYTES:
            return WRONG_LENGTH
        if number >= len(self.interfaces):
            return NO_INTERFACE
        interface = self.interfaces[number]
        time_ns = interface.time_ns(high << 32 | low)
        if not 0 <= time_ns <= TIME_MAX_NS:
            return WRONG_TIME
        after = PACKET_BYTES + captured + -captured % 4
        dropped = self.options(body, after).get(DROPPED, b"") if after < len(body) else b""
        lost = self.order.u64.unpack(dropped)[0] if len(dropped) == 8 else 0
        if not interface.ours:
            return NOT_OURS
        data = body[PACKET_BYTES : PACKET_BYTES + captured]
        return event_of(time_ns, interface.source, data, length, lost) or NOT_OURS

    def options(self, body: bytes, start: int) -> dict[int, bytes]:
        """Return the options of a block by their code, the first of each, up to a damaged one."""
        found: dict[int, bytes] = {}
        while start + 4 <= len(body):
            code, length = self.order.option.unpack_from(body, start)
            start += 4
            if code == 0 or start + length > len(body):
                break
            found.setdefault(code, body[start : start + length])
            start += length + -length % 4
        return found


def in_nanoseconds(count: int, resolution: int) -> int:
    """Return a count in units of ``if_tsresol`` as nanoseconds, rounded down."""
    power = resolution & ~POWER_OF_TWO
    if resolution & POWER_OF_TWO:
        return count * 1_000_000_000 >> power
    return count * 10 ** (9 - power) if power <= 9 else int(count // 10 ** (power - 9))


def source_of(name: bytes, description: bytes) -> Source:
    """Return the channel of an interface; of one that mboxio did not describe, the name alone."""
    try:
        found: Any = json.loads(description)
    except (ValueError, RecursionError):
        found = None
    fields = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not isinstance(fields.get("address"), str):
        return Source(text_of(name.decode(errors="replace")), "")
    return source_from(fields)


def source_from(found: dict[str, Any]) -> Source:
    """Return the channel of fields by their names; what is none of our own has its default."""
    values: dict[str, Any] = {}
    for name, limit in (("number", 0xFFFF), ("depth", 1 << 32), ("message_bytes", 1 << 32)):
        value = found.get(name)
        values[name] = value if type(value) is int and 0 <= value <= limit else 0
    for name in ("address", "channel"):
        value = found.get(name)
        values[name] = text_of(value) if isinstance(value, str) else ""
    return Source(side="remote" if found.get("side") == "remote" else "host", **values)


def text_of(text: str) -> str:
    """Return a name that can be encoded, and is not endless."""
    return text[:TEXT_MAX].encode(errors="backslashreplace").decode()
