"""How nodes hang together: addresses through buses, and interrupts.

Devicetree Specification 0.4, 2.3.5 to 2.3.8 (``reg``, ``ranges``) and 2.4 (interrupts).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mboxio.devicetree.blob import Node

__all__ = ["Interrupt", "Range", "interrupts", "regions"]

ADDRESS_CELLS, SIZE_CELLS = 2, 1
"""Where a bus says nothing."""
CELLS_MAX = 4
ENTRIES_MAX = 1024
"""No real node has more registers or interrupts; bounds the work that a wrong tree can make."""


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
class Interrupt:
    """One interrupt, as the node names it.

    Args:
        parent: the interrupt controller or nexus; None if the tree has none.
        cells: what the parent makes of it.
    """

    parent: Node | None
    cells: tuple[int, ...]


def regions(node: Node) -> list[Range]:
    """Return the entries of a node's ``reg``; one that is cut short at the end does not count."""
    if node.parent is None or _unknown(node.parent):
        return []
    address_cells, size_cells = _counts(node.parent)
    found: list[Range] = []
    for address, size in _entries(node.cells("reg"), address_cells, size_cells):
        found.append(Range(address, size, _translate(address, node.parent)))
    return found


def _translate(address: int, bus: Node) -> int | None:
    """Carry an address from a bus up to the root, which is the CPU's."""
    while bus.parent is not None:
        if "ranges" not in bus.properties:
            return None
        if bus.properties["ranges"]:
            child_cells, size_cells = _counts(bus)
            parent_cells, _ = _counts(bus.parent)
            windows = _entries(bus.cells("ranges"), child_cells, parent_cells, size_cells)
            for child, parent, size in windows:
                if child <= address < child + size:
                    address += parent - child
                    break
            else:
                return None
        bus = bus.parent
    return address


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


def interrupts(node: Node, find: Callable[[int], Node | None]) -> list[Interrupt]:
    """Return a node's interrupts, from ``interrupts-extended`` or else ``interrupts``.

    Args:
        node: whose.
        find: gets the node of a phandle.
    """
    if "interrupts-extended" in node.properties:
        return list(_extended(node.cells("interrupts-extended"), find))
    cells = node.cells("interrupts")
    parent = _interrupt_parent(node, find) if cells else None
    count = parent.cell("#interrupt-cells") if parent is not None else None
    if not count:
        return []
    starts = range(0, min(len(cells), ENTRIES_MAX * count) - count + 1, count)
    return [Interrupt(parent, cells[start : start + count]) for start in starts]


def _extended(cells: Sequence[int], find: Callable[[int], Node | None]) -> Iterator[Interrupt]:
    at = 0
    while at < min(len(cells), ENTRIES_MAX):
        parent = find(cells[at])
        if parent is None and cells[at]:
            return  # how long its entry is only the parent would know
        count = parent.cell("#interrupt-cells") if parent is not None else 0
        if count is None or at + 1 + count > len(cells):
            return
        yield Interrupt(parent, tuple(cells[at + 1 : at + 1 + count]))
        at += 1 + count


def _interrupt_parent(node: Node, find: Callable[[int], Node | None]) -> Node | None:
    """Follow ``interrupt-parent``, or the tree, up to a node that has interrupts."""
    seen: set[int] = set()
    current: Node | None = node
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        phandle = current.cell("interrupt-parent")
        current = current.parent if phandle is None else find(phandle)
        if current is not None and current.cell("#interrupt-cells") is not None:
            return current
    return None
