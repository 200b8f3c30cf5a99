"""Platform devices and drivers: a node and its registers on one side, ``probe`` on the other."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mboxio._base.gate import complain
from mboxio._base.texts import remote_text
from mboxio._queue.handlers import named
from mboxio.devicetree.bus import InterruptSpecifier, Wiring
from mboxio.errors import AddressError
from mboxio.linux.channel import log
from mboxio.linux.of import device_node, of_device_is_compatible
from mboxio.linux.structs import ENOTSUPP, EPROBE_DEFER, device
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.claim import Claims
from mboxio.regions.region import Region

__all__ = [
    "attach",
    "matching",
    "name_of_error",
    "of_device_id",
    "platform_device",
    "platform_device_unregister",
    "platform_driver",
    "platform_driver_probe",
]


KERNELS_OWN = {
    EPROBE_DEFER: "EPROBE_DEFER (something it needs is not there yet)",
    ENOTSUPP: "ENOTSUPP",
}
"""Errors that no C library knows."""


@dataclass(frozen=True)
class of_device_id:
    """An entry of a driver's match table; ``data`` is anything of the driver's."""

    compatible: str
    data: Any = None


@dataclass(eq=False, kw_only=True)
class platform_driver:
    """A driver: what it drives, and how it begins and ends.

    ``probe`` returns 0 or an error. ``remove`` is called before what is managed is undone.
    """

    name: str
    probe: "Callable[[platform_device], int]"
    remove: "Callable[[platform_device], object] | None" = None
    of_match_table: Sequence[of_device_id] = ()


class platform_device:
    """A device with registers and interrupts; ``dev`` is what mailbox functions take.

    Args:
        name: of it, for messages.
        of_node: its node; None if no device tree describes it.
        region: its first registers, with their interrupt; they stay the caller's.
        at: where the first registers are, in place of ``region``: a region's text. Where that is
            ``devmem:``, the others are reached at the addresses of the node.
        polled: an interrupt of the region is not used: handlers are called at intervals.
        shared: other hosts may use the same registers.
    """

    def __init__(
        self,
        name: str,
        *,
        of_node: device_node | None = None,
        region: Region | None = None,
        at: str = "",
        polled: bool = False,
        shared: bool = False,
    ) -> None:
        self.dev = device(name, of_node)
        self.name = name
        self.region = region
        self.at = at
        self.polled = polled
        self.claims = Claims(shared)
        self.opened: dict[int, Region] = {}
        self.driver: platform_driver | None = None
        self.failed: Callable[[Exception], object] = partial(
            complain, "%s: an interrupt ended", name
        )
        """Hears of an interrupt that was given up, or registers that were lost."""

    def resource(self, index: int) -> Region:
        """Return registers, opened at the first call and closed by `let_go`.

        Raises:
            MailboxError: there are none, or they cannot be reached.
        """
        if index == 0 and self.region is not None:
            return self.region
        if index not in self.opened:
            np = self.dev.of_node
            ranges = np.tree.blob.regions(np.node) if np and np.tree and np.node else []
            size_bytes = ranges[index].size_bytes if index < len(ranges) else None
            cpu = ranges[index].cpu if index < len(ranges) else None
            text = self.at if index == 0 else ""
            # No other access path than the one that was chosen: it may not be allowed.
            if not text and cpu is not None and self.at.startswith("devmem:"):
                text = f"devmem:@{cpu:#x}"
            if index == 0 and not text:
                raise nowhere("uio:0" if cpu is None else f"devmem:@{cpu:#x}")
            if not text:
                how = (
                    f"{self.where} has {len(ranges)}, and only devmem: reaches more than the first"
                )
                raise AddressError(f"no registers {index}: {how}", errno=errno.EINVAL)
            self.opened[index] = open_region(text, size_bytes)
        return self.opened[index]

    @property
    def where(self) -> str:
        """Its node in a message."""
        return "nothing" if self.dev.of_node is None else self.dev.of_node.full_name

    def interrupts(self) -> list[InterruptSpecifier] | None:
        """Return the interrupts of its node; None if it has no node in a tree."""
        np = self.dev.of_node
        if np is None or np.tree is None or np.node is None:
            return None
        return Wiring(np.tree.blob.by_phandle).interrupts(np.node)

    def let_go(self) -> None:
        """Close what `resource` opened, and the claims on it."""
        while self.opened:
            self.opened.popitem()[1].close()
        self.claims.close()


def matching(dev: device) -> of_device_id | None:
    """Return the entry of the driver's match table that is meant by a device's node."""
    np = dev.of_node
    found = (each for each in dev.matches if np and of_device_is_compatible(np, each.compatible))
    return next(found, None)


def attach(drv: platform_driver, pdev: platform_device) -> None:
    """Let a driver probe a device; undo everything if it cannot drive it.

    Raises:
        AddressError: it cannot; ``errno`` is what ``probe`` returned, and the text says why.
    """
    np = pdev.dev.of_node
    if np is not None and np.node is not None:
        if not np.node.enabled:
            text = f"{drv.name}: {np.full_name} is disabled in the device tree"
            raise AddressError(text, errno=errno.ENODEV)
        pdev.dev.matches = drv.of_match_table
        if matching(pdev.dev) is None:
            known = ", ".join(each.compatible for each in drv.of_match_table) or "nothing"
            has = remote_text(", ".join(np.node.compatible)) or "nothing"
            raise AddressError(
                f"{drv.name} does not drive {np.full_name}, which is compatible with {has}; the"
                f" driver is with {known}",
                errno=errno.ENODEV,
            )
    pdev.dev.complaint = ""
    try:
        error = drv.probe(pdev)
    except Exception as raised:
        _undo(pdev)
        text = f"{drv.name}: {named(drv.probe)} raised {type(raised).__name__}: {raised}"
        raise AddressError(text) from raised
    except BaseException:
        _undo(pdev)
        raise
    if error:
        _undo(pdev)
        raise AddressError(
            f"{drv.name}: probe() of {pdev.name} returned {name_of_error(error)}"
            + (f": {pdev.dev.complaint}" if pdev.dev.complaint else ""),
            errno=abs(error),
            not_yet=error == -EPROBE_DEFER,
        )
    pdev.driver = drv


def platform_driver_probe(drv: platform_driver, pdev: platform_device) -> int:
    """As the kernel does when both are there. Returns 0 or an error, and logs why."""
    try:
        attach(drv, pdev)
    except AddressError as error:
        log.error("%s", error, extra={"code": "probe_failed"})
        return -(error.errno or errno.EINVAL)
    return 0


def platform_device_unregister(pdev: platform_device) -> None:
    """The device goes away: ``remove`` of its driver, then what is managed, the last first."""
    drv, pdev.driver = pdev.driver, None
    try:
        if drv is not None and drv.remove is not None:
            drv.remove(pdev)
    finally:
        _undo(pdev)


def _undo(pdev: platform_device) -> None:
    try:
        pdev.dev.remove()
    finally:
        pdev.dev.irqs.clear()
        pdev.let_go()


def name_of_error(error: int) -> str:
    """Return what a number that a driver returned is called: ``-EBUSY (Device or resource busy)``.

    Positive ones are no errors, and are shown as they are.
    """
    if error >= 0:
        return f"{error}, which is neither 0 nor a negative error"
    if -error in KERNELS_OWN:
        return f"-{KERNELS_OWN[-error]}"
    name = errno.errorcode.get(-error)
    return f"-{name} ({os.strerror(-error)})" if name else str(error)
