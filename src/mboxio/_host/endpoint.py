"""The common part of blocking and async clients: accepting messages and ending them."""

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base.completion import Flush
from mboxio._base.deputies import deputise
from mboxio._base.gate import Gate
from mboxio._base.native import COMPILED
from mboxio._base.request import Lent, Owner, Request
from mboxio._base.states import CANCEL, CANCELLED, CLOSE, DONE, FOREVER, HOLDS_SLOT, NEW, QUEUE
from mboxio._base.timeouts import DEFAULT, nanoseconds
from mboxio._base.trace import REQUEST_QUEUED
from mboxio._host.attached import Attached
from mboxio._pump.worker import Callback
from mboxio._queue import refusals
from mboxio._queue.above import Reader
from mboxio._queue.backlog import (
    BY_HANDLER,
    BY_SUBMIT,
    BY_WAITER,
    NO_SLOT,
    NOT_NOW,
    PLACED,
    REASONS,
    Backlog,
)
from mboxio._queue.channel import Channel
from mboxio._queue.ends import queue_full, stopped, too_long
from mboxio._queue.queue import Queue
from mboxio.driver.controller import Controller
from mboxio.driver.ports import Ports
from mboxio.errors import (
    ClosedError,
    RequestCancelled,
)

if TYPE_CHECKING:
    from asyncio import Future

    from typing_extensions import Buffer


