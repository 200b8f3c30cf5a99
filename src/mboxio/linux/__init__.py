"""The names of the Linux mailbox framework, over the core: drivers and clients port line by line.

Functions, structures and errors are those of ``linux/mailbox_controller.h`` and
``linux/mailbox_client.h`` (v6.12), and of the request mechanism that was proposed for them: errors
are returned as negative numbers, and a channel or an error comes back from the functions that
return a pointer there. Ops get the channel first, callbacks their client. `docs/linux.md` says what
differs from the kernel and how all of it is called natively.
"""

import threading
from errno import (
    EBUSY,
    ECANCELED,
    EDEADLK,
    EINPROGRESS,
    EINVAL,
    EIO,
    ENODEV,
    EOPNOTSUPP,
)

from mboxio.errors import ClosedError
from mboxio.linux.channel import HOUR_MS, MBOX_NO_MSG, MBOX_TX_QUEUE_LEN, TXDONE, log, mbox_chan
from mboxio.linux.request import mbox_wait
from mboxio.linux.structs import (
    ENOTSUPP,
    EPROBE_DEFER,
    IS_ERR,
    MBOX_REQ_MAY_SLEEP,
    device,
    device_node,
    mbox_chan_ops,
    mbox_client,
    mbox_controller,
    mbox_request,
    module,
    name_of,
    of_phandle_args,
)
from mboxio.linux.waiting import (
    Poller,
    call_back,
    call_op,
    in_interrupt,
    interrupt_context,
)

__all__ = [
    "ENOTSUPP",
    "EPROBE_DEFER",
    "HOUR_MS",
    "IS_ERR",
    "MBOX_NO_MSG",
    "MBOX_REQ_MAY_SLEEP",
    "MBOX_TX_QUEUE_LEN",
    "TXDONE",
    "device",
    "device_node",
    "devm_mbox_controller_register",
    "devm_mbox_controller_unregister",
    "in_interrupt",
    "interrupt_context",
    "mbox_bind_client",
    "mbox_cancel_request",
    "mbox_chan",
    "mbox_chan_ops",
    "mbox_chan_received_data",
    "mbox_chan_tx_slots_available",
    "mbox_chan_txdone",
    "mbox_client",
    "mbox_client_peek_data",
    "mbox_client_txdone",
    "mbox_controller",
    "mbox_controller_register",
    "mbox_controller_unregister",
    "mbox_flush",
    "mbox_free_channel",
    "mbox_request",
    "mbox_request_channel",
    "mbox_request_channel_byname",
    "mbox_request_complete",
    "mbox_send_message",
    "mbox_send_request",
    "mbox_wait",
    "mbox_wait_request",
    "module",
    "of_phandle_args",
]

_controllers: list[mbox_controller] = []
_lock = threading.Lock()  # of that list and of who owns what; never held over ops of a driver
_NOT_FOR_REQUESTS = {"code": "not_for_requests"}


# -- for drivers


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
    with _lock:
        if mbox.registered:
            return -EBUSY
        mbox.poller = Poller(mbox)
        for chan in mbox.chans:
            chan.register(method, requests)
        mbox.registered = True
        _controllers.append(mbox)
    return 0


def mbox_controller_unregister(mbox: mbox_controller | None) -> None:
    """Forget a controller and free its channels. Who blocks on one gets -ENODEV."""
    if mbox is None:
        return
    with _lock:
        if mbox not in _controllers:
            log.warning("%s: is not registered", name_of(mbox.dev))
            return
        _controllers.remove(mbox)
    for chan in mbox.chans:
        _free(chan, -ENODEV)
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
        log.debug("%r: received on a controller of requests", chan, extra=_NOT_FOR_REQUESTS)
        call_back(cl and cl.notify_callback, cl, mssg)
    elif cl is not None:
        call_back(cl.rx_callback, cl, mssg)


