"""A device tree: its nodes by path, label and phandle, and what it says about mailboxes."""

import errno
import os
from collections.abc import Sequence
from itertools import chain

from mboxio.devicetree.blob import Node, parse
from mboxio.devicetree.bus import Range, Wiring
from mboxio.devicetree.files import live, read
from mboxio.devicetree.forms import fit
from mboxio.devicetree.lookup import MailboxConsumer, Provider, Specifier, consumer_at, find_channel
from mboxio.devicetree.overlay import NO_DEVICES, Overlay
from mboxio.errors import DeviceTreeError

__all__ = ["DeviceTree"]

CELLS_MAX = 1 << 18
"""So many cells the registers and interrupts of all providers have, and so many the references of
all consumers. The largest boards have some hundreds."""

PHANDLES = ("phandle", "linux,phandle")


class DeviceTree:
    """A device tree, read once.

    Args:
        data: a flattened device tree, as in a .dtb.
        source: where it was read, for what is told.

    Raises:
        DeviceTreeError: it is none, or it is damaged.
    """

    def __init__(self, data: bytes, source: str = "") -> None:
        self.data = data
        self.source = source
        self.root = parse(data)
        image = fit(self.root)
        if image is not None:
            raise DeviceTreeError(image)
        self.overlay = Overlay.of(self.root)
        """What it leaves open, if it is an overlay."""
        devices = (each for each in self.root.children if each.name not in NO_DEVICES)
        self.nodes = [self.root, *chain.from_iterable(each.walk() for each in devices)]
        self.phandles: dict[int, Node] = {}
        for node in self.nodes:
            phandle = phandle_of(node)
            if phandle is not None:
                self.phandles.setdefault(phandle, node)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> "DeviceTree":
        """Read a .dtb, a folder like ``/proc/device-tree``, or the tree of the running kernel.

        Args:
            path: the file or folder; None: the running kernel's, where this user may read it.
                `source` says where that was.

        Raises:
            AddressError: it cannot be read; ``errno`` and the text say why.
            DeviceTreeError: it is no device tree, or a damaged one.
        """
        data, source = live() if path is None else (read(path), os.fspath(path))
        try:
            return cls(data, source)
        except DeviceTreeError as error:
            raise DeviceTreeError(f"{source}: {error}", errno=error.errno) from None

    # -- nodes

    def node(self, path: str) -> Node:
        """Find a node.

        Args:
            path: its path, ``/soc/mailbox@7e00b880``; an alias or a label may stand for the
                beginning of one.

        Raises:
            DeviceTreeError: ENOENT: there is none.
        """
        head, slash, rest = path.partition("/")
        if head or not slash:
            known = self._paths("aliases").get(head) or self._paths("__symbols__").get(head, "")
            _, _, rest = f"{known}/{rest}".rstrip("/").partition("/")
            node = self.root if known else None
        else:
            node = self.root
        for name in rest.split("/") if rest else ():
            node = node.child(name) if node is not None else None
        if node is None:
            source = f" ({self.source})" if self.source else ""
            what = f"; it is {self.overlay}" if self.overlay else ""
            raise DeviceTreeError(
                f"the device tree{source} has no node {path!r}{what}", errno=errno.ENOENT
            )
        return node

    def by_phandle(self, phandle: int) -> Node | None:
        """Return the node of a phandle; None if there is none."""
        return self.phandles.get(phandle)

    def regions(self, node: Node) -> list[Range]:
        """Return the registers or memory of a node, with the addresses of the CPU."""
        return Wiring(self.by_phandle).regions(node)

    def _paths(self, where: str) -> dict[str, str]:
        """Return names and paths of ``/aliases`` or ``/__symbols__``."""
        found = self.root.child(where)
        names = () if found is None else found.properties
        return {name: _first(found.strings(name)) for name in names if found is not None}

    # -- mailboxes

    def providers(self) -> list[Provider]:
        """Return all mailbox controllers, also disabled ones, in the order of the tree.

        Raises:
            DeviceTreeError: there is more to them than to those of any board.
        """
        labels: dict[str, list[str]] = {}
        for label, path in self._paths("__symbols__").items():
            labels.setdefault(path, []).append(label)
        wiring = Wiring(self.by_phandle)
        return [
            Provider(
                node,
                phandle_of(node),
                node.cell("#mbox-cells"),
                wiring.regions(node),
                wiring.interrupts(node),
                # A path means the first node that has it.
                labels.pop(node.path, []),
            )
            for node in self._having("#mbox-cells", "reg", "interrupts", "interrupts-extended")
        ]

    def consumers(self) -> list[MailboxConsumer]:
        """Return all nodes that use channels, in the order of the tree.

        Raises:
            DeviceTreeError: they use more than there is on any board.
        """
        return [self.consumer(node) for node in self._having("mboxes", "shmem", "memory-region")]

    def _having(self, name: str, *others: str) -> list[Node]:
        """Return the nodes with a property, if what is to be told of them is not too much.

        An entry of four bytes may stand for a path of a thousand, so what fits into a tree may
        still be too long to be told.
        """
        nodes = [each for each in self.nodes if name in each.properties]
        lists = (each.properties.get(other, b"") for each in nodes for other in (name, *others))
        if sum(map(len, lists)) > 4 * CELLS_MAX:
            names = ", ".join((name, *others))
            raise DeviceTreeError(
                f"longer than on any board: {names} have over {CELLS_MAX:,} cells"
            )
        return nodes

    def consumer(self, at: str | Node) -> MailboxConsumer:
        """Return what a node uses; a node without ``mboxes`` uses nothing.

        Raises:
            DeviceTreeError: ENOENT: there is no such node.
        """
        return consumer_at(self._at(at), self.by_phandle, self.overlay)

    def channel(self, consumer: str | Node, which: int | str = 0) -> Specifier:
        """Look up one channel of a consumer, as Linux does. ``status`` is not looked at.

        Args:
            consumer: a node, or how `node` finds it.
            which: the index in ``mboxes``, or the name in ``mbox-names``.

        Raises:
            DeviceTreeError: ENOENT: no such node, no ``mboxes``, an index past its end, or an
                empty entry; EINVAL: the list is broken at this entry or before it, or there are
                no names; ENODATA: no such name.
        """
        return find_channel(self._at(consumer), which, self.by_phandle, self.overlay)

    def _at(self, at: str | Node) -> Node:
        return self.node(at) if isinstance(at, str) else at


def _first(strings: Sequence[str]) -> str:
    return strings[0] if strings else ""


def phandle_of(node: Node) -> int | None:
    """Return the number by which others refer to a node."""
    found = (node.cell(name) for name in PHANDLES)
    return next((phandle for phandle in found if phandle not in (None, 0, 0xFFFFFFFF)), None)
