"""The driver is reached by addresses, and by clients in the style of the kernel."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest
from acme_fifo import AcmeFifo
from acme_fifo.driver import acme_fifo_driver
from acme_fifo.model import Chip

import mboxio
from mboxio import linux

BOARD = Path(__file__).parent.parent / "board.dtb"
CLIENT = "dsp"


@pytest.fixture
def installed() -> None:
    """Only an installed package has addresses."""
    if "acme_fifo_sim" not in entry_points(group="mboxio.controllers").names:
        pytest.skip("install the package: pip install -e .")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("events", ["irq", "poll"])
def test_it_has_an_address(events: str) -> None:
    address = f"acme_fifo_sim:/2?node=mailbox&dtb={BOARD}&events={events}"
    with mboxio.open(address) as client:
        assert client.request(b"\1\2\3\0")[:3] == b"\1\2\3"


@pytest.mark.usefixtures("installed")
def test_a_tree_leads_to_the_registers() -> None:
    """There are none here: no /dev/mem, no access to it, or nothing at this address."""
    with pytest.raises(mboxio.AddressError, match="0x40020000"):
        mboxio.open(f"dt:{CLIENT}?channel=audio&dtb={BOARD}")


def test_names_mean_doors() -> None:
    root = linux.of_fdt_unflatten_tree(BOARD)
    node = linux.of_find_node_by_path(root, "mailbox")
    assert node.tree is not None
    with Chip() as chip, mboxio.Connection(AcmeFifo(region=chip, of_node=node)) as connection:
        found = [connection.xlate(node.tree.blob.channel(CLIENT, n)) for n in ("control", "audio")]
        assert [channel.name for channel in found] == ["1", "2"]


def test_a_client_as_in_the_kernel() -> None:
    root = linux.of_fdt_unflatten_tree(BOARD)
    answers: list[int] = []
    done = linux.completion()

    def rx_callback(cl: linux.mbox_client, word: int) -> None:
        answers.append(word)
        linux.complete(done)

    with Chip() as chip:
        node = linux.of_find_node_by_path(root, "mailbox")
        pdev = linux.platform_device("acme-fifo", of_node=node, region=chip)
        assert linux.platform_driver_probe(acme_fifo_driver, pdev) == 0
        dsp = linux.device("dsp", of_node=linux.of_find_node_by_path(root, CLIENT))
        cl = linux.mbox_client(dev=dsp, tx_block=True, tx_tout=10_000, rx_callback=rx_callback)
        chan = linux.mbox_request_channel_byname(cl, "audio")
        assert not linux.IS_ERR(chan)
        for word in (0x0100_0001, 0x0200_0002):
            assert linux.mbox_send_message(chan, word) >= 0
            assert linux.wait_for_completion_timeout(done, 10_000)
        linux.mbox_free_channel(chan)
        linux.platform_device_unregister(pdev)
    assert answers == [0x0100_0001, 0x0200_0002]
    assert [door for door, _ in chip.taken] == [2, 2]
