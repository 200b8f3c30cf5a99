"""Addresses by device tree: ``dt:NODE``, and which controller drives a node."""

import logging
import os
import stat
from typing import Any

from mboxio._base.texts import remote_text
from mboxio.address.address import Address
from mboxio.address.allowed import require_name
from mboxio.address.catalogue import BUILT_IN, found, load
from mboxio.devicetree import EPROBE_DEFER, DeviceTree, Node
from mboxio.errors import AddressError, DeviceTreeError

__all__ = ["COMPATIBLE", "GROUP", "driver", "drivers", "resolve"]

COMPATIBLE = {
    "arm,mhu": "mhu",
    "arm,mhu-doorbell": "mhu",
    "brcm,bcm2835-mbox": "bcm2835",
    "google,gs101-acpm-ipc": "acpm",
    "google,gs101-mbox": "exynos_mbox",
}
"""What the controllers of mboxio drive: a ``compatible``, and the controller's name."""

GROUP = "mboxio.compatible"
"""The entry points with which other packages say the same of their controllers."""


def drivers() -> dict[str, str]:
    """Return each ``compatible`` that a controller drives, and the controller's name."""
    from importlib.metadata import entry_points

    names = {where: name for name, where in found().items()}
    driven = {compatible: name for compatible, name in COMPATIBLE.items() if name in BUILT_IN}
    for entry in entry_points(group=GROUP):
        if entry.value in names:
            driven.setdefault(entry.name, names[entry.value])
        else:
            logging.getLogger("mboxio").error(
                "%s is to be driven by %s, which is no controller: name it in mboxio.controllers",
                entry.name,
                entry.value,
            )
    return driven


def driver(node: Node, driven: dict[str, str]) -> str | None:
    """Return the controller that drives a node, by the first ``compatible`` that has one."""
    return next((driven[each] for each in node.compatible if each in driven), None)


def resolve(address: Address, allow: frozenset[str] | None = None) -> tuple[Address, Any]:
    """Turn ``dt:NODE?channel=…&dtb=FILE&option=value`` into the address of a controller.

    NODE is a path, or an alias or a label. A node that a controller drives is that controller; any
    other has to be a consumer, and is the controller that provides its channel. What is no option
    of ours is one of the controller, and goes before what the tree says.

    Args:
        address: of ``dt``.
        allow: names of the controllers that may be meant; None: all. Others are not imported.

    Returns:
        The address, and the entry of ``mboxes`` if NODE is a consumer.

    Raises:
        DeviceTreeError: the tree does not say; EPROBE_DEFER: no controller here drives it.
    """
    options = dict(address.options)
    tree = DeviceTree.open(_file(options.pop("dtb", None)))
    which = options.pop("channel", "")
    node = tree.node(f"{address.name}/{address.channel}".removesuffix("/") or "/")
    driven = drivers()
    specifier = None
    if driver(node, driven) is None and "#mbox-cells" not in node.properties:
        specifier = tree.channel(node, int(which or 0) if (which or "0").isdecimal() else which)
        assert specifier.provider is not None  # or it would have raised
        node, which = specifier.provider, ""
    name = driver(node, driven)
    if name is None:
        what = remote_text(", ".join(node.compatible)) or "anonymous"
        raise DeviceTreeError(
            f"no controller here drives {node.shown} ({what})",
            errno=EPROBE_DEFER,
        )
    if not node.enabled:
        raise DeviceTreeError(f"{node.shown} is disabled in the device tree", errno=EPROBE_DEFER)
    require_name(name, allow, str(address))
    options = {**load(name).tree_options(tree, node, specifier), **options}
    return Address(name, "", which, options), specifier


def _file(path: str | None) -> str | None:
    """Refuse what is neither a file nor a folder: whoever writes into a pipe may never end."""
    if path is not None and os.path.exists(path):
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise AddressError(f"dtb={path} is neither a file nor a folder")
    return path
