"""The common part of blocking and async clients: accepting messages and ending them."""

from errno import EHOSTUNREACH
from typing import TYPE_CHECKING

from mboxio._base.classes import overrides
from mboxio._base.completion import Flush
from mboxio._base.deputies import deputise
from mboxio._base.gate import Gate
from mboxio._base.native import COMPILED
from mboxio._base.recycled import fresh
from mboxio._base.request import Lent, Request
from mboxio._base.states import CLOSE, DONE, FOREVER, HOLDS_SLOT, NEW, QUEUE
from mboxio._base.tap import SEEN_QUEUED
from mboxio._base.timeouts import DEFAULT, nanoseconds
from mboxio._host.attached import Attached
from mboxio._host.flush import Flushes
from mboxio._host.waited import Waited
from mboxio._queue import refusals
from mboxio._queue.above import Reader
from mboxio._queue.backlog import (
    BY_SUBMIT,
    BY_WAITER,
    NO_SLOT,
    NOT_NOW,
    PLACED,
    REASONS,
    Backlog,
)
from mboxio._queue.channel import Channel
from mboxio._queue.queue import Queue
from mboxio._queue.reasons import queue_full, stopped, too_long
from mboxio.driver.controller import Controller
from mboxio.driver.ports import Ports
from mboxio.errors import (
    ClosedError,
    MailboxError,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer


def ask_driver(host: Attached, channel: Channel, message: bytes) -> None:
    """Have the driver refuse what it cannot send; raises what it does.

    Who cannot be reached may have been announced since anybody looked: then it is asked again.
    """
    try:
        channel.controller.check(channel, message)
        return
    except MailboxError as refusal:
        if refusal.errno != EHOSTUNREACH:
            raise
    host.pump.look()
    channel.controller.check(channel, message)


class Endpoint(Waited):
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
        super().__init__(host, channel, timeout_s)
        self._checks = type(channel.controller).check is not Controller.check
        self._backlog = Backlog(backlog)
        self._ports = ports
        self._attentive = ports is not None
        self._closed = False
        self._overrides = overrides(type(self), Endpoint, frozenset({"_hand_in"}))
        self._joined = False
        self._flushes = Flushes(host.gate)
        self._subscriptions: list[Reader] = []
        # -1: as long as the request's own time-out
        self._queue_timeout_ns = -1 if queue_timeout_s is DEFAULT else nanoseconds(queue_timeout_s)

    def _find_home(self) -> None:
        """Settle where user code of this client runs, if that is not known yet."""

    # -- accepting

    def _draft(
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
        channel: Channel = self._channel
        if self._at_home is None:
            self._find_home()
        message: bytes = data if type(data) is bytes else bytes(memoryview(data))
        if len(message) > channel.message_bytes:
            error = too_long(channel, len(message))
            self._tell_refused(None, error)
            raise error
        timeout_ns = self._timeout_ns if timeout_s is DEFAULT else nanoseconds(timeout_s)
        if queue_timeout_s is not DEFAULT:
            wait_ns = nanoseconds(queue_timeout_s)
        else:
            wait_ns = timeout_ns if self._queue_timeout_ns < 0 else self._queue_timeout_ns
        request = fresh()
        request._set_up(self, message, tied, timeout_ns, wait_ns)
        if into is not None:
            view = memoryview(into)
            if view.readonly or not view.c_contiguous:
                raise ValueError("into= is writable, contiguous memory")
            # An empty view cannot be cast, whatever its items are.
            request._into = view.cast("B") if view.nbytes else memoryview(bytearray())
        if lent is not None:
            request._lent = lent
        try:
            if self._checks:
                ask_driver(self._host, channel, message)
            if channel.ties and (tied or channel.queue.always_replies):
                channel.correlator.check(message)
        except MailboxError as refusal:
            self._tell_refused(None, refusal)
            raise
        return request

    def _hand_in(self, request: Request, waits: bool) -> None:
        """Accept a request: hand it over, queue it, or refuse it. Never waits.

        Args:
            waits: its caller will wait, so that it may stand in line without a backlog.
        """
        gate: Gate = self._gate
        queue: Queue = self._queue
        channel: Channel = self._channel
        accepted = False
        if gate.lost or queue.fault is not None:
            self._host.life.seek()  # without the lock: `reconnect` may take long
        gate.enter()
        try:  # right after it: an interrupt in between would leave the lock taken forever
            now_ns = gate.clock.now_ns()
            if (
                self._closed
                or gate.lost
                or queue.fault is not None
                or now_ns >= queue.next_deadline_ns
                or not channel.can_send
                or (request._tied and (channel.order.out_of_step or not channel.ties_replies))
            ):
                self._admit(request, waits, now_ns)
            # Requests that wait already go first, so a line means no attempt.
            if gate.lost or queue.line or queue.place(request, channel, now_ns) != PLACED:
                self._look_or_queue(request, waits, now_ns)
            accepted = True
        except MailboxError as error:
            self._tell_refused(request, error)
            raise
        finally:
            # As `Gate.leave` asks: most messages set nothing off, and are spared two calls.
            if gate.eventful:
                self._leave(request, accepted)
            else:
                gate.lock.release()

    def _leave(self, request: Request, accepted: bool) -> None:
        """Leave the gate; a port may be interrupted there."""
        try:
            self._gate.leave()
        except BaseException:  # Ctrl-C in a port
            if accepted:
                self._cancel(request)
            raise

    def _disown(self, request: Request, waits: bool) -> None:
        """Cancel what `_hand_in` accepted, because its caller will never get it."""
        if request._under_way():
            self._cancel(request)

    def _look_or_queue(self, request: Request, waits: bool, now_ns: int) -> None:
        """Hand over at once if a look finds a place; the remote may be found dead as well."""
        queue: Queue = self._queue
        reason = NOT_NOW  # the hardware takes nothing while the remote is lost
        if not self._gate.lost:
            self._pump.look_now(now_ns, self._pump.hint())  # some programs do nothing else
            if queue.fault is not None:
                raise stopped(self._channel, queue.fault)
            gate: Gate = self._gate
            if gate.lost:  # the look has found the remote dead
                self._host.life.require(self._channel, waits)
            else:
                reason = NO_SLOT if queue.line else queue.place(request, self._channel, now_ns)
        if reason == PLACED:
            return
        if not waits and not self._backlog.has_place():
            raise queue_full(self._channel, self._backlog.limit, REASONS[reason])
        wait_ns = request._queue_timeout_ns
        request._deadline_ns = FOREVER if wait_ns == FOREVER else now_ns + wait_ns
        if request._state == NEW:
            request._apply(QUEUE)  # otherwise a `Busy` has queued it already
        queue.stand_in_line(self, request, BY_WAITER if waits else BY_SUBMIT)
        if self._gate.tap is not None:
            self._gate.tap.see(SEEN_QUEUED, self._channel.number, request, None, 0, now_ns)

    def _admit(self, request: Request, waits: bool, now_ns: int) -> None:
        """Refuse what can never be sent, before it is accepted; do what is due. Under the lock."""
        channel: Channel = self._channel
        queue: Queue = self._queue
        if self._closed:
            raise refusals.closed(channel)
        if not channel.can_send:
            raise refusals.listen_only(channel)
        if request._tied and not channel.ties_replies:
            raise refusals.untied(channel)
        if queue.fault is not None:
            raise stopped(channel, queue.fault)
        if request._tied and channel.order.out_of_step:
            raise refusals.out_of_step(channel)
        if self._gate.lost:
            self._host.life.require(channel, waits)
        if now_ns >= queue.next_deadline_ns:
            queue.on_time(now_ns)  # it may free a place, and perhaps no thread minds the time
            self._gate.settle()

    def _prepare(self, request: Request) -> None:
        """See `Owner._prepare`."""
        if self._ports is not None and self._ports.tx_prepare is not None:
            self._ports.tx_prepare(request.data)

    def _answer(self, tag: int, message: bytes, status: int, life: int) -> None:
        """Bring the handler's answer to the remote's request ``tag``. Without the lock."""
        answering = self._channel.answering
        self._gate.call(answering.take, tag, message, status, life, self._timeout_ns)

    # -- ending

    def _request_over(self, request: Request) -> None:
        """A request of this client ended. Under the lock."""
        if self._ports is not None and self._ports.tx_done is not None and not request._tied:
            error = request._value
            status = (
                0 if request._state == DONE else int(getattr(error, "status", None) or error.errno)
            )
            self._gate.post(self._ports.tx_done, request.data, status)
        if self._flushes.open and not request._holds & HOLDS_SLOT:  # else see `_slot_freed`
            self._flushes.slot_freed(request)

    def _slot_freed(self, request: Request) -> None:
        """See `Owner._slot_freed`."""
        self._flushes.slot_freed(request)

    def _start_flush(self) -> Flush:
        """Return what is over when all that this client handed over or queued is TX done."""
        self._gate.enter()
        try:
            self._attentive = True  # for good: a second flush is likely
            return self._flushes.start(self, list(self._backlog.line))
        finally:
            self._gate.leave()

    def _decide_close(self) -> None:
        """End everything of this client. Under the lock."""
        if self._closed:
            return
        self._closed = True
        mine = [r for r in self._queue.in_flight() if r._owner is self and r._state < DONE]
        for request in mine + list(self._backlog.line):
            self._close_request(request, "the client was closed")
        self._flushes.close()
        for subscription in list(self._subscriptions):
            subscription.drop()
        if self._ports is not None:
            self._attend(-1)
        self._channel.remove_client(self)

    def close(self) -> None:
        """End everything of this client; `Verbs.close` also leaves the channel."""
        self._gate.call(self._decide_close)

    def _close_request(self, request: Request, why: str) -> None:
        """End one request as closed. Under the lock."""
        error = self._channel.error(ClosedError, request, why)
        self._channel.withdraw(request, CLOSE, error)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._backlog)} queued"
        return f"<{type(self).__name__} of {self._channel.name!r}, {state}>"


if not COMPILED:
    deputise(Endpoint, "_hand_in", undo=Endpoint._disown)
    deputise(Endpoint, "_start_flush")
