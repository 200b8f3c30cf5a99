"""Ends of requests: once for the caller, and apart from what the hardware still holds."""

from typing import Any

from mboxio._base.counts import Counts
from mboxio._base.gate import Gate, complain
from mboxio._base.request import Request
from mboxio._base.states import (
    COMPLETE,
    DONE,
    FAIL,
    FOREVER,
    HANDED_OVER,
    HANDED_OVER_NAMES,
    HOLDS_TAG,
    PENDING,
    UNKNOWN,
    UNSENT,
)
from mboxio._base.tap import SEEN_COPYING, SEEN_ENDED, SEEN_LATE, SEEN_UNKNOWN, tagged
from mboxio._base.texts import remote_text
from mboxio._queue.order import Order
from mboxio._queue.queue import Queue
from mboxio._queue.reasons import ending, number_in_queue
from mboxio.driver.base_channel import BaseChannel
from mboxio.errors import MailboxError, RemoteError, ReplyTooLong


class Ends(BaseChannel):
    """The ends of one channel's requests. Everything here runs under the lock.

    Args:
        gate: of the connection.
        queue: the queue that the channel uses.
    """

    def __init__(self, gate: Gate, queue: Queue) -> None:
        self.gate: Gate = gate
        self.queue = queue
        self.controller = queue.controller
        self.counts = Counts()
        self.freed: dict[str, int] = {}
        self.order = Order()
        self.shortcut = None

    def error(
        self, kind: type[MailboxError], request: Request, text: str, **more: Any
    ) -> MailboxError:
        """Make the error with which a request ends; see `ending`."""
        if request._handed == PENDING:
            self.recall(request)
        return ending(self, kind, request, text, **more)

    def recall(self, request: Request) -> None:
        """A request ends whose message the driver has accepted: whether it left is asked first."""
        if not self.aborted(request):
            request._handed = UNKNOWN

    def aborted(self, request: Request) -> bool:
        """Free what a message holds, if the driver proves that the remote is finished with it."""
        if self.gate.lost:
            return False
        try:
            driver = self.controller
            proven = self.gate.undisturbed(driver.abort, self, request.handle)  # type: ignore[arg-type]
        except Exception as fault:
            self.gate.post(complain, "abort() of %r raised", self, fault)
            return False
        if proven:
            self.queue.release(request, request._holds, "abort")
            self.unexpect(request)
        return bool(proven)

    def finish(self, request: Request, event: int, value: object) -> bool:
        """End a request, once; False if it had ended. Frees nothing but its user's memory."""
        if request._queued_by:
            self.queue.leave_line(request)
        if request._state >= DONE:
            return False
        request._value = value  # first: a thread that finds the state over reads it next
        request._apply(event)
        if event == COMPLETE:
            self.counts.done += 1
        else:
            self.counts.ended(event)
        if request._into is not None:
            request._into.release()  # a late reply finds no memory of the user's to write to
            request._into = None
        if not (self.in_sequence and request._holds & HOLDS_TAG):  # else see `overdue`
            request._deadline_ns = FOREVER
        if self.gate.tap is not None:
            self.tell_end(request)
        if request._owner._attentive:
            request._owner._request_over(request)
        request.data = b""  # the window may keep the request for long, but not its message
        request.over = True  # last: threads read it without the lock, and `_value` after it
        if request._watchers is not None:
            request._finish(self.gate)
        return True

    def tell_end(self, request: Request) -> None:
        """A request ended; what it ended with follows or came before, unless it is an error."""
        error = request._value
        text, status = None, 0
        if isinstance(error, MailboxError):
            text, status = str(error).encode(), getattr(error, "status", None) or error.errno or 0
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_ENDED, self.number, request, text, status, 0)

    def take_reply(self, request: Request, reply: bytes) -> None:
        """End a request with its reply, copied to the caller's memory if that was given."""
        if request._into is None:
            self.finish(request, COMPLETE, reply if request._tied else b"")
            return
        length = len(reply)
        if length > len(request._into):
            text = f"the reply has {length} bytes, the buffer given with into= {len(request._into)}"
            self.fail(request, self.error(ReplyTooLong, request, text, answered=True))
            return
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_COPYING, self.number, request, None, 0, 0)
        request._into[:length] = reply
        self.finish(request, COMPLETE, length)

    def take_refusal(self, request: Request, status: int, reply: bytes) -> None:
        """End a request that the remote answered with an error."""
        said = remote_text(reply) or "no reason given"
        text = f"the remote answered with error {status}: {said}"
        more: dict[str, Any] = {"answered": True, "status": status, "errno": abs(status)}
        self.fail(request, self.error(RemoteError, request, text, **more))

    def fail(self, request: Request, error: MailboxError) -> None:
        """End a request with an error."""
        self.finish(request, FAIL, error)

    def take_failure(self, handle: int, error: MailboxError) -> None:
        """The driver says how a request ended that somebody else decided about: see `failed`."""
        request = self.queue.window.find(handle)
        if request is None or request._owner._channel is not self:
            return  # its life ended before the word of it came
        handed = HANDED_OVER_NAMES.index(error.handed_over or "unknown")
        if handed == HANDED_OVER and request._handed == PENDING:
            self.queue.left(request)
        elif request._handed == HANDED_OVER and handed == UNSENT:
            self.counts.sent -= 1  # whoever has it knows better
        request._handed = handed
        if request._state < DONE:
            error.request = number_in_queue(request)
            self.fail(request, error)
        self.queue.release(request, request._holds, "reply")

    def withdraw(self, request: Request, event: int, error: MailboxError) -> None:
        """End a request from this side; ask the driver whether it can prove the message dead."""
        in_flight = request._holds
        if self.finish(request, event, error) and in_flight:
            self.aborted(request)

    def unexpect(self, request: Request) -> None:
        """The reply of this request will not come."""
        if self.in_sequence:
            self.order.drop(request)

    def take_late(self, request: Request | None, reply: bytes, status: int) -> None:
        """A reply came for a request that is over; `tagged` if nobody knows that any more."""
        self.counts.late += 1
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_LATE, self.number, request, reply, status, 0)

    def take_unknown(self, tag: int, reply: bytes) -> None:
        """A reply came that answers nothing we know."""
        self.counts.unknown += 1
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_UNKNOWN, self.number, None, reply, tagged(tag), 0)

    def prove_older(self, request: Request) -> None:
        """Replies come in order, so the older requests' replies will never come."""
        if not self.order.answered(request):
            for oldest in self.order.older_than(request):
                text = "a later request was answered, so this reply is lost"
                self.fail(oldest, self.error(RemoteError, oldest, text))
                self.queue.release(oldest, oldest._holds, "order")

    def held(self) -> list[Request]:
        """Return the requests of this channel that are over and still hold something."""
        held: list[Request] = []
        for request in self.queue.in_flight():
            if request._state > DONE and request._owner._channel is self:
                held.append(request)
        return held
