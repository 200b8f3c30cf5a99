"""What device trees say of ACPM: its SRAM, and the mailbox that rings for it."""

from mboxio.controllers.rings import RingController
from mboxio.driver.contracts import TreeNode, TreeReader, TreeSpecifier
from mboxio.errors import AddressError


class AcpmNode(RingController):
    """ACPM as a device tree describes it (``google,gs101-acpm-ipc``): a consumer of a mailbox."""

    @classmethod
    def tree_options(
        cls, tree: TreeReader, node: TreeNode, specifier: TreeSpecifier | None
    ) -> dict[str, str]:
        """See `Controller.tree_options`: the SRAM is ``shmem``, the doorbell is in ``mboxes``."""
        consumer = tree.consumer(node)
        sram = consumer.shmem[0] if consumer.shmem else None
        provider = consumer.channels[0].provider if consumer.channels else None
        if sram is None or provider is None:
            raise AddressError(f"{node.shown} names no {'mboxes' if sram else 'shmem'}")
        mailbox = super().tree_options(tree, provider, None)["at"]
        found = super().tree_options(tree, sram, None)
        return {**found, "mbox": f"exynos_mbox:?at={mailbox}"}
