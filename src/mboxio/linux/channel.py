"""A channel of the Linux mailbox framework, over a queue of the core.

Each channel is a controller of the core with one queue and one client: depth 1 and a backlog of 20
in the classic style, no limit of its own for requests. Who goes next, what is in flight and how a
message ends is decided there. This file hands over, calls back and wakes, in the kernel's order.
The core carries bytes and the kernel pointers, so what it carries here is the number of a message.
"""

import logging
from collections import deque
from enum import Enum
from errno import EINVAL, ENOBUFS, ETIME
from itertools import count
from typing import Any

from mboxio._base.clock import Clock, Parker
from mboxio._base.request import Request
from mboxio._base.states import FOREVER, HOLDS_SLOT, TIME_OUT
from mboxio._base.timeouts import nanoseconds
from mboxio._host.host import Host
from mboxio.client.verbs import Verbs
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import SENT, Controller, Outcome
from mboxio.driver.ports import Ports
from mboxio.errors import ClosedError, QueueFull, RequestTimeout
from mboxio.linux.request import Posted
from mboxio.linux.waiting import call_back, call_op, context, in_interrupt, interrupt_context

MBOX_TX_QUEUE_LEN = 20
"""How many messages may wait behind the active one (mailbox.h of Linux v6.12)."""

HOUR_MS = 3_600_000
"""What a ``tx_tout`` of 0 means (mailbox.c of Linux v6.12)."""

REFUSED = Outcome(retry="submit")
"""Nothing but the next submit tries again: no event, no time, no slot that becomes free."""

log = logging.getLogger("mboxio.linux")


UNBOUNDED = (1 << 31) - 1
"""The depth of a queue that only the driver bounds; it fits every machine's `Py_ssize_t`."""


class TXDONE(Enum):
    """How it is learnt that a message of a channel left."""

    BY_IRQ = "irq"
    BY_POLL = "poll"
    BY_ACK = "ack"


class _NoMessage:
    def __repr__(self) -> str:
        return "MBOX_NO_MSG"


MBOX_NO_MSG = _NoMessage()
"""Stands where no message is active, so that None is a message like others."""


def carried(number: int) -> bytes:
    """Return what the core carries for a message."""
    return number.to_bytes(8, "little")


def number_of(data: bytes) -> int:
    """Return which message it is."""
    return int.from_bytes(data, "little")


class ClassicMessage:
    """What a client sends in the classic style, until everybody knows how it ended."""

    def __init__(self, owner: "ChannelOwner", cl: Any, mssg: object) -> None:
        self.owner = owner
        self.cl = cl
        self.mssg = mssg
        self.tried = False
        self.status = 0
        self.dropped = False  # by free: nobody hears of its end but a blocked sender
        self.over = False
        self.parker: Parker | None = None