def mbox_chan_txdone(chan: mbox_chan, r: int) -> None:
    """Say from an interrupt that the active message left, with 0 or an error. From any context."""
    _txdone(chan, r, TXDONE.BY_IRQ, "controller_cannot_tick")


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


# -- for clients


def mbox_bind_client(chan: mbox_chan, cl: mbox_client) -> int:
    """Make a client the owner of a channel and start it up.

    Returns 0, -EBUSY, -ENODEV if the controller is not registered, or what ``startup`` returned.
    """
    mbox = chan.mbox
    with _lock:
        if mbox not in _controllers:
            return -ENODEV
        if chan.claimed or not mbox.owner.try_get():
            log.debug("%r is not free", chan, extra={"code": "not_free"})
            return -EBUSY
        chan.claimed = True
    try:
        chan.take(cl)
    except ClosedError:  # the controller has just been unregistered
        chan.claimed = False
        mbox.owner.put()
        return -ENODEV
    error = call_op(mbox.ops.startup, chan)
    if error:
        log.error("%r: startup returned %d", chan, error, extra={"code": "startup_failed"})
        _free(chan, -ECANCELED)
    return error


def mbox_request_channel(cl: mbox_client, index: int) -> mbox_chan | int:
    """Find a channel in the description of the client's device, and bind the client to it.

    Returns the channel, -ENODEV, -EPROBE_DEFER, -EINVAL, or an error of `mbox_bind_client`.
    """
    node = cl.dev.of_node if cl.dev is not None else None
    if node is None:
        log.debug("%s: has no node", name_of(cl.dev), extra={"code": "no_owner_node"})
        return -ENODEV
    if not 0 <= index < len(node.mboxes):
        extra = {"code": "cannot_parse_mboxes"}
        log.debug("%s: has no mboxes[%d]", name_of(cl.dev), index, extra=extra)
        return -ENODEV
    sp = node.mboxes[index]
    with _lock:
        owners = [each for each in _controllers if each.dev and each.dev.of_node is sp.np]
    chan: mbox_chan | int = -EPROBE_DEFER
    for mbox in owners:
        chan = (mbox.of_xlate or _index_xlate)(mbox, sp)
        if not isinstance(chan, int):
            break
    if isinstance(chan, int):
        return chan
    error = mbox_bind_client(chan, cl)
    if error > 0:
        return -EIO  # a startup that fails with a number that is no error
    return error or chan


def mbox_request_channel_byname(cl: mbox_client, name: str) -> mbox_chan | int:
    """As `mbox_request_channel`, by a name in ``mbox_names``; -EINVAL if there is none."""
    node = cl.dev.of_node if cl.dev is not None else None
    if node is None:
        log.error("%s: has no node", name_of(cl.dev), extra={"code": "no_owner_node"})
        return -EINVAL
    if name not in node.mbox_names:
        known = ", ".join(node.mbox_names) or "none"
        text = "%s: has no channel %r; there are: %s"
        log.error(text, name_of(cl.dev), name, known, extra={"code": "no_such_name"})
        return -EINVAL
    return mbox_request_channel(cl, list(node.mbox_names).index(name))


def mbox_free_channel(chan: mbox_chan | None) -> None:
    """Give a channel up. Its messages are dropped; who blocks on one of them gets -ECANCELED."""
    if chan is not None:
        _free(chan, -ECANCELED)


def mbox_send_message(chan: mbox_chan | None, mssg: object) -> int:
    """Queue a message, and hand it over if nothing is active. Blocks if the client is blocking.

    Returns the message's place (0 to 19), -EINVAL, -EOPNOTSUPP on a controller of requests,
    -ENOBUFS if 20 wait, and to a blocking client -ETIME or the error with which it ended.

    Raises:
        WouldDeadlock: called from inside ``send_data`` or ``tx_prepare`` of the same channel.
    """
    if chan is None or chan.cl is None or mssg is MBOX_NO_MSG:
        return -EINVAL
    if chan.for_requests:
        log.debug("%r: a message on a controller of requests", chan, extra=_NOT_FOR_REQUESTS)
        return -EOPNOTSUPP
    return chan.send_message(mssg)


