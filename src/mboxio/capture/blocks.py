"""Blocks of pcapng, as they are written: plain functions that return bytes, little-endian.

A block is ``u32 type, u32 length, body, u32 length``, an option ``u16 code, u16 length, value``;
bodies and values are padded to 4. Source: draft-ietf-opsawg-pcapng.
"""

import json
import platform
import struct
import sys

from mboxio.capture.event import Source
from mboxio.capture.layout import LINK_TYPE
from mboxio.capture.packets import BEFORE_MESSAGE

__all__ = [
    "INTERFACE",
    "PACKET",
    "SECTION",
    "fields_of",
    "interface_description",
    "packet_block",
    "section_header",
]

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
MAGIC = 0x1A2B3C4D
LENGTH_UNKNOWN = -1
NANOSECONDS = b"\x09"
OPTION_BYTES_MAX = 0xFFFF

END, COMMENT = 0, 1
"""Options of every block."""
HARDWARE, SYSTEM, APPLICATION = 2, 3, 4
"""Options of a section header."""
NAME, DESCRIPTION, RESOLUTION, TIME_OFFSET = 2, 3, 9, 14
"""Options of an interface description."""
FLAGS, DROPPED = 2, 4
"""Options of a packet."""


def section_header(offset_ns: int | None = None, pid: int | None = None) -> bytes:
    """Return the block that a file or stream begins with.

    Args:
        offset_ns: times in the file minus the monotonic clock of the process, in nanoseconds; None:
            nothing is said about the clock.
        pid: of the process.
    """
    version = sys.modules["mboxio"].__version__
    options = [
        (HARDWARE, platform.machine().encode()),
        (SYSTEM, platform.system().encode()),
        (APPLICATION, f"mboxio {version}".encode()),
    ]
    clock = [] if offset_ns is None else [f"offset_ns={offset_ns}"]
    process = [] if pid is None else [f"pid={pid}"]
    if clock or process:
        said = " ".join(["mboxio clock=monotonic", *clock, *process])
        options.append((COMMENT, said.encode()))
    return _block(SECTION, struct.pack("<IHHq", MAGIC, 1, 0, LENGTH_UNKNOWN), options)


def interface_description(source: Source, snap: int | None = None) -> bytes:
    """Return the block that describes a channel; its number is that of those before it.

    Args:
        source: the channel.
        snap: no more bytes of a message are kept; None: all are.
    """
    options = [
        (NAME, str(source).encode(errors="backslashreplace")),
        (DESCRIPTION, json.dumps(fields_of(source)).encode()),
        (RESOLUTION, NANOSECONDS),
    ]
    # The length that a reader may rely on includes what stands before the message.
    limit = 0 if snap is None else snap + BEFORE_MESSAGE
    return _block(INTERFACE, struct.pack("<HHI", LINK_TYPE, 0, limit), options)


def packet_block(
    interface: int,
    time_ns: int,
    data: bytes,
    length: int,
    direction: int = 0,
    lost: int = 0,
    comment: str = "",
) -> bytes:
    """Return the block of a packet.

    Args:
        interface: the number of its channel.
        time_ns: nanoseconds since 1970.
        data: what is kept of the packet.
        length: of the whole packet, in bytes.
        direction: 1 for what came, 2 for what left, 0 for what crosses no wire.
        lost: this many packets right before it are missing.
        comment: a text for people.
    """
    options: list[tuple[int, bytes]] = []
    if comment:
        options.append((COMMENT, comment.encode(errors="backslashreplace")))
    if direction:
        options.append((FLAGS, struct.pack("<I", direction)))
    if lost:
        options.append((DROPPED, struct.pack("<Q", lost)))
    head = struct.pack("<5I", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), length)
    return _block(PACKET, head + _padded(data), options)


def fields_of(source: Source) -> dict[str, str | int]:
    """Return the fields of a source by their names, as both formats have them."""
    return {name: getattr(source, name) for name in Source.__slots__}


def _block(kind: int, body: bytes, options: list[tuple[int, bytes]]) -> bytes:
    parts = [body]
    for code, value in options:
        kept = _whole(value)
        parts.append(struct.pack("<HH", code, len(kept)) + _padded(kept))
    if options:
        parts.append(bytes(4))
    whole = b"".join(parts)
    length = len(whole) + 12
    return struct.pack("<2I", kind, length) + whole + struct.pack("<I", length)


def _whole(value: bytes) -> bytes:
    """Cut a text that is longer than an option may be, between two characters."""
    if len(value) <= OPTION_BYTES_MAX:
        return value
    return value[:OPTION_BYTES_MAX].decode(errors="ignore").encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
