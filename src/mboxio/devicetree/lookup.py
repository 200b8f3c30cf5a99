"""Who provides mailbox channels and who uses which: ``mboxes``, walked as Linux does.

Linux: drivers/mailbox/mailbox.c, drivers/of/base.c (the walk and its errors), drivers/of/property.c
(names), drivers/firmware/arm_scmi/transports/mailbox.c (roles).
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mboxio._base.texts import remote_text
from mboxio.devicetree.blob import Node
from mboxio.devicetree.bus import InterruptSpecifier, Range
from mboxio.devicetree.overlay import UNRESOLVED, Overlay, place
from mboxio.errors import DeviceTreeError

__all__ = ["EPROBE_DEFER", "MailboxConsumer", "Provider", "Specifier", "find_channel", "scmi_roles"]

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
    interrupts: list[InterruptSpecifier]
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
class MailboxConsumer:
    """A node with ``mboxes``: it uses channels.

    Args:
        node: its node.
        owner: the device it is a part of, if it has no ``compatible`` itself.
        channels: its entries, in order, up to a broken one.
        shmem: the nodes of its shared memory; None: an unknown phandle, or an open one.
        memory_region: likewise, of ``memory-region``.
        error: what is wrong with the entry after the last of ``channels``.
    """

    node: Node
    owner: Node | None
    channels: list[Specifier]
    shmem: list[Node | None]
    memory_region: list[Node | None]
    error: DeviceTreeError | None


def consumer_at(node: Node, find: Find, overlay: Overlay | None) -> MailboxConsumer:
    """Return what a node uses; without ``mboxes`` that is nothing."""
    channels: list[Specifier] = []
    error: DeviceTreeError | None = None
    try:
        for specifier in specifiers(node, find, overlay):
            channels.append(specifier)
    except DeviceTreeError as broken:
        error = broken
    above = () if node.compatible else node.lineage()
    return MailboxConsumer(
        node,
        next((each for each in above if each.compatible), None),
        channels,
        _nodes(node, "shmem", find, overlay),
        _nodes(node, "memory-region", find, overlay),
        error,
    )


def _nodes(node: Node, name: str, find: Find, overlay: Overlay | None) -> list[Node | None]:
    """Return what a list of phandles refers to."""
    cells = node.cells(name)
    if overlay is None:
        return [find(phandle) for phandle in cells]
    where = place(node, name)
    return [
        None if overlay.why_open(where, 4 * at, phandle) else find(phandle)
        for at, phandle in enumerate(cells)
    ]


def specifiers(node: Node, find: Find, overlay: Overlay | None) -> Iterator[Specifier]:
    """Walk ``mboxes`` from its beginning: how long an entry is only its own provider knows.

    Raises:
        DeviceTreeError: EINVAL, at an entry that cannot be read.
    """
    cells = node.cells("mboxes")
    names = node.strings("mbox-names")
    where = place(node, "mboxes")
    at = index = 0
    before: Node | None = None
    while at < len(cells):
        phandle, count, provider = cells[at], 0, None
        wrong = overlay.why_open(where, 4 * at, phandle) if overlay is not None else None
        at += 1
        if phandle and wrong is None:
            provider = find(phandle)
            length = None if provider is None else provider.cell("#mbox-cells")
            wrong = _wrong(phandle, provider, length, len(cells) - at)
            wrong = None if wrong is None else wrong + _hint(before, provider)
            count = length or 0
        if wrong is not None:
            raise DeviceTreeError(f"{node.shown}: mboxes[{index}]: {wrong}")
        own = cells[at : at + min(count, ARGUMENTS_MAX)]
        name = names[index] if index < len(names) else None
        yield Specifier(index, name, provider, own, _children(provider, own, find))
        at += count  # also over cells that Linux does not keep
        index += 1
        before = provider


def _wrong(phandle: int, provider: Node | None, length: int | None, left: int) -> str | None:
    """Say why an entry cannot be read; ``left`` is how many cells there are behind its phandle."""
    if phandle == UNRESOLVED and provider is None:
        return f"phandle {phandle:#x} stands for a reference that was never filled in"
    if provider is None:
        return f"no node has phandle {phandle:#x}"
    if length is None:
        return f"{provider.shown} has no #mbox-cells"
    return f"the list ends after {left} of {length} cells" if length > left else None


def _hint(before: Node | None, provider: Node | None) -> str:
    """Name the other suspect: an entry begins where the one before it ends, by its provider's word.

    Args:
        before: the provider of the entry before, if there is one.
        provider: what is referred to where an entry cannot be read.
    """
    if before is None or (provider is not None and "#mbox-cells" in provider.properties):
        return ""
    return f"; or #mbox-cells = <{before.cell('#mbox-cells')}> of {before.shown} is wrong"


def _children(provider: Node | None, cells: Sequence[int], find: Find) -> dict[int, Node]:
    nodes = {number: find(cell) for number, cell in enumerate(cells)}
    return {at: node for at, node in nodes.items() if node and node.parent is provider}


def find_channel(node: Node, which: int | str, find: Find, overlay: Overlay | None) -> Specifier:
    """Look up one channel of a consumer; see `DeviceTree.channel`."""
    index = _index(node, which) if isinstance(which, str) else which
    for specifier in specifiers(node, find, overlay):
        if specifier.index == index:
            break
    else:
        raise DeviceTreeError(f"{node.shown} has no mboxes[{index}]", errno=errno.ENOENT)
    if specifier.provider is None:
        raise DeviceTreeError(
            f"{node.shown}: mboxes[{index}] is left empty (phandle 0)", errno=errno.ENOENT
        )
    return specifier


def _index(node: Node, name: str) -> int:
    names = node.strings("mbox-names")
    if not names:
        raise DeviceTreeError(f"{node.shown} has no mbox-names: its channels have an index only")
    if name not in names:
        raise DeviceTreeError(
            f"{node.shown} has no channel {name!r}; there are: {remote_text(', '.join(names))}",
            errno=errno.ENODATA,
        )
    return names.index(name)


def scmi_roles(consumer: MailboxConsumer) -> dict[str, Specifier]:
    """Return the channels of an SCMI node by what they are for: tx, tx_reply, rx, rx_reply.

    Raises:
        DeviceTreeError: EINVAL: SCMI knows no such number of channels and shared memories, two
            shared memories are the same, or the list is broken.
    """
    path, shmem = consumer.node.shown, consumer.shmem
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
