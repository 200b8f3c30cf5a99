"""The driver of acme_fifo.c, line by line, and the controller that gives it an address."""

import errno
import threading

from mboxio import Tagged
from mboxio.linux import (
    IRQ_HANDLED,
    IRQ_NONE,
    IS_ERR,
    PlatformController,
    dev_get_drvdata,
    devm_mbox_controller_register,
    devm_platform_ioremap_resource,
    devm_request_irq,
    iomem,
    mbox_chan,
    mbox_chan_ops,
    mbox_chan_received_data,
    mbox_chan_txdone,
    mbox_controller,
    of_device_id,
    of_device_is_compatible,
    of_phandle_args,
    platform_device,
    platform_driver,
    platform_get_irq,
    platform_set_drvdata,
    readl,
    writel,
)

ACME_IRQ_STATUS = 0x40
ACME_IRQ_ENABLE = 0x44
ACME_GROUPS = 2
ACME_DOORS = 4


def ACME_TX(door: int) -> int:
    return 0x10 * door + 0x0


def ACME_RX(door: int) -> int:
    return 0x10 * door + 0x4


def ACME_TX_EMPTY(door: int) -> int:
    return 1 << door


def ACME_RX_FULL(door: int) -> int:
    return 1 << (16 + door)


class acme_fifo:
    base: iomem
    controller: mbox_controller

    def __init__(self) -> None:
        self.lock = threading.Lock()  # of ACME_IRQ_ENABLE


def acme_fifo_enable(fifo: acme_fifo, on: int, off: int) -> None:
    with fifo.lock:
        bits = readl(fifo.base + ACME_IRQ_ENABLE)
        writel((bits & ~off) | on, fifo.base + ACME_IRQ_ENABLE)


def acme_fifo_last_tx_done(chan: mbox_chan) -> bool:
    fifo: acme_fifo = dev_get_drvdata(chan.mbox.dev)
    door = chan.index

    return bool(readl(fifo.base + ACME_IRQ_STATUS) & ACME_TX_EMPTY(door))


def acme_fifo_send_data(chan: mbox_chan, word: int) -> int:
    fifo: acme_fifo = dev_get_drvdata(chan.mbox.dev)
    door = chan.index

    if not acme_fifo_last_tx_done(chan):
        return -errno.EBUSY
    writel(word, fifo.base + ACME_TX(door))
    if chan.mbox.txdone_irq:
        acme_fifo_enable(fifo, ACME_TX_EMPTY(door), 0)
    return 0


def acme_fifo_startup(chan: mbox_chan) -> int:
    fifo: acme_fifo = dev_get_drvdata(chan.mbox.dev)
    door = chan.index

    readl(fifo.base + ACME_RX(door))  # a word for an earlier owner
    acme_fifo_enable(fifo, ACME_RX_FULL(door), 0)
    return 0


def acme_fifo_shutdown(chan: mbox_chan) -> None:
    fifo: acme_fifo = dev_get_drvdata(chan.mbox.dev)
    door = chan.index

    acme_fifo_enable(fifo, 0, ACME_RX_FULL(door) | ACME_TX_EMPTY(door))


acme_fifo_ops = mbox_chan_ops(
    send_data=acme_fifo_send_data,
    startup=acme_fifo_startup,
    shutdown=acme_fifo_shutdown,
    last_tx_done=acme_fifo_last_tx_done,
)


def acme_fifo_interrupt(irq: int, fifo: acme_fifo) -> int:
    pending = readl(fifo.base + ACME_IRQ_ENABLE)

    # Later than the enable: what is done is what send_data() has written.
    pending &= readl(fifo.base + ACME_IRQ_STATUS)
    for door in range(ACME_DOORS):
        chan = fifo.controller.chans[door]

        if pending & ACME_RX_FULL(door):
            word = readl(fifo.base + ACME_RX(door))

            mbox_chan_received_data(chan, word)
        if pending & ACME_TX_EMPTY(door):
            acme_fifo_enable(fifo, 0, ACME_TX_EMPTY(door))
            mbox_chan_txdone(chan, 0)
    return IRQ_HANDLED if pending else IRQ_NONE


def acme_fifo_xlate(controller: mbox_controller, sp: of_phandle_args) -> mbox_chan | int:
    per_group = ACME_DOORS // ACME_GROUPS

    # <group door>
    if sp.args_count != 2:
        return -errno.EINVAL
    if sp.args[0] >= ACME_GROUPS or sp.args[1] >= per_group:
        return -errno.EINVAL
    return controller.chans[sp.args[0] * per_group + sp.args[1]]


def acme_fifo_probe(pdev: platform_device) -> int:
    dev = pdev.dev

    fifo = acme_fifo()
    platform_set_drvdata(pdev, fifo)

    base = devm_platform_ioremap_resource(pdev, 0)
    if IS_ERR(base):
        return base
    fifo.base = base
    writel(0, fifo.base + ACME_IRQ_ENABLE)

    txdone_irq = of_device_is_compatible(dev.of_node, "acme,fifo-2")
    fifo.controller = mbox_controller(
        dev=dev,
        ops=acme_fifo_ops,
        num_chans=ACME_DOORS,
        of_xlate=acme_fifo_xlate,
        txdone_irq=txdone_irq,
        txdone_poll=not txdone_irq,
        txpoll_period=1,
    )

    irq = platform_get_irq(pdev, 0)
    if irq < 0:
        return irq
    err = devm_request_irq(dev, irq, acme_fifo_interrupt, 0, dev.name, fifo)
    if err:
        return err
    return devm_mbox_controller_register(dev, fifo.controller)


acme_fifo_match = [
    of_device_id("acme,fifo-1"),
    of_device_id("acme,fifo-2"),
]

acme_fifo_driver = platform_driver(
    name="acme-fifo",
    probe=acme_fifo_probe,
    of_match_table=acme_fifo_match,
)


class AcmeFifo(PlatformController):
    """The driver's doors as channels; the upper byte of a request is its tag, which comes back."""

    driver = acme_fifo_driver
    message_bytes = 4

    def correlator(self) -> Tagged:
        """See `PlatformController.correlator`."""
        return Tagged(low_bit=24)
