"""For drivers: the functions of ``linux/mailbox_controller.h``."""

from errno import EBUSY, EINPROGRESS, EINVAL, ENODEV

from mboxio.linux.channel import TXDONE, log, mbox_chan
from mboxio.linux.registered import NOT_FOR_REQUESTS, controllers, free, lock, report_tx_done
from mboxio.linux.structs import device, mbox_controller, mbox_request, name_of
from mboxio.linux.waiting import Poller, call_back


def mbox_controller_register(mbox: mbox_controller | None) -> int:
    """Make a controller known. Returns 0, -EINVAL, or -EBUSY if it is known already."""
    if mbox is None or mbox.dev is None or mbox.ops is None or not mbox.chans:
        return -EINVAL
    ops = mbox.ops
    requests = ops.send_request is not None
    if requests == (ops.send_data is not None):
        return -EINVAL
    method = TXDONE.BY_ACK
    if mbox.txdone_irq:
        method = TXDONE.BY_IRQ
    elif mbox.txdone_poll and not requests:
        method = TXDONE.BY_POLL
        if ops.last_tx_done is None:
            name = name_of(mbox.dev)
            log.error("%s: polls without last_tx_done", name, extra={"code": "no_last_tx_done"})
            return -EINVAL
    with lock:
        if mbox.registered:
            return -EBUSY
        mbox.poller = Poller(mbox)
        for chan in mbox.chans:
            chan.register(method, requests)
        mbox.registered = True
        controllers.append(mbox)
    return 0


def mbox_controller_unregister(mbox: mbox_controller | None) -> None:
    """Forget a controller and free its channels. Who blocks on one gets -ENODEV."""
    if mbox is None:
        return
    with lock:
        if mbox not in controllers:
            log.warning("%s: is not registered", name_of(mbox.dev))
            return
        controllers.remove(mbox)  # first: no client binds to it from here on
    for chan in mbox.chans:
        free(chan, -ENODEV)
    mbox.poller.close()
    mbox.registered = False
    for chan in mbox.chans:
        chan.host.close()


def devm_mbox_controller_register(dev: device, mbox: mbox_controller) -> int:
    """As `mbox_controller_register`, until ``dev`` goes away."""
    error = mbox_controller_register(mbox)
    if not error:
        dev.managed.append((mbox, mbox_controller_unregister))
    return error


def devm_mbox_controller_unregister(dev: device, mbox: mbox_controller) -> None:
    """Undo `devm_mbox_controller_register` by hand."""
    managed = (mbox, mbox_controller_unregister)
    if managed in dev.managed:
        dev.managed.remove(managed)
        mbox_controller_unregister(mbox)


def mbox_chan_received_data(chan: mbox_chan, mssg: object) -> None:
    """Give the owner of a channel what arrived. From any context; without owner it is dropped.

    On controllers of requests only ``notify_callback`` gets it.
    """
    cl = chan.cl
    if chan.for_requests:
        log.debug("%r: received on a controller of requests", chan, extra=NOT_FOR_REQUESTS)
        call_back(cl and cl.notify_callback, cl, mssg)
    elif cl is not None:
        call_back(cl.rx_callback, cl, mssg)


def mbox_chan_txdone(chan: mbox_chan, r: int) -> None:
    """Say from an interrupt that the active message left, with 0 or an error. From any context."""
    report_tx_done(chan, r, TXDONE.BY_IRQ, "controller_cannot_tick")


def mbox_request_complete(req: mbox_request, status: int) -> None:
    """Say that a request is over; -EINPROGRESS only notifies. From any context.

    A request that is over already stays so, and its wait, if it was waited for. Before that the
    later status counts, as in the kernel.
    """
    if status == -EINPROGRESS:
        return
    try:
        posted = req.in_flight.pop(0)
    except IndexError:
        posted = None
    if posted is not None:
        posted.complete(status)
    elif req.wait is None or not req.wait.amend(req, status):
        log.warning("a request that is not in flight was completed, with status %d", status)
