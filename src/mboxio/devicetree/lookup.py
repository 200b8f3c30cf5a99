"""Who provides mailbox channels and who uses which: ``mboxes``, walked as Linux does.

Linux: drivers/mailbox/mailbox.c, drivers/of/base.c (the walk and its errors), drivers/of/property.c
(names), drivers/firmware/arm_scmi/transports/mailbox.c (roles).
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mboxio.devicetree.blob import Node
from mboxio.devicetree.bus import Interrupt, Range
from mboxio.errors import DeviceTreeError

__all__ = ["EPROBE_DEFER", "Consumer", "Provider", "Specifier", "find_channel", "scmi_roles"]

EPROBE_DEFER = 517
"""Linux: there is no driver for the provider yet."""
ARGUMENTS_MAX = 16
"""Linux keeps no more cells of one entry (MAX_PHANDLE_ARGS)."""
SCMI_ROLES = {
    (1, 1): ("tx",),
    (2, 1): ("tx", "tx_reply"),
    (2, 2): ("tx", "rx"),
    (3, 2): ("tx", "tx_reply", "rx"),
    (4, 2): ("tx", "tx_reply", "rx", "rx_reply"),
}
"""By the number of channels and of shared memories; SCMI does not go by names."""

Find = Callable[[int], Node | None]
"""Gets the node of a phandle."""


@dataclass(frozen=True)
class Provider:
    """A node with ``#mbox-cells``: a mailbox controller.

    Args:
        node: its node.
        phandle: the number by which others refer to it; None if nobody can.
        cells: how many cells name one of its channels.
        reg: its registers.
        interrupts: its interrupts.
        labels: what the source called it, if the tree has kept that.
    """

    node: Node
    phandle: int | None
    cells: int | None
    reg: list[Range]
    interrupts: list[Interrupt]
    labels: list[str]


@dataclass(frozen=True)
class Specifier:
    """One entry of ``mboxes``: which channel of which provider.

    Args:
        index: its place in the list.
        name: from ``mbox-names``.
        provider: the provider's node; None for an empty entry (phandle 0).
        cells: what the provider makes of it; see `Controller.xlate`.
        nodes: where a cell is the phandle of a child of the provider, that child, by the number
            of the cell. Only the provider knows whether the cell means that (TI's do).
    """

    index: int
    name: str | None
    provider: Node | None
    cells: tuple[int, ...]
    nodes: dict[int, Node] = field(default_factory=dict[int, Node])


@dataclass(frozen=True)
class Consumer:
    """A node with ``mboxes``: it uses channels.

    Args:
        node: its node.
        owner: the device it is a part of, if it has no ``compatible`` itself.
        channels: its entries, in order, up to a broken one.
        shmem: the nodes of its shared memory; None: an unknown phandle.
        memory_region: likewise, of ``memory-region``.
        error: what is wrong with the entry after the last of ``channels``.
    """

    node: Node
    owner: Node | None
    channels: list[Specifier]
    shmem: list[Node | None]
    memory_region: list[Node | None]
    error: DeviceTreeError | None


def consumer_at(node: Node, find: Find) -> Consumer:
    """Return what a node uses; without ``mboxes`` that is nothing."""
    channels: list[Specifier] = []
    error: DeviceTreeError | None = None
    try:
        for specifier in specifiers(node, find):
            channels.append(specifier)
    except DeviceTreeError as broken:
        error = broken
    above = () if node.compatible else node.lineage()
    return Consumer(
        node,
        next((each for each in above if each.compatible), None),
        channels,
        [find(phandle) for phandle in node.cells("shmem")],
        [find(phandle) for phandle in node.cells("memory-region")],
        error,
    )


def specifiers(node: Node, find: Find) -> Iterator[Specifier]:
    """Walk ``mboxes`` from its beginning: how long an entry is only its own provider knows.

    Raises:
        DeviceTreeError: EINVAL, at an entry that cannot be read.
    """
    cells = node.cells("mboxes")
    names = node.strings("mbox-names")
    at = index = 0
    while at < len(cells):
        phandle, count, provider = cells[at], 0, None
        at += 1
        if phandle:
            provider = find(phandle)
            where = f"{node.path}: mboxes[{index}]"
            if provider is None:
                raise DeviceTreeError(f"{where}: no node has phandle {phandle:#x}")
            length = provider.cell("#mbox-cells")
            if length is None:
                raise DeviceTreeError(f"{where}: {provider.path} has no #mbox-cells")
            count = length
            if at + count > len(cells):
                left = len(cells) - at
                raise DeviceTreeError(f"{where}: the list ends after {left} of {count} cells")
        own = cells[at : at + min(count, ARGUMENTS_MAX)]
        name = names[index] if index < len(names) else None
        yield Specifier(index, name, provider, own, _children(provider, own, find))
        at += count
        index += 1


def _children(provider: Node | None, cells: Sequence[int], find: Find) -> dict[int, Node]:
    nodes = {number: find(cell) for number, cell in enumerate(cells)}
    return {at: node for at, node in nodes.items() if node and node.parent is provider}


def find_channel(node: Node, which: int | str, find: Find) -> Specifier:
    """Look up one channel of a consumer; see `DeviceTree.channel`."""
    index = _index(node, which) if isinstance(which, str) else which
    for specifier in specifiers(node, find):
        if specifier.index == index:
            break
    else:
        raise DeviceTreeError(f"{node.path} has no mboxes[{index}]", errno=errno.ENOENT)
    if specifier.provider is None:
        raise DeviceTreeError(
            f"{node.path}: mboxes[{index}] is left empty (phandle 0)", errno=errno.ENOENT
        )
    return specifier


def _index(node: Node, name: str) -> int:
    names = node.strings("mbox-names")
    if not names:
        raise DeviceTreeError(f"{node.path} has no mbox-names: its channels have an index only")
    if name not in names:
        raise DeviceTreeError(
            f"{node.path} has no channel {name!r}; there are: {', '.join(names)}",
            errno=errno.ENODATA,
        )
    return names.index(name)


def scmi_roles(consumer: Consumer) -> dict[str, Specifier]:
    """Return the channels of an SCMI node by what they are for: tx, tx_reply, rx, rx_reply.

    Raises:
        DeviceTreeError: EINVAL: SCMI knows no such number of channels and shared memories, two
            shared memories are the same, or the list is broken.
    """
    path, shmem = consumer.node.path, consumer.shmem
    if consumer.error is not None:
        raise consumer.error
    roles = SCMI_ROLES.get((len(consumer.channels), len(shmem)))
    if roles is None:
        raise DeviceTreeError(
            f"{path}: SCMI has no use for {len(consumer.channels)} channels with {len(shmem)} shmem"
        )
    if len({id(node) for node in shmem}) < len(shmem):
        raise DeviceTreeError(f"{path}: two channels of SCMI cannot share one shmem")
    return dict(zip(roles, consumer.channels, strict=True))
