"""A queue of the hardware: how a message is handed over, what stops it, and what is due when."""

from mboxio._base.gate import complain
from mboxio._base.request import Request
from mboxio._base.states import (
    FOREVER,
    HAND_OVER,
    HANDED_OVER,
    HOLDS_CREDIT,
    HOLDS_MEMORY,
    HOLDS_SLOT,
    HOLDS_TAG,
    PENDING,
    REFUSE,
    SEND,
    UNKNOWN,
    UNSENT,
)
from mboxio._base.tap import (
    SEEN_ANSWER,
    SEEN_BUSY,
    SEEN_MESSAGE,
    SEEN_REPLY,
    SEEN_REQUEST,
    SEEN_SENDING,
    SEEN_STOPPED,
    SEEN_TX_DONE,
)
from mboxio._queue.backlog import NO_CREDIT, NO_SLOT, NO_TAG, NOT_NOW, PLACED
from mboxio._queue.held import Held
from mboxio._queue.reasons import driver_failed, driver_raised
from mboxio.driver.base_channel import BaseChannel
from mboxio.driver.controller import ACCEPTED, POLL, SENT, Outcome
from mboxio.errors import DriverError, RemoteError, RemoteGone


class Queue(Held):
    """One FIFO or ring of a controller, which one or many channels use. Always under the lock."""

    def place(self, request: Request, channel: BaseChannel, now_ns: int) -> int:
        """Hand a request to the hardware if there is a slot, credit and tag for it.

        Returns `PLACED` (sent, or ended by the attempt), or why there is no place.
        """
        # Compare first and take last, the tag before the rest: so nothing has to be put back. No
        # slot is found before no credit, because it stops the whole line (see `Line.refill`).
        if self.slots_used >= self.depth - (0 if request._remote_tag >= 0 else self.reserve):
            return NO_SLOT
        answered = request._tied or self.always_replies
        if answered and self.credits_used >= self.credits:
            return NO_TAG if channel.correlator.exhausted() else NO_CREDIT
        if self.stalled is not None or now_ns < self.not_before_ns:
            return NOT_NOW
        holds = HOLDS_SLOT
        if answered:
            if channel.identifies:
                if channel.ties and not channel.correlator.take(request):
                    return NO_TAG
                holds |= HOLDS_TAG  # where the hardware matches replies the handle is the tag
            if self.credits != FOREVER:
                holds |= HOLDS_CREDIT
                self.credits_used += 1
        if request._lent is not None:
            holds |= HOLDS_MEMORY
        self.window.add(request)  # before `send`, which gets the handle and may lend memory to it
        self.slots_used += 1
        request._holds = holds
        request._apply(SEND)  # what a driver reports from inside `send` meets a request under way
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_SENDING, channel.number, request, None, 0, now_ns)
        return self.hand_over(request, channel, now_ns)

    def has_room(self) -> bool:
        """Return whether `place` would find a slot and a credit; also without the lock: a hint."""
        return (
            self.slots_used < self.depth - self.reserve
            and self.credits_used < self.credits
            and self.stalled is None
            and not self.line
        )

    def hand_over(self, request: Request, channel: BaseChannel, now_ns: int) -> int:
        """Call the driver's ``send`` and act on what it says."""
        try:
            if request._owner._attentive:
                request._owner._prepare(request)
            message = channel.stamped(request) if channel.stamps else request.data
            request._handed = UNKNOWN  # from here on, an exception leaves open whether it left
            if request._remote_tag >= 0 and channel.driver_ties_answers:
                outcome = self.controller.reply(
                    channel,  # type: ignore[arg-type]  # see BaseChannel
                    request.handle,
                    request._remote_tag,
                    message,
                    request._remote_status,
                )
            else:
                outcome = self.controller.send(
                    channel,  # type: ignore[arg-type]
                    request.handle,
                    message,
                )
            if outcome is not SENT and not isinstance(outcome, Outcome):
                raise TypeError(
                    f"send() returned {outcome!r}, not SENT, ACCEPTED, Done() or Busy()"
                )
            if outcome is not SENT:
                reply = outcome.reply
                if reply is not None and len(reply) > channel.message_bytes:
                    size = f"{len(reply)} bytes, and message_bytes={channel.message_bytes}"
                    raise ValueError(f"Done() was given {size}")
        except BaseException as error:
            if not self.gate.defer(error):
                self.take_raised(request, channel, error)
                return PLACED
            if request._handed == UNSENT:  # nothing has happened yet: its turn comes again
                self.undo(request, channel)
                request._apply(REFUSE)
                self.mark_dirty()
                return NOT_NOW
            # The driver was interrupted: the message may have left, and its answer may come.
            request._apply(HAND_OVER)
            self.start_clock(request, now_ns)
            self.tell_sent(request, channel, request.data, now_ns)
            return PLACED
        if outcome is not SENT and outcome.retry:
            request._handed = UNSENT
            self.take_back(request, channel, outcome, now_ns)
            return NOT_NOW
        request._apply(HAND_OVER)
        if outcome is ACCEPTED:
            # Not handed over: the queue's time-out runs, as it did for one that stood in line.
            request._handed = PENDING
            if request._deadline_ns == FOREVER and request._queue_timeout_ns != FOREVER:
                request._deadline_ns = now_ns + request._queue_timeout_ns
            self.next_deadline_ns = min(self.next_deadline_ns, request._deadline_ns)
            self.tell_sent(request, channel, message, now_ns)
            return PLACED
        request._handed = HANDED_OVER
        channel.counts.sent += 1
        if self.gap_ns:
            self.not_before_ns = now_ns + self.gap_ns
        if self.gate.tap is not None:
            self.tell_sent(request, channel, message, now_ns)
        if outcome is not SENT:  # Done: the reply did not come over the wire, in no order
            channel.unexpect(request)
            if self.gate.tap is not None:
                kind = SEEN_REPLY if request._tied else SEEN_TX_DONE
                self.gate.tap.see(kind, channel.number, request, outcome.reply or b"", 0, now_ns)
            channel.take_reply(request, outcome.reply or b"")
            self.release(request, request._holds, "reply")
            return PLACED
        self.start_clock(request, now_ns)
        return PLACED

    def tell_sent(
        self, request: Request, channel: BaseChannel, message: bytes, now_ns: int
    ) -> None:
        """A message left, or the driver has accepted it."""
        if self.gate.tap is None:
            return
        kind = SEEN_REQUEST if request._tied else SEEN_MESSAGE
        status = 0
        if request._remote_tag >= 0:
            kind, status = SEEN_ANSWER, request._remote_status
        self.gate.tap.see(kind, channel.number, request, message, status, now_ns)

    def take_raised(self, request: Request, channel: BaseChannel, error: BaseException) -> None:
        """A port or the driver raised while a message was handed over; may raise it again."""
        if request._handed == UNSENT:
            self.undo(request, channel)
        fault = driver_raised(channel, request, error)
        channel.fail(request, fault)
        if fault is not error:
            self.gate.post(complain, "send() of %r raised", self.controller, error)
        # If it is still unsent, a port raised: that says nothing about this link.
        if isinstance(error, RemoteGone) and request._handed != UNSENT:
            self.gate.note(self.pump.life.take_gone, str(error))

    def take_back(
        self, request: Request, channel: BaseChannel, outcome: Outcome, now_ns: int
    ) -> None:
        """The hardware refused: remember when to try again."""
        self.undo(request, channel)
        request._apply(REFUSE)
        if self.gate.tap is not None:
            text = str(outcome.retry).encode()
            self.gate.tap.see(SEEN_BUSY, channel.number, request, text, 0, 0)
        if outcome.retry == "at":
            # A driver that keeps naming a time in the past would otherwise keep the leader awake.
            past = outcome.retry_ns <= now_ns
            self.not_before_ns = now_ns + self.poll_ns if past else outcome.retry_ns
        elif outcome.retry == "tx_done" and self.slots_used == 0:
            self.not_before_ns = now_ns + self.poll_ns  # no TX done will come: look again later
        else:
            self.stalled = outcome.retry

    # -- the end of trust

    def take_fault(self, error: BaseException) -> None:
        """The remote lied or the driver failed: stop this queue, end what is in flight on it.

        What is held stays held: a new epoch is the way out.
        """
        if isinstance(error, RemoteGone):  # nothing can be reached any more, on any queue
            self.gate.note(self.pump.life.take_gone, str(error))
            return
        fault = driver_failed(error)
        if fault is not error:
            self.gate.post(complain, "%r failed", self.controller, error)
        self.fault = fault
        self.tick_ns = FOREVER  # a stopped queue is not polled
        kind = DriverError if isinstance(fault, DriverError) else RemoteError
        text = f"the queue stopped: {fault}"
        if self.gate.tap is not None:
            for number in self.pump.life.numbers_of(self):
                self.gate.tap.see(SEEN_STOPPED, number, None, text.encode(), 0, 0)
        waiting = [request for client in self.line for request in client._backlog.line]
        for request in self.in_flight() + waiting:
            channel: BaseChannel = request._owner._channel
            ended = channel.error(kind, request, text)
            ended.__cause__ = fault.__cause__
            channel.fail(request, ended)

    # -- time

    def due_ns(self) -> int:
        """Return when `on_time` has something to do, at the latest; also without the lock."""
        due = min(self.next_deadline_ns, self.tick_ns)
        if (self.line or self.answers) and self.not_before_ns:
            due = min(due, self.not_before_ns)
        return due

    def on_time(self, now_ns: int) -> None:
        """Do what is due: poll ticks, a pause that is over, deadlines."""
        if now_ns >= self.tick_ns:
            self.tick_ns = now_ns + self.poll_ns  # first: the service may end the ticks
            try:
                self.controller.service(self, POLL)
            except BaseException as error:
                self.pump.serve_again(self, POLL, error)
        if self.not_before_ns and now_ns >= self.not_before_ns:
            self.not_before_ns = 0
            if self.line or self.answers:
                self.mark_dirty()
        if now_ns >= self.next_deadline_ns:
            self.expire(now_ns)

    def expire(self, now_ns: int) -> None:
        """End what is past its deadline and find the next one; looks at every entry once."""
        bound = FOREVER
        for request in self.in_flight():
            if now_ns >= request._deadline_ns:
                request._deadline_ns = FOREVER  # it may stay in the window, and is due once
                channel: BaseChannel = request._owner._channel
                channel.overdue(request)
            elif request._deadline_ns < bound:
                bound = request._deadline_ns
        for client in list(self.line):  # copies: an overdue request leaves both lines
            waiting = list(client._backlog.line)
            for request in waiting:
                if now_ns >= request._deadline_ns:
                    channel = request._owner._channel
                    channel.overdue(request)
                elif request._deadline_ns < bound:
                    bound = request._deadline_ns
        self.next_deadline_ns = bound  # a lower bound: what ended since costs one look in vain

    def __repr__(self) -> str:
        used = f"{self.slots_used}/{self.depth}"
        return f"<Queue {self.name!r} {used} slots, {len(self.line)} waiting>"
