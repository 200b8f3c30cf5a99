"""How nodes hang together: addresses through buses, and interrupts.

Devicetree Specification 0.4, 2.3.5 to 2.3.8 (``reg``, ``ranges``) and 2.4 (interrupts).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mboxio.devicetree.blob import Node
from mboxio.errors import DeviceTreeError

__all__ = ["InterruptSpecifier", "Range", "Wiring"]

ADDRESS_CELLS, SIZE_CELLS = 2, 1
"""Where a bus says nothing."""
CELLS_MAX = 4
ENTRIES_MAX = 1024
"""No real node has more registers or interrupts; bounds the work that a wrong tree can make."""
WINDOWS_MAX = 10_000_000
"""So many windows of buses are looked at for one answer, in about a second: a tree may have buses
below buses below buses, with a thousand windows each. The largest boards need some thousands."""


@dataclass(frozen=True)
class Range:
    """One entry of ``reg``.

    Args:
        address: on the bus of the node.
        size_bytes: how long it is.
        cpu: the same place as the CPU addresses it; None where the CPU cannot.
    """

    address: int
    size_bytes: int
    cpu: int | None


@dataclass(frozen=True)
class InterruptSpecifier:
    """One interrupt, as the node names it.

    Args:
        parent: the interrupt controller or nexus; None if the tree has none.
        cells: what the parent makes of it.
    """

    parent: Node | None
    cells: tuple[int, ...]


class Wiring:
    """The way of addresses and interrupts through one tree.

    What it has learnt of a node it keeps, so that each is read once, however many are below it.
    It is made again for each answer, which bounds the work for one.

    Args:
        find: gets the node of a phandle.
    """

    def __init__(self, find: Callable[[int], Node | None]) -> None:
        self.find = find
        self._windows: dict[Node, list[tuple[int, ...]]] = {}
        self._parents: dict[Node, Node | None] = {}
        self._looked_at = 0

    def regions(self, node: Node) -> list[Range]:
        """Return the entries of a node's ``reg``; one that is cut short at the end does not count.

        Raises:
            DeviceTreeError: the tree has more windows in more buses than any board.
        """
        if node.parent is None or _unknown(node.parent):
            return []
        address_cells, size_cells = _counts(node.parent)
        return [
            Range(address, size, self._translate(address, node.parent))
            for address, size in _entries(node.cells("reg"), address_cells, size_cells)
        ]

    def _translate(self, address: int, bus: Node) -> int | None:
        """Carry an address from a bus up to the root, which is the CPU's."""
        while bus.parent is not None:
            if "ranges" not in bus.properties:
                return None
            if bus.properties["ranges"]:
                for child, parent, size in self._windows_of(bus, bus.parent):
                    self._looked_at += 1
                    if child <= address < child + size:
                        address += parent - child
                        break
                else:
                    return None
                if self._looked_at > WINDOWS_MAX:
                    raise DeviceTreeError(
                        f"{bus.shown}: more addresses through more windows than on any board: "
                        f"over {WINDOWS_MAX:,} windows to look at"
                    )
            bus = bus.parent
        return address

    def _windows_of(self, bus: Node, above: Node) -> list[tuple[int, ...]]:
        windows = self._windows.get(bus)
        if windows is None:
            child_cells, size_cells = _counts(bus)
            parent_cells, _ = _counts(above)
            cells = bus.cells("ranges")
            windows = list(_entries(cells, child_cells, parent_cells, size_cells))
            self._windows[bus] = windows
        return windows

    def interrupts(self, node: Node) -> list[InterruptSpecifier]:
        """Return a node's interrupts, from ``interrupts-extended`` or else ``interrupts``."""
        if "interrupts-extended" in node.properties:
            return list(self._extended(node.cells("interrupts-extended")))
        cells = node.cells("interrupts")
        parent = self._interrupt_parent(node) if cells else None
        count = parent.cell("#interrupt-cells") if parent is not None else None
        if not count:
            return []
        starts = range(0, min(len(cells), ENTRIES_MAX * count) - count + 1, count)
        return [InterruptSpecifier(parent, cells[start : start + count]) for start in starts]

    def _extended(self, cells: Sequence[int]) -> Iterator[InterruptSpecifier]:
        at = 0
        while at < min(len(cells), ENTRIES_MAX):
            parent = self.find(cells[at])
            if parent is None and cells[at]:
                return  # how long its entry is only the parent would know
            count = parent.cell("#interrupt-cells") if parent is not None else 0
            if count is None or at + 1 + count > len(cells):
                return
            yield InterruptSpecifier(parent, tuple(cells[at + 1 : at + 1 + count]))
            at += 1 + count

    def _interrupt_parent(self, node: Node) -> Node | None:
        """Follow ``interrupt-parent``, or the tree, up to a node that has interrupts."""
        way: list[Node] = []
        current, found = node, None
        while current not in self._parents:
            # Whoever comes back to it on this way goes in a circle.
            self._parents[current] = None
            way.append(current)
            phandle = current.cell("interrupt-parent")
            above = current.parent if phandle is None else self.find(phandle)
            if above is None or above.cell("#interrupt-cells") is not None:
                found = above
                break
            current = above
        else:
            found = self._parents[current]
        self._parents.update(dict.fromkeys(way, found))
        return found


def _counts(bus: Node) -> tuple[int, int]:
    address_cells, size_cells = bus.cell("#address-cells"), bus.cell("#size-cells")
    return (
        ADDRESS_CELLS if address_cells is None else address_cells,
        SIZE_CELLS if size_cells is None else size_cells,
    )


def _unknown(bus: Node) -> bool:
    """Whether only the tree that an overlay goes onto says how long addresses are."""
    said = "#address-cells" in bus.properties and "#size-cells" in bus.properties
    return bus.name == "__overlay__" and not said


def _entries(cells: Sequence[int], *counts: int) -> Iterator[tuple[int, ...]]:
    """Yield entries of several numbers that have so many cells each."""
    stride = sum(counts)
    if not stride or max(counts) > CELLS_MAX:
        return
    for start in range(0, min(len(cells), ENTRIES_MAX * stride) - stride + 1, stride):
        numbers: list[int] = []
        for count in counts:
            number = 0
            for cell in cells[start : start + count]:
                number = number << 32 | cell
            numbers.append(number)
            start += count
        yield tuple(numbers)
