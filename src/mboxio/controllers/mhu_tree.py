"""What a device tree means by a channel of an MHUv1 (Linux, bindings/mailbox/arm,mhu.yaml)."""

import errno

from mboxio.controllers.registers import RegisterController
from mboxio.driver.contracts import TreeNode, TreeReader, TreeSpecifier
from mboxio.errors import AddressError

__all__ = ["MhuTree"]

PARTS = ("v1-low", "v1-high", "v1-secure")
"""By the first cell."""
DOORBELLS = "arm,mhu-doorbell"
"""The ``compatible`` with a second cell, for the bit; ``arm,mhu`` carries words."""


class MhuTree(RegisterController):
    """The MHU in device trees, which only know MHUv1."""

    @classmethod
    def tree_options(
        cls, tree: TreeReader, node: TreeNode, specifier: TreeSpecifier | None
    ) -> dict[str, str]:
        """See `Controller.tree_options`."""
        words = DOORBELLS not in node.compatible
        part = 0 if specifier is None else checked(specifier.cells, 1 if words else 2)[0]
        if part >= len(PARTS):
            raise AddressError(f"an MHU has no channel {part}", errno=errno.EINVAL)
        more = {"layout": PARTS[part], "words": "yes" if words else "no"}
        return {**super().tree_options(tree, node, specifier), **more}

    def xlate(self, specifier: TreeSpecifier) -> int:
        """See `Controller.xlate`: the part was chosen with the options, what is left is the bit."""
        if self.options.words:
            checked(specifier.cells, 1)
            return 0
        bit: int = checked(specifier.cells, 2)[1]
        if bit >= len(self.declared_channels()):
            raise AddressError(f"an MHU has no doorbell {bit}", errno=errno.EINVAL)
        return bit


def checked(cells: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return the cells if there are as many as the binding says."""
    if len(cells) != count:
        raise AddressError(f"{len(cells)} cells for an MHU, not {count}", errno=errno.EINVAL)
    return cells