def mbox_client_txdone(chan: mbox_chan, r: int) -> None:
    """Say as a client that knows it that the active message left, with 0 or an error."""
    _txdone(chan, r, TXDONE.BY_ACK, "client_cannot_tick")


def mbox_client_peek_data(chan: mbox_chan) -> bool:
    """Have the controller look for received data; owned or not, as in the kernel."""
    return call_op(chan.mbox.ops.peek_data, chan) > 0


def mbox_flush(chan: mbox_chan, timeout: int) -> int:
    """Have the controller wait until all left; owned or not. ``timeout`` is in milliseconds.

    An error ends the active message. On controllers of requests what is in flight stays there.
    """
    if chan.mbox.ops.flush is None:
        return -ENOTSUPP
    result = call_op(chan.mbox.ops.flush, chan, timeout)
    if result < 0 and chan.for_requests:
        log.warning("%r: flush returned %d; what is in flight stays in flight", chan, result)
    elif result < 0:
        chan.tick(result)
    return result


def mbox_chan_tx_slots_available(chan: mbox_chan) -> int:
    """Return how many more messages `mbox_send_message` can queue."""
    return MBOX_TX_QUEUE_LEN - chan.msg_count


def mbox_send_request(chan: mbox_chan | None, req: mbox_request | None) -> int:
    """Hand a request to the controller and return what it says: -EINPROGRESS if it took it.

    Also -EINVAL without owner, -EOPNOTSUPP on a controller of messages, and -EDEADLK where nothing
    may block if the request is one that may sleep.

    Raises:
        WouldDeadlock: called from inside ``send_request`` of the same channel.
    """
    if chan is None or req is None or chan.cl is None:
        return -EINVAL
    if not chan.for_requests:
        return -EOPNOTSUPP
    if req.flags & MBOX_REQ_MAY_SLEEP and in_interrupt():
        return -EDEADLK
    return chan.send_request(req)


def mbox_wait_request(err: int, wait: mbox_wait | None, timeout: float | None = None) -> int:
    """Wait for the end of a request if ``err``, from `mbox_send_request`, is -EINPROGRESS.

    Args:
        err: anything else is returned at once.
        timeout: in milliseconds; None waits forever. The kernel has no such argument.

    Returns:
        The status of the request, -ETIME, -EINVAL without a wait, or -EDEADLK where nothing may
        block. What is still in flight stays so: `mbox_cancel_request` ends it.
    """
    if err != -EINPROGRESS:
        return err
    return -EINVAL if wait is None else wait.wait(timeout)


def mbox_cancel_request(req: mbox_request) -> int:
    """End what is in flight of a request with -ECANCELED; its completion is ignored later.

    Returns 0, or -EINVAL if nothing is in flight. The kernel has no such function.
    """
    if not req.in_flight:
        return -EINVAL
    for posted in list(req.in_flight):
        posted.cancel()
    return 0


# -- what they share


def _index_xlate(mbox: mbox_controller, sp: of_phandle_args) -> mbox_chan | int:
    if not sp.args or not 0 <= sp.args[0] < len(mbox.chans):
        return -EINVAL
    return mbox.chans[sp.args[0]]


def _txdone(chan: mbox_chan, r: int, method: TXDONE, refusal: str) -> None:
    if chan.for_requests:
        log.debug("%r: TX done on a controller of requests", chan, extra=_NOT_FOR_REQUESTS)
    elif chan.txdone_method is not method:
        log.error("%r: TX done is not learnt %s", chan, method, extra={"code": refusal})
    else:
        with interrupt_context():
            chan.tick(r)


def _free(chan: mbox_chan, error: int) -> None:
    with _lock:
        if chan.cl is None or chan.leaving:
            return
        chan.leaving = True
    call_op(chan.mbox.ops.shutdown, chan)
    chan.release(error)
    chan.mbox.owner.put()
    chan.leaving = chan.claimed = False
