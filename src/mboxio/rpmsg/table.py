"""The resource table of firmware: what it wants of the host, and where both find the rings.

Source: Linux, include/linux/remoteproc.h and Documentation/staging/remoteproc.rst (facts only).
The table comes from a file or from memory that the firmware writes: it is copied before it is
read, and everything in it is checked.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mboxio.errors import RemoteError
from mboxio.rpmsg.message import FEATURE_NAME_SERVICE
from mboxio.virtio.layout import SplitLayout

__all__ = [
    "ANYWHERE",
    "Carveout",
    "ResourceTable",
    "Trace",
    "VirtioDevice",
    "Vring",
    "pack_table",
    "parse_table",
]

ANYWHERE = 0xFFFF_FFFF
"""An address that the host chooses and writes into the table."""
RPMSG_ID = 7
"""The id of an RPMsg device in virtio."""
ENTRIES_MAX = 256
TABLE_BYTES_MAX = 1 << 16
CARVEOUT, DEVICE_MEMORY, TRACE, VDEV = range(4)

_HEAD = struct.Struct("<4I")
_CARVEOUT = struct.Struct("<6I32s")
_TRACE = struct.Struct("<4I32s")
_VDEV = struct.Struct("<6I4B")
_VRING = struct.Struct("<5I")
STATUS_AT = 24
"""Where the status byte of a device lies, in bytes from its entry."""
VRINGS_AT = _VDEV.size


@dataclass(frozen=True, slots=True)
class Carveout:
    """Memory that the firmware wants, or registers that it uses.

    Args:
        name: what the host may look for.
        address: that of the remote; `ANYWHERE`.
        size_bytes: how much.
        physical: the address on the bus.
        flags: for the host's memory management unit.
        registers: these are registers of a device.
        offset: where the entry lies in the table, in bytes.
    """

    name: str
    address: int
    size_bytes: int
    physical: int = 0
    flags: int = 0
    registers: bool = False
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """Text that the firmware writes for people: up to its first NUL; arguments as `Carveout`."""

    name: str
    address: int
    size_bytes: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Vring:
    """A ring of a virtio device.

    Args:
        address: that of the remote; `ANYWHERE` until the host has chosen.
        num: number of descriptors.
        align: see `SplitLayout`.
        notify: the number by which it is rung; hosts overwrite it.
        physical: the address on the bus.
    """

    address: int
    num: int
    align: int
    notify: int = 0
    physical: int = 0


@dataclass(frozen=True, slots=True)
class VirtioDevice:
    """A virtio device with its rings.

    Args:
        rings: for RPMsg two: from the remote to the host, and back.
        id: which kind; 7 is RPMsg.
        features: what the remote can do.
        agreed: what the host chose of it.
        status: how far the host is: 4 stands for ready.
        config: what else belongs to the device.
        notify: a number of its own, which hosts do not use.
        offset: where the entry lies in the table, in bytes.
    """

    rings: Sequence[Vring]
    id: int = RPMSG_ID
    features: int = FEATURE_NAME_SERVICE
    agreed: int = 0
    status: int = 0
    config: bytes = b""
    notify: int = 0
    offset: int = field(default=0, compare=False)

    @property
    def status_at(self) -> int:
        """Where the status byte lies in the table, in bytes."""
        return self.offset + STATUS_AT

    def ring_at(self, number: int) -> int:
        """Return where the entry of a ring lies in the table, in bytes."""
        return self.offset + VRINGS_AT + number * _VRING.size


@dataclass(frozen=True, slots=True)
class ResourceTable:
    """What is in a table.

    Args:
        entries: in their order; of kinds that nobody here knows only the number.
        size_bytes: how far the last of them goes.
    """

    entries: Sequence[Carveout | Trace | VirtioDevice | int]
    size_bytes: int = field(default=0, compare=False)

    @property
    def rpmsg(self) -> Sequence[VirtioDevice]:
        """The RPMsg devices."""
        devices = [each for each in self.entries if isinstance(each, VirtioDevice)]
        return [each for each in devices if each.id == RPMSG_ID and len(each.rings) == 2]

    def carveout(self, name: str) -> Carveout | None:
        """Return the memory of this name."""
        for each in self.entries:
            if isinstance(each, Carveout) and not each.registers and each.name == name:
                return each
        return None


def parse_table(table: bytes) -> ResourceTable:
    """Read a resource table; what follows the last entry is ignored.

    Raises:
        RemoteError: it is damaged, and the text says where.
    """
    if len(table) < _HEAD.size:
        raise _damaged(f"{len(table)} bytes are no table")
    version, count, first, second = _HEAD.unpack_from(table)
    if version != 1:
        raise _damaged(f"version {version}, not 1")
    if first or second:
        raise _damaged("its reserved words are not 0")
    if count > ENTRIES_MAX or _HEAD.size + 4 * count > len(table):
        raise _damaged(f"{count} entries in {len(table)} bytes")
    entries: list[Carveout | Trace | VirtioDevice | int] = []
    end = _HEAD.size + 4 * count
    for offset in struct.unpack_from(f"<{count}I", table, _HEAD.size):
        entry, size = _entry(table, offset)
        entries.append(entry)
        end = max(end, offset + size)
    return ResourceTable(tuple(entries), end)


def _entry(table: bytes, offset: int) -> tuple[Carveout | Trace | VirtioDevice | int, int]:
    kind = _unpack(struct.Struct("<I"), table, offset)[0]
    if kind in (CARVEOUT, DEVICE_MEMORY):
        _, address, physical, size, flags, reserved, name = _unpack(_CARVEOUT, table, offset)
        _zero(reserved, offset)
        registers = kind == DEVICE_MEMORY
        entry = Carveout(_text(name), address, size, physical, flags, registers, offset)
        return entry, _CARVEOUT.size
    if kind == TRACE:
        _, address, size, reserved, name = _unpack(_TRACE, table, offset)
        _zero(reserved, offset)
        return Trace(_text(name), address, size, offset), _TRACE.size
    if kind == VDEV:
        return _device(table, offset)
    return kind, 4


def _device(table: bytes, offset: int) -> tuple[VirtioDevice, int]:
    head = _unpack(_VDEV, table, offset)
    _, identity, notify, features, agreed, config_bytes, status, count, *reserved = head
    _zero(reserved[0] | reserved[1], offset)
    if count > 2:
        raise _damaged(f"the device at {offset:#x} has {count} rings, more than 2")
    rings: list[Vring] = []
    for number in range(count):
        where = offset + VRINGS_AT + number * _VRING.size
        address, align, num, ring_notify, physical = _unpack(_VRING, table, where)
        wrong = SplitLayout(0, num, align).problem(1 << 40)
        if wrong:
            raise _damaged(f"ring {number} of the device at {offset:#x}: {wrong}")
        rings.append(Vring(address, num, align, ring_notify, physical))
    start = offset + VRINGS_AT + count * _VRING.size
    if start + config_bytes > len(table):
        raise _damaged(f"{config_bytes} bytes of configuration at {start:#x} end after it")
    config = table[start : start + config_bytes]
    device = VirtioDevice(tuple(rings), identity, features, agreed, status, config, notify, offset)
    return device, start + config_bytes - offset


def pack_table(entries: Sequence[Carveout | Trace | VirtioDevice]) -> bytes:
    """Return a table, as firmware carries it."""
    head = _HEAD.size + 4 * len(entries)
    body = b""
    offsets: list[int] = []
    for each in entries:
        offsets.append(head + len(body))
        packed = _packed(each)
        body += packed.ljust(-(-len(packed) // 4) * 4, b"\0")
    return _HEAD.pack(1, len(entries), 0, 0) + struct.pack(f"<{len(offsets)}I", *offsets) + body


def _packed(entry: Carveout | Trace | VirtioDevice) -> bytes:
    if isinstance(entry, VirtioDevice):
        packed = _VDEV.pack(
            *(VDEV, entry.id, entry.notify, entry.features, entry.agreed, len(entry.config)),
            *(entry.status, len(entry.rings), 0, 0),
        )
        for ring in entry.rings:
            packed += _VRING.pack(ring.address, ring.align, ring.num, ring.notify, ring.physical)
        return packed + entry.config
    name = entry.name.encode()
    if isinstance(entry, Trace):
        return _TRACE.pack(TRACE, entry.address, entry.size_bytes, 0, name)
    kind = DEVICE_MEMORY if entry.registers else CARVEOUT
    numbers = (kind, entry.address, entry.physical, entry.size_bytes, entry.flags, 0)
    return _CARVEOUT.pack(*numbers, name)


def _unpack(form: struct.Struct, table: bytes, offset: int) -> tuple[Any, ...]:
    if offset + form.size > len(table):
        raise _damaged(f"{form.size} bytes at {offset:#x} end after its {len(table)} bytes")
    return form.unpack_from(table, offset)


def _zero(reserved: int, offset: int) -> None:
    if reserved:
        raise _damaged(f"a reserved word of the entry at {offset:#x} is not 0")


def _text(name: bytes) -> str:
    return name.split(b"\0")[0].decode("ascii", "replace")


def _damaged(what: str) -> RemoteError:
    return RemoteError(f"the resource table is damaged: {what}")
