"""Nodes of a device tree, as drivers and clients have them: ``of_node``, and what reads it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from errno import EINVAL, ENODATA, EOVERFLOW

from mboxio.devicetree import DeviceTree, Node

__all__ = [
    "device_node",
    "of_device_is_compatible",
    "of_fdt_unflatten_tree",
    "of_find_node_by_path",
    "of_phandle_args",
    "of_property_read_bool",
    "of_property_read_string",
    "of_property_read_u32",
]


@dataclass(eq=False)
class of_phandle_args:
    """A reference to a controller's node with its specifier; ``np`` is None for an empty entry."""

    np: "device_node | None"
    args: Sequence[int] = ()

    @property
    def args_count(self) -> int:
        """How many cells there are: the ``#mbox-cells`` of the controller."""
        return len(self.args)


@dataclass(eq=False)
class device_node:
    """A node of the device description; a client's has ``mboxes`` and their names.

    It is made by hand, or by `of_fdt_unflatten_tree`, which fills in the rest.

    Attributes:
        node: the node in the blob; None if there is none.
        tree: the blob and all of its nodes.
        broken: why ``mboxes`` ends before the list in the blob does; empty if it does not.
    """

    mboxes: Sequence[of_phandle_args] = field(default=(), repr=False)
    mbox_names: Sequence[str] = ()
    node: Node | None = field(default=None, repr=False)
    tree: "Unflattened | None" = field(default=None, repr=False)
    broken: str = field(default="", repr=False)

    @property
    def full_name(self) -> str:
        """Its path, for messages."""
        return "a node without a tree" if self.node is None else self.node.shown


class Unflattened:
    """A blob whose nodes are those of drivers: the same one wherever it is referred to."""

    def __init__(self, blob: DeviceTree) -> None:
        self.blob = blob
        self.nodes = {node: device_node(node=node, tree=self) for node in blob.nodes}
        for node, np in self.nodes.items():
            if "mboxes" in node.properties:
                self.refer(np, node)

    def refer(self, np: device_node, node: Node) -> None:
        """Fill in what a client refers to."""
        found = self.blob.consumer(node)
        np.mboxes = [
            of_phandle_args(
                None if each.provider is None else self.nodes[each.provider], each.cells
            )
            for each in found.channels
        ]
        np.mbox_names = node.strings("mbox-names")
        np.broken = "" if found.error is None else str(found.error)


def of_fdt_unflatten_tree(blob: DeviceTree | str | os.PathLike[str] | None) -> device_node:
    """Make the nodes of a device tree, and return the root.

    Args:
        blob: a tree that was read, the path of a .dtb, or None: the running kernel's.

    Raises:
        AddressError, DeviceTreeError: it cannot be read; the text says why.
    """
    tree = blob if isinstance(blob, DeviceTree) else DeviceTree.open(blob)
    return Unflattened(tree).nodes[tree.root]


def of_find_node_by_path(root: device_node, path: str) -> device_node:
    """Find a node by its path, alias or label. The kernel has one tree, and here is any number.

    Raises:
        DeviceTreeError: there is none; the kernel returns NULL.
    """
    if root.tree is None:
        raise ValueError("a node that was made by hand is the root of nothing")
    return root.tree.nodes[root.tree.blob.node(path)]


def of_device_is_compatible(np: device_node | None, compatible: str) -> bool:
    """Return whether a node is what a driver expects."""
    return np is not None and np.node is not None and compatible in np.node.compatible


def of_property_read_bool(np: device_node | None, name: str) -> bool:
    """Return whether a node has a property."""
    return np is not None and np.node is not None and name in np.node.properties


def of_property_read_u32(np: device_node | None, name: str) -> int:
    """Return the first cell of a property, -EINVAL without it, -ENODATA or -EOVERFLOW."""
    if np is None or np.node is None or name not in np.node.properties:
        return -EINVAL
    if not np.node.properties[name]:
        return -ENODATA
    found = np.node.cell(name)
    return -EOVERFLOW if found is None else found


def of_property_read_string(np: device_node | None, name: str) -> str | int:
    """Return the first string of a property, or -EINVAL without it."""
    if np is None or np.node is None or name not in np.node.properties:
        return -EINVAL
    return (*np.node.strings(name), "")[0]
