"""The ported driver keeps mboxio's contract, on a model whose interrupt fires."""

from pathlib import Path

import pytest
from acme_fifo import AcmeFifo
from acme_fifo.model import Chip

from mboxio import linux
from mboxio.testing import Bench, check_controller, checks

BOARD = linux.of_fdt_unflatten_tree(Path(__file__).parent.parent / "board.dtb")


def bench(node: str, events: str) -> Bench:
    """Make a driver on a new chip, and say what the chip can be made to do."""
    chip = Chip()
    options = AcmeFifo.Options(events=events)
    np = linux.of_find_node_by_path(BOARD, node)
    return Bench(
        controller=AcmeFifo(options=options, region=chip, of_node=np),
        message=lambda number: number.to_bytes(4, "little"),
        shortest_bytes=4,
        taken=lambda: [word.to_bytes(4, "little") for door, word in chip.taken if door == 0],
        notify=lambda channel, message: chip.notify(channel, int.from_bytes(message, "little")),
        stall=chip.stall,
        resume=lambda: chip.stall(False),
        close=chip.close,
    )


@pytest.mark.parametrize(
    ("node", "events"),
    [("mailbox", "irq"), ("mailbox", "poll"), ("old_mailbox", "irq")],
    ids=["both interrupts", "no interrupt", "TX done is polled"],
)
@pytest.mark.parametrize("name", checks())
def test_conforms(name: str, node: str, events: str) -> None:
    check_controller(lambda: bench(node, events), only=[name]).or_skip()
