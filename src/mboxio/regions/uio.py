"""Registers and interrupt of a UIO device, which the kernel hands to user space on purpose.

What lies where is Linux's Documentation/driver-api/uio-howto.rst: map M of ``/dev/uioN`` is at
offset M pages, sysfs tells its size, a read gives the count of interrupts as 32 bits, and writing
a 1 lets the next one through.
"""

import errno
import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mboxio._os.descriptors import refuse_exhausted, require
from mboxio._os.whose import why
from mboxio.errors import AddressError, RemoteGone
from mboxio.regions.access import number
from mboxio.regions.interrupts import Interrupt
from mboxio.regions.mapped import MappedRegisters

__all__ = ["UioInterrupt", "UioRegion", "open_uio"]

DIGITS_MAX = 10
"""Of the number of a device, which has 32 bits."""
ROOT = Path("/")
"""Where ``dev`` and ``sys`` are."""

COUNT = struct.Struct("=I")
"""The kernel takes and gives 4 bytes in the machine's order, and nothing else."""


class UioInterrupt(Interrupt):
    """The interrupt of a UIO device.

    Args:
        descriptor: the open device, not blocking; closed with this.
    """

    def __init__(self, descriptor: int) -> None:
        require("eventfd")  # to end a sleep on it
        self.descriptor = descriptor
        self.count: int | None = None
        self.masks = True

    def fileno(self) -> int:
        """See `Interrupt.fileno`."""
        return self.descriptor

    def clear(self) -> int:
        """See `Interrupt.clear`; the first call cannot know more than that one came."""
        try:
            data = os.read(self.descriptor, COUNT.size)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise RemoteGone(f"the UIO device is gone: {error.strerror}") from None
        if len(data) != COUNT.size:
            raise RemoteGone("the UIO device is gone: it gives no count of interrupts")
        (count,) = COUNT.unpack(data)
        came = 1 if self.count is None else (count - self.count) % (1 << 32)
        self.count = count
        return came

    def unmask(self) -> None:
        """See `Interrupt.unmask`."""
        if not self.masks:
            return
        try:
            os.write(self.descriptor, COUNT.pack(1))
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL):
                raise RemoteGone(f"the UIO device is gone: {error.strerror}") from None
            self.masks = False  # this driver never masks

    def close(self) -> None:
        """See `Interrupt.close`."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class UioRegion(MappedRegisters):
    """One map of a UIO device; its interrupt is that of the whole device.

    Args:
        device: number of the device, its name, or that of the platform device behind it.
        map_number: number of the map.
        offset: where the region begins in the map, in bytes.
        size_bytes: its size; None: up to the end of the map.
        address: the physical address of the map, where several devices have one name.
        root: where ``dev`` and ``sys`` are; for tests.

    Raises:
        AddressError: there is no such device or map, or no access to it, or several are meant.
    """

    def __init__(
        self,
        device: int | str,
        map_number: int = 0,
        offset: int = 0,
        size_bytes: int | None = None,
        *,
        address: int | None = None,
        root: Path | None = None,
    ) -> None:
        root = ROOT if root is None else root
        found = _found(root, device, map_number, address)
        what = f"uio:{device}/{map_number}"
        where = found.maps[map_number]
        room, begin = where.size_bytes, where.offset
        end = room if size_bytes is None else offset + size_bytes
        if not 0 <= offset < end <= room:
            raise AddressError(
                f"{what} has {room:#x} bytes, nothing to map at {offset:#x} to {end:#x}"
            )
        descriptor = _opened(root / f"dev/uio{found.number}", what)
        try:
            super().__init__(descriptor, map_number * mmap.PAGESIZE, begin + offset, end - offset)
        except (OSError, ValueError) as error:
            os.close(descriptor)
            refuse_exhausted(error, what)
            raise AddressError(f"{what}: cannot be mapped: {error}") from None
        self.interrupt = _interrupt_of(descriptor)
        # Maps that are larger than their page would meet at the offsets by which they are mapped.
        self.place = str(root / f"dev/uio{found.number}"), None, (map_number << 40) + offset


@dataclass(frozen=True)
class Map:
    """What sysfs says about a map: physical address, size, and where it begins in its page."""

    address: int
    size_bytes: int
    offset: int


@dataclass(frozen=True)
class UioDevice:
    """What sysfs says about a UIO device: number, name, that of the device behind it, and maps."""

    number: int
    name: str
    parent: str
    maps: dict[int, Map]

    def lies_at(self, map_number: int, address: int) -> bool:
        """Return whether this physical address is where a map begins."""
        return map_number in self.maps and self.maps[map_number].address == address

    def __str__(self) -> str:
        where = f"map 0 at {self.maps[0].address:#x}" if 0 in self.maps else "without map 0"
        return f"uio:{self.number} ({self.parent + ', ' if self.parent else ''}{where})"


def devices(root: Path) -> list[UioDevice]:
    """Return the UIO devices there are, by number."""
    folders = _numbered(root / "sys/class/uio", "uio")
    return [_device(number, folder) for number, folder in folders.items()]


def _device(number: int, folder: Path) -> UioDevice:
    try:
        name = (folder / "name").read_text().strip()
    except OSError:
        name = ""  # it goes at this moment
    parent = (folder / "device").resolve().name if (folder / "device").exists() else ""
    maps: dict[int, Map] = {}
    for index, each in _numbered(folder / "maps", "map").items():
        address, size_bytes, offset = (_attribute(each / n) for n in ("addr", "size", "offset"))
        if size_bytes is not None and offset is not None:
            maps[index] = Map(-1 if address is None else address, size_bytes, offset)
    return UioDevice(number, name, parent, maps)


def _numbered(folder: Path, prefix: str) -> dict[int, Path]:
    """Return what is called by a prefix and a number, in the order of the numbers."""
    found = {each.name.removeprefix(prefix): each for each in folder.glob(f"{prefix}*")}
    return {int(text): found[text] for text in sorted(filter(str.isdecimal, found), key=int)}


def _attribute(file: Path) -> int | None:
    try:
        return int(file.read_text(), 0)
    except (OSError, ValueError):
        return None


def _found(root: Path, device: int | str, map_number: int, address: int | None) -> UioDevice:
    """Return the one device that is meant: numbers change with the order of loading, names do not.

    Raises:
        AddressError: there is none, or more than one, or it lacks the map.
    """
    known = devices(root)
    meant = _called(known, device)
    if address is not None:
        placed = [each for each in meant if each.lies_at(map_number, address)]
        if meant and not placed:
            raise AddressError(
                f"no UIO device called {device!r} has its map {map_number} at {address:#x}; there"
                f" are: {', '.join(map(str, meant))}"
            )
        meant = placed
    if not meant:  # a driver may still be loaded
        raise AddressError(_unknown(known, device, map_number), not_yet=True)
    if len(meant) > 1:
        raise AddressError(_ambiguous(meant, device))
    (found,) = meant
    if not found.maps:
        raise AddressError(
            f"uio:{device}: the device has no maps, so its driver hands out no registers"
        )
    if map_number not in found.maps:
        raise AddressError(_unknown(known, device, map_number))
    return found


def _called(known: Sequence[UioDevice], device: int | str) -> list[UioDevice]:
    if isinstance(device, int):
        return [each for each in known if each.number == device]
    return [each for each in known if each.name == device] or [
        each for each in known if each.parent == device
    ]


def _unknown(known: Sequence[UioDevice], device: int | str, map_number: int) -> str:
    if isinstance(device, str) and not _called(known, device):
        names = ", ".join(f"{each.number}={each.name}" for each in known)
        return f"no UIO device is called {device!r}; there are: {names or 'none'}"
    maps = ", ".join(
        ", ".join(f"{each.number}/{index}" for index in each.maps) or f"{each.number} without maps"
        for each in known
    )
    return (
        f"there is no uio:{device}/{map_number}; there are:"
        f" {maps or 'none: no UIO driver has a device'}"
    )


def _ambiguous(meant: Sequence[UioDevice], device: int | str) -> str:
    ways = ["by its number"]
    addresses = [each.maps[0].address for each in meant if 0 in each.maps]
    parents = [each.parent for each in meant if each.parent]
    if len(set(addresses)) == len(meant):
        ways.append(f"by its address as uio:{device}@{addresses[0]:#x}")
    if len(set(parents)) == len(meant):
        ways.append(f"as uio:{parents[0]}")
    return (
        f"{len(meant)} UIO devices are called {device!r}: {', '.join(map(str, meant))}; say which"
        f" one, {' or '.join(ways)}"
    )


def _opened(path: Path, what: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_SYNC | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError as error:
        raise AddressError(
            f"{what}: no access to {path}: {why(error, str(path))}: run as root, or let a udev rule"
            " give it to your group"
        ) from None
    except OSError as error:
        refuse_exhausted(error, what)
        missing = isinstance(error, FileNotFoundError)  # the kernel shows it in sysfs first
        raise AddressError(f"{what}: {path}: {error.strerror}", not_yet=missing) from None


def _interrupt_of(descriptor: int) -> UioInterrupt | None:
    """Return the device's interrupt; None, and the descriptor closed, if it has none."""
    interrupt = UioInterrupt(descriptor)
    try:
        interrupt.clear()
    except RemoteGone:  # without an interrupt the kernel answers a read with EIO
        interrupt.close()
        return None
    return interrupt


def _lies_at(device: str, address: int) -> bool:
    return any(each.lies_at(0, address) for each in _called(devices(ROOT), device))


def _device_number(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise AddressError(f"uio: {text[:40]}... is no number of a device")
    return int(text)


def open_uio(where: str, offset: int, size_bytes: int | None) -> UioRegion:
    """Open ``uio:N/M@offset+size``: map M (0 if left out) of the device with number or name N.

    Of several devices of one name, ``uio:NAME@ADDRESS/M@offset+size`` means the one whose map M
    lies there; ``uio:NAME@ADDRESS`` is short for its map 0.
    """
    device, _, map_text = where.partition("/")
    device, at, address_text = device.partition("@")
    if not device:
        raise AddressError("uio: say which device: uio:N/M, or uio:NAME/M")
    map_number = number(map_text) if map_text else 0
    if device.isdecimal():
        return UioRegion(_device_number(device), map_number, offset, size_bytes)
    address = number(address_text) if at else None
    # What follows the name may be an offset, too: then no device lies at such an address.
    if address is None and offset and not map_text and _lies_at(device, offset):
        address, offset = offset, 0
    return UioRegion(device, map_number, offset, size_bytes, address=address)
