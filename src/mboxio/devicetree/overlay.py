"""Overlays: trees whose references stay open until they are put onto another tree.

A fragment says where it goes and what comes there. ``__fixups__`` names the places that hold a
label of the other tree, ``__local_fixups__`` those with a number of the overlay's own (dtc:
Documentation/dt-object-internal.txt).
"""

from mboxio.devicetree.blob import Node

__all__ = ["HOW", "NO_DEVICES", "UNRESOLVED", "Overlay", "place"]

UNRESOLVED = 0xFFFFFFFF
"""What stands where a phandle is open."""
CONTENT, FIXUPS, LOCAL_FIXUPS = "__overlay__", "__fixups__", "__local_fixups__"
NO_DEVICES = frozenset({"__symbols__", FIXUPS, LOCAL_FIXUPS})
"""Nodes at the root that speak of others: what they have is named like properties of devices."""

HOW = "apply it with fdtoverlay, or read the running kernel's tree (/proc/device-tree)"


class Overlay:
    """What an overlay leaves open.

    Args:
        fragments: its parts.
        labels: label of the other tree, and the places that wait for it:
            ``/fragment@0/__overlay__/cm7:mboxes:0``.
        numbered: the places with phandles of its own, as a tree; None: it does not say.
    """

    def __init__(
        self, fragments: list[Node], labels: dict[str, list[str]], numbered: Node | None
    ) -> None:
        self.fragments = fragments
        self.labels = labels
        self._open: dict[str, dict[int, str]] = {}
        for label, places in labels.items():
            for place in places:
                where, _, offset = place.rpartition(":")
                if offset.isascii() and offset.isdecimal() and len(offset) < 10:
                    self._open.setdefault(where, {})[int(offset)] = label
        self._own = None if numbered is None else _offsets(numbered)

    @classmethod
    def of(cls, root: Node) -> "Overlay | None":
        """Return what a tree leaves open; None: it is no overlay."""
        fragments = [each for each in root.children if each.child(CONTENT) is not None]
        fixups = root.child(FIXUPS)
        if not fragments and fixups is None:
            return None
        names = () if fixups is None else fixups.properties
        labels = {name: fixups.strings(name) for name in names if fixups is not None}
        return cls(fragments, labels, root.child(LOCAL_FIXUPS))

    @property
    def targets(self) -> list[str]:
        """Where the fragments go: paths, and labels like ``&mu``."""
        return [self._target(each) for each in self.fragments]

    def _target(self, fragment: Node) -> str:
        # libfdt looks at the phandle first.
        label = self._open.get(place(fragment, "target"), {}).get(0)
        if label is not None:
            return f"&{label}"
        phandle = fragment.cell("target")
        if phandle is not None and phandle != UNRESOLVED:
            return f"phandle {phandle:#x}"
        return next(iter(fragment.strings("target-path")), "nowhere")

    def why_open(self, where: str, offset: int, phandle: int) -> str | None:
        """Say why a phandle means nothing yet; None: it is one of the overlay's own.

        Args:
            where: the property, as `place` has it.
            offset: of the phandle there, in bytes.
            phandle: what stands there.
        """
        label = self._open.get(where, {}).get(offset)
        if label is not None:
            return (
                f"&{label} is open, because this is an overlay and {label!r} a label of the tree "
                f"that it goes onto: {HOW}"
            )
        if not phandle:
            return None  # an entry that is left empty
        own = self._own is None or offset in self._own.get(where, ())
        if phandle == UNRESOLVED or not own:
            return (
                f"phandle {phandle:#x} is open, because this is an overlay and only the tree that "
                f"it goes onto has that node: {HOW}"
            )
        return None

    def __str__(self) -> str:
        where = ", ".join(dict.fromkeys(self.targets)) or "another tree"
        opened = ", ".join(f"&{label}" for label in self.labels)
        return f"an overlay for {where}" + (f" with {opened} open" if opened else "")


def place(node: Node, name: str) -> str:
    """Return how ``__fixups__`` names a property."""
    return f"{node.path}:{name}"


def _offsets(numbered: Node) -> dict[str, frozenset[int]]:
    """Return the places of ``__local_fixups__``, whose nodes are those of the overlay again."""
    above = len(numbered.path)
    return {
        f"{node.path[above:] or '/'}:{name}": frozenset(node.cells(name))
        for node in numbered.walk()
        for name in node.properties
    }
