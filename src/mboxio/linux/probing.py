"""What ``probe`` asks for: registers, interrupts, and what the match table has for its device."""

import errno
from typing import Any

from mboxio.driver.capabilities import POLL_ACCESSES
from mboxio.errors import AddressError, MailboxError
from mboxio.linux.io import iomem
from mboxio.linux.irq import PERIOD_S, irq_desc, irq_handler
from mboxio.linux.platform import matching, platform_device
from mboxio.linux.structs import device

__all__ = [
    "dev_err_probe",
    "dev_get_drvdata",
    "devm_platform_ioremap_resource",
    "devm_request_irq",
    "of_device_get_match_data",
    "platform_get_drvdata",
    "platform_get_irq",
    "platform_set_drvdata",
]


def devm_platform_ioremap_resource(pdev: platform_device, index: int) -> iomem | int:
    """Map the registers of an entry of ``reg``, until the device goes away.

    Returns them, -EINVAL if there are none, -EBUSY if another host has them, or another error.
    """
    try:
        region = pdev.resource(index)
    except MailboxError as error:
        return dev_err_probe(pdev.dev, -(error.errno or errno.EIO), "%s", error)
    try:
        pdev.claims.add(region, 0, region.size_bytes, "the registers")
    except AddressError as error:
        return dev_err_probe(pdev.dev, -errno.EBUSY, "%s", error)
    return iomem(region, f"registers {index} of {pdev.name}")


def platform_get_irq(pdev: platform_device, index: int) -> int:
    """Return the number of an interrupt of the device, for `devm_request_irq`, or -ENXIO."""
    described = pdev.interrupts()
    if described is not None and index >= len(described):
        text = "IRQ index %d not found: %s has %d interrupts"
        return dev_err_probe(pdev.dev, -errno.ENXIO, text, index, pdev.where, len(described))
    try:
        region = pdev.resource(0)
    except MailboxError as error:
        return dev_err_probe(pdev.dev, -errno.ENXIO, "%s", error)
    interrupt = region.interrupt if index == 0 and not pdev.polled else None
    irq = index + 1  # 0 is no interrupt, as in the kernel
    period_s = max(PERIOD_S, POLL_ACCESSES * region.access_s)
    pdev.dev.irqs.setdefault(irq, irq_desc(irq, interrupt, period_s)).failed = pdev.failed
    return irq


def devm_request_irq(
    dev: device, irq: int, handler: irq_handler, flags: int, name: str, dev_id: Any
) -> int:
    """Have a handler called for an interrupt, until the device goes away.

    It is called in a thread of its own, at intervals where the registers have no interrupt, and may
    run before this returns. Returns 0, -EINVAL, or -EBUSY if the interrupt has a handler.
    """
    line = dev.irqs.get(irq)
    if line is None:
        return dev_err_probe(dev, -errno.EINVAL, "no interrupt %d: ask platform_get_irq()", irq)
    if line.thread is not None:
        return dev_err_probe(dev, -errno.EBUSY, "interrupt %d has a handler", irq)
    line.request(handler, name, dev_id)
    dev.managed.append((line, irq_desc.free))
    return 0


def dev_err_probe(dev: device, err: int, text: str, *args: object) -> int:
    """Say why a driver cannot drive a device, and return the error. The last one said is told."""
    dev.complaint = (text % args).strip()
    return err


def of_device_get_match_data(dev: device) -> Any:
    """Return what the driver's match table has for the node of this device, or None."""
    match = matching(dev)
    return None if match is None else match.data


def platform_set_drvdata(pdev: platform_device, data: object) -> None:
    """Keep something of the driver's with the device."""
    pdev.dev.driver_data = data


def platform_get_drvdata(pdev: platform_device) -> Any:
    """Return what `platform_set_drvdata` was given."""
    return pdev.dev.driver_data


def dev_get_drvdata(dev: device) -> Any:
    """Return what `platform_set_drvdata` was given."""
    return dev.driver_data
