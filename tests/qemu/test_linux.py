"""A driver in the style of Linux, on the registers and the interrupt of a machine of QEMU's."""

import errno
import os
from collections.abc import Iterator

import pytest

import mboxio
from mboxio import linux
from mboxio.devicetree import DeviceTree
from mboxio.regions import Region, open_region
from tests.devicetree.writer import blob
from tests.qemu.machine import Machine, running
from tests.qemu.test_registers import BUFFER, FIRMWARE_REVISION

READ, READ_STATUS, CONFIG, WRITE, WRITE_STATUS = 0x00, 0x18, 0x1C, 0x20, 0x38
FULL, EMPTY, DATA_INTERRUPT = 1 << 31, 1 << 30, 1
PROPERTY = 8
ENABLE_SECOND_BANK, MAILBOX_LINE = 0x18, 2  # of the board's interrupt controller


def last_tx_done(chan: linux.mbox_chan) -> bool:
    return not linux.readl(linux.dev_get_drvdata(chan.mbox.dev) + WRITE_STATUS) & FULL


def send_data(chan: linux.mbox_chan, mssg: int) -> int:
    if not last_tx_done(chan):
        return -errno.EBUSY
    linux.writel(mssg, linux.dev_get_drvdata(chan.mbox.dev) + WRITE)
    return 0


def enable(chan: linux.mbox_chan) -> None:
    linux.writel(DATA_INTERRUPT, linux.dev_get_drvdata(chan.mbox.dev) + CONFIG)


def disable(chan: linux.mbox_chan) -> None:
    linux.writel(0, linux.dev_get_drvdata(chan.mbox.dev) + CONFIG)


def interrupt(irq: int, mbox: linux.mbox_controller) -> int:
    chan = mbox.chans[0]
    base = linux.dev_get_drvdata(chan.mbox.dev)
    handled = linux.IRQ_NONE
    while not linux.readl(base + READ_STATUS) & EMPTY:
        linux.mbox_chan_received_data(chan, linux.readl(base + READ))
        handled = linux.IRQ_HANDLED
    return handled


def probe(pdev: linux.platform_device) -> int:
    base = linux.devm_platform_ioremap_resource(pdev, 0)
    if linux.IS_ERR(base):
        return base
    linux.platform_set_drvdata(pdev, base)
    ops = linux.mbox_chan_ops(
        send_data=send_data, startup=enable, shutdown=disable, last_tx_done=last_tx_done
    )
    mbox = linux.mbox_controller(
        dev=pdev.dev, ops=ops, num_chans=1, txdone_poll=True, txpoll_period=5
    )
    irq = linux.platform_get_irq(pdev, 0)
    if irq < 0:
        return irq
    err = linux.devm_request_irq(pdev.dev, irq, interrupt, 0, pdev.name, mbox)
    return err or linux.devm_mbox_controller_register(pdev.dev, mbox)


class VideoCoreMailbox(linux.PlatformController):
    """A word is the address of a buffer; it comes back when the buffer is answered."""

    driver = linux.platform_driver(
        name="vc-mailbox",
        probe=probe,
        of_match_table=[linux.of_device_id("brcm,bcm2835-mbox")],
    )
    timeout_s = 20.0

    def correlator(self) -> mboxio.ByAddress:
        return mboxio.ByAddress()


TREE = {
    "#address-cells": 1,
    "#size-cells": 1,
    "gic": {"phandle": 1, "#interrupt-cells": 2},
    "mailbox@7e00b880": {
        "compatible": "brcm,bcm2835-mbox",
        "reg": [0x3F00B880, 0x40],
        "interrupt-parent": 1,
        "interrupts": [0, 1],
        "#mbox-cells": 0,
    },
}


@pytest.fixture
def raspi() -> Iterator[Machine]:
    with running("raspi3b") as machine:
        yield machine


@pytest.fixture
def memory(raspi: Machine) -> Iterator[Region]:
    with open_region(f"{raspi.qtest}@{BUFFER:#x}+0x1000") as region:
        yield region


def test_a_ported_driver_is_interrupted(
    raspi: Machine, memory: Region, caplog: pytest.LogCaptureFixture
) -> None:
    with open_region(f"{raspi.qtest}@0x3f00b200+0x20") as interrupt_controller:
        interrupt_controller.write(ENABLE_SECOND_BANK, MAILBOX_LINE, 4)
    root = linux.of_fdt_unflatten_tree(DeviceTree(blob(TREE)))
    controller = VideoCoreMailbox(
        options=VideoCoreMailbox.Options(
            at=f"{raspi.qtest},irq_in=/machine/soc/cpu[0],line=0@0x3f00b880", events="irq"
        ),
        of_node=linux.of_find_node_by_path(root, "/mailbox@7e00b880"),
    )
    with mboxio.Connection(controller) as connection:
        client = connection.client(0)
        for offset in (0x00, 0x40, 0x80):
            memory.write_words(offset, FIRMWARE_REVISION)
            word = (BUFFER + offset | PROPERTY).to_bytes(4, "little")
            assert client.request(word) == word
            assert memory.read_words(offset, 6)[5] == 0x0005_48E1
        raspi.kill()
        word = (BUFFER + 0xC0 | PROPERTY).to_bytes(4, "little")
        with pytest.raises(mboxio.RemoteGone):  # noqa: PT012
            while True:
                try:
                    client.submit(word).result()
                except mboxio.QueueFull:  # nobody has asked yet whether the last one has left
                    os.sched_yield()
    assert not caplog.records, "shutdown() of registers that are gone is no failure of the driver"
