"""Registers and interrupt of a UIO device, which the kernel hands to user space on purpose.

What lies where is Linux's Documentation/driver-api/uio-howto.rst: map M of ``/dev/uioN`` is at
offset M pages, sysfs tells its size, a read gives the count of interrupts as 32 bits, and writing
a 1 lets the next one through.
"""

import errno
import mmap
import os
import struct
from pathlib import Path

from mboxio.errors import AddressError, RemoteGone
from mboxio.io.access import number
from mboxio.io.interrupts import Interrupt
from mboxio.io.mapped import MappedRegisters

__all__ = ["UioInterrupt", "UioRegion", "open_uio"]

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
        device: number or name of the device.
        map_number: number of the map.
        offset: where the region begins in the map, in bytes.
        size_bytes: its size; None: up to the end of the map.
        root: where ``dev`` and ``sys`` are; for tests.

    Raises:
        AddressError: there is no such device or map, or no access to it.
    """

    def __init__(
        self,
        device: int | str,
        map_number: int = 0,
        offset: int = 0,
        size_bytes: int | None = None,
        *,
        root: Path | None = None,
    ) -> None:
        root = ROOT if root is None else root
        what = f"uio:{device}/{map_number}"
        node = _node(root, device)
        folder = root / f"sys/class/uio/{node}/maps/map{map_number}"
        room = _attribute(folder / "size", what, root)
        begin = _attribute(folder / "offset", what, root)  # of the map in its first page
        end = room if size_bytes is None else offset + size_bytes
        if not 0 <= offset < end <= room:
            raise AddressError(
                f"{what} has {room:#x} bytes, nothing to map at {offset:#x} to {end:#x}"
            )
        descriptor = _opened(root / "dev" / node, what)
        try:
            super().__init__(descriptor, map_number * mmap.PAGESIZE, begin + offset, end - offset)
        except (OSError, ValueError) as error:
            os.close(descriptor)
            raise AddressError(f"{what}: cannot be mapped: {error}") from None
        self.interrupt = _interrupt_of(descriptor)


def _node(root: Path, device: int | str) -> str:
    """Return the device's file name: numbers change with the order of loading, names do not."""
    if isinstance(device, int):
        return f"uio{device}"
    known: list[str] = []
    for folder in sorted((root / "sys/class/uio").glob("uio*")):
        name = (folder / "name").read_text().strip()
        if name == device:
            return folder.name
        known.append(f"{folder.name.removeprefix('uio')}={name}")
    raise AddressError(
        f"no UIO device is called {device!r}; there are: {', '.join(known) or 'none'}"
    )


def _attribute(file: Path, what: str, root: Path) -> int:
    try:
        return int(file.read_text(), 0)
    except (OSError, ValueError):
        devices = sorted((root / "sys/class/uio").glob("uio*"))
        known = ", ".join(
            f"{device.name.removeprefix('uio')}/{each.name.removeprefix('map')}"
            for device in devices
            for each in sorted((device / "maps").glob("map*"))
        )
        raise AddressError(
            f"there is no {what}; there are: {known or 'none: no UIO driver has a device'}"
        ) from None


def _opened(path: Path, what: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_SYNC | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise AddressError(
            f"{what}: no access to {path}: run as root, or let a udev rule give it to your group"
        ) from None
    except OSError as error:
        raise AddressError(f"{what}: {path}: {error.strerror}") from None


def _interrupt_of(descriptor: int) -> UioInterrupt | None:
    """Return the device's interrupt; None, and the descriptor closed, if it has none."""
    interrupt = UioInterrupt(descriptor)
    try:
        interrupt.clear()
    except RemoteGone:  # without an interrupt the kernel answers a read with EIO
        interrupt.close()
        return None
    return interrupt


def open_uio(where: str, offset: int, size_bytes: int | None) -> UioRegion:
    """Open ``uio:N/M@offset+size``: map M (0 if left out) of the device with number or name N."""
    device, _, map_number = where.partition("/")
    if not device:
        raise AddressError("uio: say which device: uio:N/M, or uio:NAME/M")
    which: int | str = int(device) if device.isdecimal() else device
    return UioRegion(which, number(map_number) if map_number else 0, offset, size_bytes)
