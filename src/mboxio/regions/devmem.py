"""Registers at a physical address, mapped from ``/dev/mem``, where nobody else owns them."""

import errno
import mmap
import os
import re
from pathlib import Path

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.errors import AddressError
from mboxio.regions.access import number, options
from mboxio.regions.mapped import MappedRegisters
from mboxio.regions.owner import Hidden, carve_outs, owners

__all__ = ["map_physical", "open_devmem"]

ROOT = Path("/")
"""Where ``dev``, ``proc`` and ``sys`` are."""

INSTEAD = "a UIO device (uio:N/M) needs no /dev/mem"


def open_devmem(where: str, offset: int, size_bytes: int | None) -> MappedRegisters:
    """Open ``devmem:ADDRESS+SIZE``, also written ``devmem:@ADDRESS+SIZE``.

    ``devmem:owned=take@ADDRESS+SIZE`` maps registers that somebody else owns, too.
    """
    where, given = options("devmem", where, ("owned",))
    if where and not offset:
        address, plus, size = where.partition("+")
        offset = number(address)
        size_bytes = number(size) if plus else size_bytes
    if given.get("owned", "refuse") not in ("take", "refuse"):
        raise AddressError("devmem: owned is take or refuse")
    if not size_bytes:
        raise AddressError("devmem: say where and how large: devmem:0x3f00b880+0x40")
    return map_physical(offset, size_bytes, take=given.get("owned") == "take")


def map_physical(
    address: int, size_bytes: int, *, take: bool = False, root: Path | None = None
) -> MappedRegisters:
    """Map registers at a physical address.

    Args:
        address: the first one.
        size_bytes: how many bytes.
        take: map them even if somebody owns them.
        root: where ``dev``, ``proc`` and ``sys`` are; for tests.

    Raises:
        AddressError: somebody owns them, or the kernel refuses; the text says who, and what helps.
    """
    root = ROOT if root is None else root
    what = f"devmem:{address:#x}+{size_bytes:#x}"
    try:
        # With O_SYNC the kernel maps it uncached.
        descriptor = os.open(root / "dev/mem", os.O_RDWR | os.O_SYNC | os.O_CLOEXEC)
    except OSError as error:
        refuse_exhausted(error, what)
        raise AddressError(f"{what}: {_why_not_opened(error, root)}") from None
    try:
        if not take:
            _check_free(what, address, size_bytes, root)
        begin = address % mmap.PAGESIZE
        region = MappedRegisters(descriptor, address - begin, begin, size_bytes)
        region.place = str(root / "dev/mem"), None, address
        return region
    except (OSError, OverflowError) as error:
        refuse_exhausted(error, what)
        raise AddressError(f"{what}: {_why_not_mapped(error, root)}") from None
    finally:
        os.close(descriptor)


def _check_free(what: str, address: int, size_bytes: int, root: Path) -> None:
    """Raise AddressError if somebody owns some of it."""
    take = f"to map it all the same: {what.replace('devmem:', 'devmem:owned=take@')}"
    try:
        found = owners(address, size_bytes, root)
    except Hidden:
        raise AddressError(
            f"{what}: /proc/iomem does not show who owns it: run as root; {take}"
        ) from None
    if found:
        owner = found[0]
        if owner.is_carve_out:
            nodes = ", ".join(carve_outs(owner.begin, owner.end, root))
            raise AddressError(
                f"{what} is reserved memory ({owner.begin:#x} to {owner.end - 1:#x}"
                f"{': ' + nodes if nodes else ''}), a carve-out that the kernel leaves alone, as it"
                f" does for firmware: see who uses it before you write; {take}"
            )
        help_ = "use that driver's own interface (a Raspberry Pi's mailbox: vcio), or unbind it"
        if not owner.driver:
            help_ = "use the interface of whoever claimed it"
        raise AddressError(f"{what} is owned by {owner}: {help_}; {take}")


def _why_not_opened(error: OSError, root: Path) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no /dev/mem (a container, or CONFIG_DEVMEM=n); {INSTEAD}"
    if error.errno == errno.EACCES:
        return f"no access to /dev/mem: {why(error, str(root / 'dev/mem'))}: run as root; {INSTEAD}"
    if error.errno == errno.EPERM:
        if mode := _lockdown(root):
            return (
                f"the kernel is locked down ({mode}), which closes /dev/mem: {_UNLOCK}; {INSTEAD}"
            )
        return f"/dev/mem needs CAP_SYS_RAWIO: run as root, outside of a container; {INSTEAD}"
    return f"/dev/mem: {error.strerror}"


def _why_not_mapped(error: OSError | OverflowError, root: Path) -> str:
    if isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES):
        if mode := _lockdown(root):
            return (
                f"the kernel is locked down ({mode}), which closes /dev/mem: {_UNLOCK}; {INSTEAD}"
            )
        return (
            "the kernel refuses to map it (CONFIG_STRICT_DEVMEM for memory,"
            " CONFIG_IO_STRICT_DEVMEM for what a driver has claimed): unbind the driver, or boot"
            f" with iomem=relaxed; {INSTEAD}"
        )
    return f"cannot be mapped: {error}"


_UNLOCK = "boot without Secure Boot or with lockdown=none"


def _lockdown(root: Path) -> str:
    """Return the mode in which the kernel is locked down, or "" if it is not."""
    try:
        text = (root / "sys/kernel/security/lockdown").read_text()
    except OSError:
        return ""  # not built in, or not shown
    chosen = re.search(r"\[(\w+)\]", text)
    return chosen[1] if chosen and chosen[1] != "none" else ""
