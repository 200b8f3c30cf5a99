"""For clients: the functions of ``linux/mailbox_client.h``, and those of requests."""

from errno import EBUSY, ECANCELED, EDEADLK, EINPROGRESS, EINVAL, EIO, ENODEV, EOPNOTSUPP

from mboxio.errors import ClosedError
from mboxio.linux.channel import MBOX_NO_MSG, MBOX_TX_QUEUE_LEN, TXDONE, log, mbox_chan
from mboxio.linux.registered import (
    NOT_FOR_REQUESTS,
    controllers,
    free,
    index_xlate,
    lock,
    report_tx_done,
)
from mboxio.linux.request import mbox_wait
from mboxio.linux.structs import (
    ENOTSUPP,
    EPROBE_DEFER,
    MBOX_REQ_MAY_SLEEP,
    mbox_client,
    mbox_request,
    name_of,
)
from mboxio.linux.waiting import call_op, in_interrupt


def mbox_bind_client(chan: mbox_chan, cl: mbox_client) -> int:
    """Make a client the owner of a channel and start it up.

    Returns 0, -EBUSY, -ENODEV if the controller is not registered, or what ``startup`` returned.
    """
    mbox = chan.mbox
    with lock:
        if mbox not in controllers:
            return -ENODEV
        if chan.claimed or not mbox.owner.try_get():
            log.debug("%r is not free", chan, extra={"code": "not_free"})
            return -EBUSY
        chan.claimed = True  # keeps others out of what follows without the lock
    try:
        chan.take(cl)
    except ClosedError:  # the controller has just been unregistered
        chan.claimed = False
        mbox.owner.put()
        return -ENODEV
    error = call_op(mbox.ops.startup, chan)
    if error:
        log.error("%r: startup returned %d", chan, error, extra={"code": "startup_failed"})
        free(chan, -ECANCELED)
    return error


def mbox_request_channel(cl: mbox_client, index: int) -> mbox_chan | int:
    """Find a channel in the description of the client's device, and bind the client to it.

    Returns the channel, -ENODEV, -EPROBE_DEFER, -EINVAL, or an error of `mbox_bind_client`.
    """
    node = cl.dev.of_node if cl.dev is not None else None
    if node is None:
        log.debug("%s: has no node", name_of(cl.dev), extra={"code": "no_owner_node"})
        return -ENODEV
    sp = node.mboxes[index] if 0 <= index < len(node.mboxes) else None
    if sp is None or sp.np is None:
        extra = {"code": "cannot_parse_mboxes"}
        if node.broken:
            log.error("%s: %s", name_of(cl.dev), node.broken, extra=extra)
        else:
            log.debug("%s: has no mboxes[%d]", name_of(cl.dev), index, extra=extra)
        return -ENODEV
    with lock:
        owners = [each for each in controllers if each.dev and each.dev.of_node is sp.np]
    chan: mbox_chan | int = -EPROBE_DEFER
    for mbox in owners:
        chan = (mbox.of_xlate or index_xlate)(mbox, sp)
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
        free(chan, -ECANCELED)


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
        log.debug("%r: a message on a controller of requests", chan, extra=NOT_FOR_REQUESTS)
        return -EOPNOTSUPP
    return chan.send_message(mssg)


def mbox_client_txdone(chan: mbox_chan, r: int) -> None:
    """Say as a client that knows it that the active message left, with 0 or an error."""
    report_tx_done(chan, r, TXDONE.BY_ACK, "client_cannot_tick")


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