class Endpoint(Owner):
    """One client of a channel: its backlog, its deadlines and the place its user code runs.

    Args:
        host: the connection.
        channel: the channel, which other clients may use as well.
        backlog: how many requests ``submit`` may queue when the hardware takes no more.
        timeout_s: default deadline from the doorbell on, in seconds; None waits forever.
        queue_timeout_s: default deadline while waiting for a slot, in seconds.
        ports: driver-level hooks.
    """

    def __init__(
        self,
        host: Attached,
        channel: Channel,
        backlog: int,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        ports: Ports | None,
    ) -> None:
        if backlog < 0:
            raise ValueError("a backlog has 0 places or more")
        self.host = host
        self.gate = host.gate
        self.channel: Channel = channel
        self.queue: Queue = channel.queue
        self.pump = host.pump
        self.checks = type(channel.controller).check is not Controller.check
        self.backlog = Backlog(backlog)
        self.at_home: Any = None
        self.attended = 0  # how much of this client needs looking after
        self.ports = ports
        self.attentive = ports is not None
        self.closed = False
        self.joined = False
        self.flushes: list[Flush] = []
        self.subscriptions: list[Reader] = []
        if timeout_s is DEFAULT:
            timeout_s = self.queue.capabilities.timeout_s
        self.timeout_ns = nanoseconds(timeout_s)
        # -1: as long as the request's own time-out
        self.queue_timeout_ns = -1 if queue_timeout_s is DEFAULT else nanoseconds(queue_timeout_s)

    # -- where user code runs

    def attend(self, change: int) -> None:
        """Count unattended work of this client; its home looks after it. Under the lock."""
        self.attended += change
        if self.at_home is not None:
            self.at_home.attend(change)

    def find_home(self) -> None:
        """Settle where user code of this client runs, if that is not known yet."""

    # -- accepting

    def draft(
        self,
        data: "Buffer",
        tied: bool,
        timeout_s: float | None,
        queue_timeout_s: float | None,
        into: "Buffer | None",
        lent: Lent | None = None,
    ) -> Request:
        """Make a request of a message that this channel can carry. Nothing is accepted yet.

        Args:
            tied: whether a reply is expected.
        """
        channel: Channel = self.channel
        if self.at_home is None:
            self.find_home()
        message: bytes = data if type(data) is bytes else bytes(memoryview(data))
        if len(message) > channel.message_bytes:
            raise too_long(channel, len(message))
        timeout_ns = self.timeout_ns if timeout_s is DEFAULT else nanoseconds(timeout_s)
        if queue_timeout_s is not DEFAULT:
            wait_ns = nanoseconds(queue_timeout_s)
        else:
            wait_ns = timeout_ns if self.queue_timeout_ns < 0 else self.queue_timeout_ns
        request = Request.__new__(Request)
        request.set_up(self, message, tied, timeout_ns, wait_ns)
        if into is not None:
            view = memoryview(into)
            if view.readonly or not view.c_contiguous:
                raise ValueError("into= is writable, contiguous memory")
            # An empty view cannot be cast, whatever its items are.
            request.into = view.cast("B") if view.nbytes else memoryview(bytearray())
        if lent is not None:
            request.lent = lent
        if self.checks:
            channel.controller.check(channel, message)
        if channel.ties and (tied or channel.queue.always_replies):
            channel.correlator.check(message)
        return request

    def hand_in(self, request: Request, waits: bool) -> None:
        """Accept a request: hand it over, queue it, or refuse it. Never waits.

        Args:
            waits: its caller will wait, so that it may stand in line without a backlog.
        """
        gate: Gate = self.gate
        queue: Queue = self.queue
        channel: Channel = self.channel
        accepted = False
        if gate.lost or queue.fault is not None:
            self.host.seek()
        gate.enter()
        try:  # right after it: an interrupt in between would leave the lock taken forever
            now_ns = gate.clock.now_ns()
            if (
                self.closed
                or gate.lost
                or queue.fault is not None
                or now_ns >= queue.next_deadline_ns
                or not channel.can_send
                or (request.tied and (channel.out_of_step or not channel.ties_replies))
            ):
                self.admit(request, waits, now_ns)
            # Requests that wait already go first, so a line means no attempt.
            if gate.lost or queue.line or queue.place(request, channel, now_ns) != PLACED:
                self.look_or_queue(request, waits, now_ns)
            accepted = True
        finally:
            # As `Gate.leave` asks: most messages set nothing off, and are spared two calls.
            if gate.eventful:
                self.leave(request, accepted)
            else:
                gate.lock.release()

    def leave(self, request: Request, accepted: bool) -> None:
        """Leave the gate; a port may be interrupted there."""
        try:
            self.gate.leave()
        except BaseException:  # Ctrl-C in a port
            if accepted:
                self.cancel(request)
            raise

    def disown(self, request: Request, waits: bool) -> None:
        """Cancel what `hand_in` accepted, because its caller will never get it."""
        if request.under_way():
            self.cancel(request)

    def look_or_queue(self, request: Request, waits: bool, now_ns: int) -> None:
        """Hand over at once if a look finds a place; the remote may be found dead as well."""
        queue: Queue = self.queue
        reason = NOT_NOW  # the hardware takes nothing while the remote is lost
        if not self.gate.lost:
            self.pump.look_now(now_ns, self.pump.hint())
            if queue.fault is not None:
                raise stopped(self.channel, queue.fault)
            if not self.gate.lost:
                reason = NO_SLOT if queue.line else queue.place(request, self.channel, now_ns)
        if reason == PLACED:
            return
        if not waits and not self.backlog.has_place():
            raise queue_full(self.channel, self.backlog.limit, REASONS[reason])
        wait_ns = request.queue_timeout_ns
        request.deadline_ns = FOREVER if wait_ns == FOREVER else now_ns + wait_ns
        if request.state == NEW:
            request.apply(QUEUE)
        queue.stand_in_line(self, request, BY_WAITER if waits else BY_SUBMIT)
        if self.gate.trace is not None:
            self.gate.trace(REQUEST_QUEUED, request)

    def admit(self, request: Request, waits: bool, now_ns: int) -> None:
        """Refuse what can never be sent, before it is accepted; do what is due. Under the lock."""
        channel: Channel = self.channel
        queue: Queue = self.queue
        if self.closed:
            raise refusals.closed(channel)
        if not channel.can_send:
            raise refusals.listen_only(channel)
        if request.tied and not channel.ties_replies:
            raise refusals.untied(channel)
        if queue.fault is not None:
            raise stopped(channel, queue.fault)
        if request.tied and channel.out_of_step:
            raise refusals.out_of_step(channel)
        if self.gate.lost and not waits:
            raise refusals.gone(channel, self.host.lost_reason)
        if now_ns >= queue.next_deadline_ns:
            queue.on_time(now_ns)
            self.gate.settle()

    def prepare(self, request: Request) -> None:
        """See `Owner.prepare`."""
        if self.ports is not None and self.ports.tx_prepare is not None:
            self.ports.tx_prepare(request.data)

    def answer(self, tag: int, message: bytes, status: int, life: int) -> None:
        """Bring the handler's answer to the remote's request ``tag``. Without the lock."""
        self.gate.call(self.take_answer, tag, message, status, life)

    def take_answer(self, tag: int, message: bytes, status: int, life: int) -> None:
        """The handler is free for another request. Under the lock."""
        if life == self.host.life and not self.host.closed:
            self.send_answer(tag, message, status, BY_HANDLER)

    def send_answer(self, tag: int, message: bytes, status: int, queued_by: int) -> None:
        """Queue an answer, before everything that waits. Under the lock."""
        channel = self.channel
        if self.gate.lost or (status and not self.queue.capabilities.matches_replies):
            if queued_by == BY_HANDLER:
                channel.asked -= 1
            return  # the remote has gone, or the wire cannot say that a handler failed
        if len(message) > channel.message_bytes:
            message, status = b"the answer is too long", errno.EMSGSIZE
        request = Request(self, message, False, self.timeout_ns)
        request.remote_tag = tag
        request.remote_status = status
        request.queued_by = queued_by
        self.queue.answers.append(request)
        self.queue.mark_dirty()

    # -- ending

    def request_over(self, request: Request) -> None:
        """A request of this client ended. Under the lock."""
        if self.ports is not None and self.ports.tx_done is not None and not request.tied:
            error = request.value
            status = (
                0 if request.state == DONE else int(getattr(error, "status", None) or error.errno)
            )
            self.gate.post(self.ports.tx_done, request.data, status)
        if self.flushes and not request.holds & HOLDS_SLOT:
            self.slot_freed(request)

    def slot_freed(self, request: Request) -> None:
        """A message of this client left its slot, or never had one. Under the lock."""
        for flush in list(self.flushes):
            if request in flush.waiting_for:
                flush.waiting_for.remove(request)
            if not flush.waiting_for:
                self.flushes.remove(flush)
                flush.finish(self.gate)

    def start_flush(self) -> Flush:
        """Return what is over when all that this client handed over or queued is TX done."""
        self.gate.enter()
        try:
            waiting = [
                request
                for request in self.queue.in_flight()
                if request.owner is self and request.holds & HOLDS_SLOT
            ]
            flush = Flush(self, waiting + list(self.backlog.line))
            if flush.waiting_for:
                self.flushes.append(flush)
                self.attentive = True
            else:
                flush.finish(self.gate)
        finally:
            self.gate.leave()
        return flush

    def stop_flush(self, flush: Flush) -> None:
        """Forget a flush that has no waiter any more. Under the lock."""
        if flush in self.flushes:
            self.flushes.remove(flush)

    def decide_cancel(self, request: Request) -> None:
        """End a request as cancelled. Under the lock."""
        error = self.channel.error(RequestCancelled, request, "cancelled")
        self.channel.withdraw(request, CANCEL, error)

    def decide_close(self) -> None:
        """End everything of this client. Under the lock."""
        if self.closed:
            return
        self.closed = True
        mine = [r for r in self.queue.in_flight() if r.owner is self and r.state < DONE]
        for request in mine + list(self.backlog.line):
            self.close_request(request, "the client was closed")
        for flush in list(self.flushes):
            self.flushes.remove(flush)
            flush.finish(self.gate)
        for subscription in list(self.subscriptions):
            subscription.drop()
        if self.ports is not None:
            self.attend(-1)
        self.channel.remove_client(self)

    def close(self) -> None:
        """End everything of this client; `Verbs.close` also leaves the channel."""
        self.gate.call(self.decide_close)

    def close_request(self, request: Request, why: str) -> None:
        """End one request as closed. Under the lock."""
        error = self.channel.error(ClosedError, request, why)
        self.channel.withdraw(request, CLOSE, error)

    # -- what requests ask of their owner

    def wait_for(self, waitable: Request, until_ns: int) -> bool:
        """See `Owner.wait_for`."""
        return self.pump.wait(waitable, until_ns)

    def look_at(self, waitable: Request) -> None:
        """See `Owner.look_at`."""
        if not self.gate.lock.mine() and not self.gate.forked:
            self.pump.look()

    def cancel(self, request: Request) -> bool:
        """See `Owner.cancel`."""
        self.gate.call_surely(self.decide_cancel, request)
        return bool(request.state == CANCELLED)

    def call_when_over(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """See `Owner.call_when_over`."""
        self.gate.call(self.watch_for, waitable, callback)

    def watch_for(self, waitable: Request, callback: Callable[[Any], object]) -> None:
        """Post the callback when it is over, now if it is. Under the lock."""
        if waitable.over:
            self.at_home.post(callback, waitable)
        else:
            self.attend(1)
            waitable.add_watcher(Callback(self, callback))

    def future_of(self, waitable: Request, bare: bool) -> "Future[Any]":
        """See `Owner.future_of`."""
        return self.host.loop_port(self.pump).future_of(waitable, bare)

    def forget_future(self, waitable: Request, future: "Future[Any]") -> None:
        """See `Owner.forget_future`."""
        self.host.forget_future(self.pump, waitable, future)

    def deadline_after(self, timeout_s: float | None) -> int:
        """See `Owner.deadline_after`."""
        wait_ns = self.timeout_ns if timeout_s is DEFAULT else nanoseconds(timeout_s)
        return FOREVER if wait_ns == FOREVER else self.gate.clock.now_ns() + wait_ns

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self.backlog)} queued"
        return f"<{type(self).__name__} of {self.channel.name!r}, {state}>"


if not COMPILED:
    deputise(Endpoint, "hand_in", undo=Endpoint.disown)
    deputise(Endpoint, "start_flush")