class ChannelDriver(Controller):
    """The controller of the core below one channel of the kernel."""

    def __init__(self, chan: "mbox_chan") -> None:
        self.chan = chan

    def open(self) -> None:
        """See `Controller.open`. How many requests it takes the driver says itself, by ENOSPC."""
        requests = self.chan.for_requests
        depth = 64 if requests else 1
        self.queue = self.add_queue(
            Capabilities(depth=depth, matches_replies=requests, message_bytes=8)
        )
        if requests:
            # Not as a capability: the table of the window is made for the depth that is declared.
            self.queue.depth = UNBOUNDED
        self.channel = self.add_channel(str(self.chan.index), self.queue)

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`."""
        what = self.chan.sent[number_of(message)]
        if isinstance(what, Posted):
            return what.hand_over(handle)
        return self.chan.hand_over(handle, what)

    def abort(self, channel: DriverChannel, handle: int) -> bool:
        """See `Controller.abort`.

        This is the kernel's policy, "release": what timed out is out of its slot and the next
        message goes out, whatever the hardware does with the old one.
        """
        return True


class ChannelOwner(Verbs):
    """The core's client of a channel that somebody owns."""

    _error = 0
    """What those get who block on a message or request when the channel is freed."""


class mbox_chan:
    """A channel of a controller, for the functions ``mbox_*``.

    Attributes:
        mbox: its `mbox_controller`.
        index: its place in ``mbox.chans``.
        cl: the `mbox_client` that owns it, or None.
        txdone_method: a `TXDONE`; None before the controller was registered.
        con_priv: anything of the driver's.
    """

    def __init__(self, mbox: Any, index: int) -> None:
        self.mbox = mbox
        self.index = index
        self.cl: Any = None
        self.con_priv: Any = None
        self.txdone_method: TXDONE | None = None
        self.registered_method: TXDONE | None = None
        self.for_requests = False
        self.claimed = False
        self.leaving = False
        self.host: Any = None
        self.line: Any = None
        self.owner: Any = None
        self.numbers = count()
        self.tokens = count()
        self.sending = -1
        self.refusal = 0  # what ``send_data`` returned last
        self.raised: Exception | None = None  # or raised, if somebody remembers that
        self.sent: dict[int, Any] = {}
        self.ended: deque[ClassicMessage] = deque()

    @property
    def msg_count(self) -> int:
        """How many messages wait, without the active one."""
        owner = self.owner
        return 0 if owner is None else len(owner._backlog)

    @property
    def active_req(self) -> Any:
        """The message that the hardware has and that is not done, or `MBOX_NO_MSG`."""
        if self.owner is not None and not self.for_requests:
            for request in self.active():
                data = request.data
                message = None if not data else self.sent.get(number_of(data))
                if message is not None:  # else it ends just now, in another thread
                    return message.mssg
        return MBOX_NO_MSG

    @property
    def polled(self) -> bool:
        """Whether the poll timer asks the controller for this channel."""
        polls = self.owner is not None and self.txdone_method is TXDONE.BY_POLL
        return polls and bool(self.active())

    def active(self) -> list[Request]:
        """Return the core's requests that are in a slot."""
        return [each for each in self.line.queue.in_flight() if each._holds & HOLDS_SLOT]

    # -- owners come and go

    def register(self, method: TXDONE, for_requests: bool) -> None:
        """The controller registers: make the core's side."""
        self.txdone_method = self.registered_method = method
        self.for_requests = for_requests
        self.line = ChannelDriver(self)
        self.host = Host(self.line, address=repr(self), clock=self.mbox.clock)

    def take(self, cl: Any) -> None:
        """A client becomes the owner, and finds nothing of the one before."""
        self.tokens = count()
        if self.registered_method is TXDONE.BY_POLL and cl.knows_txdone:
            self.txdone_method = TXDONE.BY_ACK
        ports = None if self.for_requests else Ports(tx_prepare=self.prepare, tx_done=self.left)
        backlog = 0 if self.for_requests else cl.queue_len
        owner = ChannelOwner(self.host, self.line.channel, backlog, None, None, ports)
        self.host.join(self.line.channel, owner)
        self.owner = owner
        self.cl = cl

    def release(self, error: int) -> None:
        """The owner leaves. Who blocks on what it left behind gets ``error``."""
        owner = self.owner
        self.owner = self.cl = None
        self.txdone_method = self.registered_method
        owner._error = error
        owner.close()
        self.tell()

    # -- the classic style

    def send_message(self, mssg: object) -> int:
        """See `mbox_send_message`."""
        owner, cl = self.owner, self.cl
        if owner is None or cl is None:
            return -EINVAL
        message = ClassicMessage(owner, cl, mssg)
        blocks = cl.tx_block and not in_interrupt()
        patience_ms = cl.tx_tout or HOUR_MS
        if blocks:
            nanoseconds(patience_ms / 1000)  # refuses what is no time before anything happens
            message.parker = Parker()
        number = next(self.numbers)
        self.sent[number] = message  # before `post`, which calls `prepare`
        request: Any = None
        try:
            request = owner.post(carried(number))
        except QueueFull:
            if not cl.queue_len:  # nothing waits that would be tried again: the next one may be
                self.host.gate.call(self.line.queue.take_tx_done, [], 0)
                return -ENOBUFS
            log.error("%r: no place for another message", self, extra={"code": "queue_full"})
            return -ENOBUFS
        except ClosedError:
            return -EINVAL
        finally:
            if request is None:
                self.sent.pop(number, None)
        token = next(self.tokens) % MBOX_TX_QUEUE_LEN
        if not message.tried:  # it queues behind another one: that is tried
            self.host.gate.call(self.line.queue.take_tx_done, [], 0)
        if self not in context.calling:  # else that call goes on with it, and the stack is flat
            self.tell()
        return (self.block(message, request, patience_ms) if blocks else 0) or token

    def prepare(self, data: bytes) -> None:
        """See `Ports`: a message is about to be handed over."""
        message = self.sent[number_of(data)]
        message.tried = True
        call_back(message.cl.tx_prepare, message.cl, message.mssg)

    def hand_over(self, handle: int, message: ClassicMessage) -> Outcome:
        """Call ``send_data``. Under the core's lock."""
        self.sending = handle
        try:
            with interrupt_context():
                self.refusal = call_op(self.mbox.ops.send_data, self, message.mssg)
                if self.refusal:
                    return REFUSED
        finally:
            self.sending = -1
        if self.txdone_method is TXDONE.BY_POLL:
            self.mbox.poller.start()
        return SENT

    def block(self, message: ClassicMessage, request: Any, patience_ms: float) -> int:
        """Wait for the end of a message, and take it out if that takes too long.

        Returns:
            The error with which it ended, or 0.
        """
        clock: Clock = self.mbox.clock
        parker: Any = message.parker
        until_ns = clock.now_ns() + round(patience_ms * 1_000_000)
        try:
            while not message.over and clock.now_ns() < until_ns:
                clock.park(parker, until_ns)
        finally:
            if not message.over:
                self.host.gate.call_surely(self.take_timeout, request)
                self.tell()
        while not message.over:  # another thread is telling
            clock.park(parker, FOREVER)
        return min(message.status, 0)

    def take_timeout(self, request: Request) -> None:
        """A blocked sender gives up its message, and nobody else's. Under the core's lock."""
        channel = self.line.channel
        error = channel.error(RequestTimeout, request, "timed out", errno=ETIME, status=-ETIME)
        channel.withdraw(request, TIME_OUT, error)
        self.line.queue.take_tx_done([], 0)

    def tick(self, status: int) -> None:
        """The active message left: the next one goes out, then the client hears of it."""
        if self.owner is not None:
            gate = self.host.gate
            inside = gate.lock.mine()  # from inside send_data: acted on when that is over
            gate.call(self.take_tick, status, inside, self.sending)
            if not inside:
                self.tell()

    def take_tick(self, status: int, inside: bool, sending: int) -> None:
        """See `tick`. Under the core's lock."""
        handles = [each.handle for each in self.active()]
        if not inside or sending in handles:
            self.line.queue.take_tx_done(handles, status)

    def left(self, data: bytes, status: int) -> None:
        """See `Ports`: a message is over. Whoever caused that tells its client, in `tell`."""
        message = self.sent.pop(number_of(data))
        message.dropped = message.owner._closed
        message.status = message.owner._error if message.dropped else status
        self.ended.append(message)

    def tell(self) -> None:
        """Call back and wake for every message that is over. Without the core's lock."""
        outer = context.calling
        context.calling = (*outer, self)
        try:
            while self.ended:
                try:
                    message = self.ended.popleft()
                except IndexError:
                    return  # another thread took it
                if not message.dropped:
                    call_back(message.cl.tx_done, message.cl, message.mssg, message.status)
                message.over = True
                if message.parker is not None:
                    self.mbox.clock.unpark(message.parker)
        finally:
            context.calling = outer

    # -- requests

    def send_request(self, req: Any) -> int:
        """See `mbox_send_request`."""
        owner = self.owner
        if owner is None:
            return -EINVAL
        number = next(self.numbers)
        self.sent[number] = posted = Posted(req, self)
        try:
            return posted.send(owner, carried(number))
        finally:
            self.sent.pop(number, None)

    def __repr__(self) -> str:
        return f"<mbox_chan {getattr(self.mbox.dev, 'name', None)}/{self.index}>"
