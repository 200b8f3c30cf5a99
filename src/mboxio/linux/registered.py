"""Which controllers are registered, and what drivers and clients do to channels alike."""

import threading
from errno import EINVAL

from mboxio.linux.channel import TXDONE, log, mbox_chan
from mboxio.linux.of import of_phandle_args
from mboxio.linux.structs import mbox_controller
from mboxio.linux.waiting import call_op, interrupt_context

__all__ = ["NOT_FOR_REQUESTS", "controllers", "free", "index_xlate", "lock", "report_tx_done"]

controllers: list[mbox_controller] = []
lock = threading.Lock()
"""Of that list and of who owns what; never held over ops of a driver."""
NOT_FOR_REQUESTS = {"code": "not_for_requests"}


def report_tx_done(chan: mbox_chan, r: int, method: TXDONE, refusal: str) -> None:
    """Report TX done by one of the three ways, if it is the channel's."""
    if chan.for_requests:
        log.debug("%r: TX done on a controller of requests", chan, extra=NOT_FOR_REQUESTS)
    elif chan.txdone_method is not method:
        log.error("%r: TX done is not learnt %s", chan, method, extra={"code": refusal})
    else:
        with interrupt_context():
            chan.tick(r)


def free(chan: mbox_chan, error: int) -> None:
    """Shut a channel down, and let go of its controller; requests end with ``error``."""
    with lock:
        if chan.cl is None or chan.leaving:
            return
        chan.leaving = True
    call_op(chan.mbox.ops.shutdown, chan)
    chan.release(error)
    chan.mbox.owner.put()
    chan.leaving = chan.claimed = False


def index_xlate(mbox: mbox_controller, sp: of_phandle_args) -> mbox_chan | int:
    """Look a channel up by the first cell, where the controller has no ``of_xlate``."""
    if not sp.args or not 0 <= sp.args[0] < len(mbox.chans):
        return -EINVAL
    return mbox.chans[sp.args[0]]
