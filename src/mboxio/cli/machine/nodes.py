"""Mailboxes in the device tree of the running kernel, and who drives them."""

import os
import re
from collections.abc import Iterator

from mboxio._base.texts import remote_text
from mboxio.address import by_tree
from mboxio.cli.machine.machine import Found, Machine
from mboxio.devicetree import DeviceTree, Provider
from mboxio.devicetree.files import LIVE_FOLDERS
from mboxio.errors import AddressError, DeviceTreeError

__all__ = ["nodes"]

PLAIN = re.compile(r"[/\w.,@#+-]+", re.ASCII)
"""A path that stands in an address as it is."""
HANDED_OUT = re.compile(r"uio_|vfio")
"""Kernel drivers that hand a device to user space."""


def nodes(machine: Machine) -> Iterator[Found]:
    """Yield the mailbox controllers of the running device tree."""
    folder = next((each for each in LIVE_FOLDERS if machine.names(each)), None)
    if folder is None:
        return
    try:
        providers = DeviceTree.open(machine.path(folder)).providers()
    except (AddressError, DeviceTreeError) as error:
        text = remote_text(str(error))
        yield Found("devicetree", folder, obstacle=text, advice=f"mboxio list --dtb {folder}")
        return
    driven, kernel = by_tree.drivers(), _kernel_drivers(machine)
    for each in providers:
        yield _node(each, by_tree.driver(each.node, driven), kernel.get(each.node.path))


def _node(provider: Provider, controller: str | None, bound: tuple[str, str] | None) -> Found:
    node = provider.node
    path = remote_text(node.path)
    about = remote_text(next(iter(node.compatible), "without compatible"))
    cpu = next((region.cpu for region in provider.reg), None)
    about += "" if cpu is None else f" at {cpu:#x}"
    about += f", controller {controller}" if controller else ""
    address, obstacle, advice = f"dt:{path}", "", ""
    if not node.enabled:
        obstacle, advice = "disabled in the device tree", 'an overlay with status = "okay"'
    elif controller is None:
        obstacle = "no controller of mboxio drives it"
        advice = "write one: mboxio new-driver"
    elif bound is not None and not HANDED_OUT.match(bound[1]):
        device, driver = bound
        obstacle = f"the kernel's driver {driver} has it"
        advice = f"echo {device} > /sys/bus/platform/drivers/{driver}/unbind"
        if controller == "bcm2835":
            advice = "vcio: goes through the kernel"
    elif not PLAIN.fullmatch(node.path):
        obstacle, advice = "its name does not fit into an address", "an alias in the device tree"
    return Found("devicetree", path, "" if obstacle else address, about, obstacle, advice)


def _kernel_drivers(machine: Machine) -> dict[str, tuple[str, str]]:
    """Return which platform device a node is, and its driver, by the path of the node."""
    base = os.path.realpath(machine.path("sys/firmware/devicetree/base"))
    bus = "sys/bus/platform/devices"
    found: dict[str, tuple[str, str]] = {}
    for each in machine.names(bus):
        driver = machine.target(f"{bus}/{each}/driver")
        node = os.path.realpath(machine.path(f"{bus}/{each}/of_node"))
        if driver and node.startswith(f"{base}/"):
            found[node.removeprefix(base)] = remote_text(os.fsencode(each)), driver
    return found
