"""A channel: how messages, replies and ends find the requests they belong to."""

import errno
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from mboxio._base.counts import Counts
from mboxio._base.gate import Gate, complain
from mboxio._base.request import Request
from mboxio._base.states import (
    AWAITING,
    COMPLETE,
    DONE,
    FAIL,
    FOREVER,
    HANDED_OVER,
    HOLDS_CREDIT,
    HOLDS_MEMORY,
    HOLDS_SLOT,
    HOLDS_TAG,
    PENDING,
    QUEUED,
    SENT,
    TIME_OUT,
    TX_DONE,
    UNKNOWN,
    UNSENT,
)
from mboxio._base.texts import remote_text
from mboxio._base.trace import REQUEST_COPYING, REQUEST_ENDED
from mboxio._queue.above import ChannelHost, Member, Reader
from mboxio._queue.answers import Answers, Asked
from mboxio._queue.ends import OUT_OF_STEP, after, ending
from mboxio._queue.queue import Queue
from mboxio.driver.base_channel import BaseChannel
from mboxio.driver.capabilities import TxDone
from mboxio.driver.correlate import NOTIFICATION, REPLY, Correlator, Verdict
from mboxio.errors import (
    MailboxError,
    OutOfStep,
    RemoteError,
    ReplyTooLong,
    ReplyUnsure,
    RequestTimeout,
)


class Channel(BaseChannel):
    """One channel of a controller, shared by its clients. Everything here runs under the lock."""

    def __init__(
        self,
        host: ChannelHost,
        name: str,
        number: int,
        queue: Queue,
        correlator: Correlator | None,
        can_send: bool,
        can_receive: bool,
        context: object,
    ) -> None:
        self.host = host
        self.gate: Gate = host.gate
        self.name = name
        self.address: str = host.address
        self.number = number
        self.queue = queue
        self.controller = queue.controller
        self.message_bytes = queue.capabilities.message_bytes
        self.can_send = can_send
        self.can_receive = can_receive
        self.context = context
        self.clients: list[Member] = []
        self.users = 0
        self.subscriptions: list[Reader] = []
        self.receivers: list[Callable[[bytes], object]] = []  # of drivers above
        self.handler: Asked | None = None
        self.answering = Answers(self)
        self.driver_ties_answers = False
        self.asked = 0  # remote requests that the handler has not answered
        self.out_of_step = False
        self.lost_by_subscribers = 0  # by those that are closed now
        self.counts = Counts()
        self.freed: dict[str, int] = {}
        self.expected: deque[Request] = deque()  # requests whose replies come in this order
        self.correlate_with(correlator)

    def correlate_with(self, correlator: Correlator | None) -> None:
        """Choose how replies are tied to requests."""
        self.correlator = correlator or Correlator()
        self.correlator.trust(self.queue.capabilities.replies_in_order)
        self.ties = self.correlator.ties
        self.identifies = self.ties or self.queue.capabilities.matches_replies
        self.in_sequence = self.identifies and (
            self.correlator.in_order or self.queue.capabilities.replies_in_order
        )
        # Whether a request on this channel can get its reply at all.
        self.ties_replies = self.can_receive and self.identifies
        self.stamps = self.in_sequence or type(self.correlator) is not Correlator

    def add_client(self, client: Member) -> None:
        """A client joins."""
        self.clients.append(client)
        if client._ports is not None:
            client._attend(1)
            if client._ports.received is not None:
                self.receivers.append(client._ports.received)

    def remove_client(self, client: Member) -> None:
        """A client leaves."""
        self.clients.remove(client)
        if self.handler is not None and self.handler.client is client:
            self.handler = None
            client._attend(-1)
        self.answering.reserve_a_slot()
        if client._ports is not None and client._ports.received is not None:
            self.receivers.remove(client._ports.received)

    def held(self) -> list[Request]:
        """Return the requests of this channel that are over and still hold something."""
        in_flight = self.queue.in_flight()
        return [each for each in in_flight if each._owner._channel is self and each._state > DONE]

    # -- towards the hardware

    def stamped(self, request: Request) -> bytes:
        """Return the message as it goes out, with its tag in it."""
        message = request.data
        if request._remote_tag >= 0:
            if self.driver_ties_answers:
                return message
            return self.correlator.stamp_reply(message, request._remote_tag)
        if request._holds & HOLDS_TAG:
            if self.in_sequence:
                self.expected.append(request)  # in the order in which messages leave
            if self.ties:
                return self.correlator.stamp(message, request.tag)
        return message

    def error(
        self, kind: type[MailboxError], request: Request, text: str, **more: Any
    ) -> MailboxError:
        """Make the error with which a request ends; see `blame.ending`."""
        if request._handed == PENDING:
            self.recall(request)
        return ending(self, kind, request, text, **more)

    def recall(self, request: Request) -> None:
        """A request ends whose message the driver has accepted: whether it left is asked first."""
        if not self.gate.lost and self.proven_dead(request):
            self.queue.release(request, request._holds, "abort")
            self.unexpect(request)
        else:
            request._handed = UNKNOWN

    def proven_dead(self, request: Request) -> bool:
        """Ask the driver whether the remote is surely finished with a message."""
        try:
            driver = self.controller
            return bool(self.gate.undisturbed(driver.abort, self, request.handle))
        except Exception as fault:
            self.gate.post(complain, "abort() of %r raised", self, fault)
            return False

    # -- ends of requests

    def finish(self, request: Request, event: int, value: object) -> bool:
        """End a request, once; False if it had ended. Frees nothing but its user's memory."""
        if request._queued_by:
            self.queue.leave_line(request)
        if not request._apply(event):
            return False
        request._value = value
        if event == COMPLETE:
            self.counts.done += 1
        else:
            self.counts.ended(event)
        if request._into is not None:
            request._into.release()  # a late reply finds no memory of the user's to write to
            request._into = None
        if not (self.in_sequence and request._holds & HOLDS_TAG):  # else see `overdue`
            request._deadline_ns = FOREVER
        if self.gate.trace is not None:
            self.gate.trace(REQUEST_ENDED, request)
        if request._owner._attentive:
            request._owner._request_over(request)
        request.data = b""  # the window may keep the request for long, but not its message
        request.over = True  # last: threads read it without the lock, and `_value` after it
        if request._watchers is not None:
            request._finish(self.gate)
        return True

    def fail(self, request: Request, error: MailboxError) -> None:
        """End a request with an error."""
        self.finish(request, FAIL, error)

    def withdraw(self, request: Request, event: int, error: MailboxError) -> None:
        """End a request from this side; ask the driver whether it can prove the message dead."""
        in_flight = request._holds
        ended = self.finish(request, event, error)
        if not (ended and in_flight) or self.gate.lost:
            return
        if self.proven_dead(request):
            self.queue.release(request, request._holds, "abort")
            self.unexpect(request)

    def overdue(self, request: Request) -> None:
        """A deadline passed."""
        if request._state >= DONE:
            if self.in_sequence and self.correlator.in_order and request._holds & HOLDS_TAG:
                self.fall_out()
            return
        doubtful = request._state != QUEUED and request._tied and self.correlator.in_order
        gone = f", the remote is gone: {self.host.life.lost_reason}" if self.gate.lost else ""
        error = self.error(RequestTimeout, request, f"timed out{after(request)}{gone}")
        self.withdraw(request, TIME_OUT, error)
        if doubtful and request._holds & HOLDS_TAG:
            self.fall_out()

    def fall_out(self) -> None:
        """A reply is lost on a channel without tags: nothing in flight can be tied any more."""
        self.out_of_step = True
        for request in list(self.expected):  # a copy, as each end may take its request out
            self.fail(request, self.error(ReplyUnsure, request, "an earlier reply was lost"))
        for request in [r for client in self.clients for r in client._backlog.line if r._tied]:
            self.fail(request, self.error(OutOfStep, request, OUT_OF_STEP))

    def resync(self, proof: str) -> None:
        """There is proof that no reply is under way any more: start afresh."""
        holds = HOLDS_TAG | HOLDS_CREDIT | HOLDS_MEMORY
        if self.queue.capabilities.tx_done is TxDone.ACK:
            holds |= HOLDS_SLOT  # only the user could say that the message left
        for request in self.held():
            self.queue.release(request, holds, proof)
        self.expected.clear()
        self.out_of_step = False

    def unexpect(self, request: Request) -> None:
        """The reply of this request will not come."""
        if self.in_sequence and request in self.expected:
            self.expected.remove(request)

    # -- from the hardware

    def take_tx_done(self, request: Request, status: int) -> None:
        """The message left its slot; with a status it never reached the remote."""
        if status:
            if request._handed == HANDED_OVER:  # `send` said so, and the hardware knows better
                self.counts.sent -= 1
            request._handed = UNSENT
            self.queue.release(request, HOLDS_TAG | HOLDS_CREDIT | HOLDS_MEMORY, "tx_done")
            self.unexpect(request)
            if request._state == SENT:
                text = f"TX done reported error {status} ({errno.errorcode.get(abs(status), '?')})"
                self.fail(request, self.error(RemoteError, request, text, status=status))
        elif request._state == SENT:
            if request._tied:
                request._apply(TX_DONE)
            else:
                self.finish(request, COMPLETE, b"")

    def take_batch(self, messages: Iterable[bytes | Verdict]) -> None:
        """Sort received messages: replies, remote requests, notifications."""
        for message in messages:
            if isinstance(message, Verdict):
                self.driver_ties_answers = True
                self.take_verdict(message, message.message or b"")
            else:
                self.take_message(message)

    def take_message(self, message: bytes) -> None:
        """Sort one received message; a correlator that fails stops the queue."""
        try:
            verdict = self.classified(message)
            if not isinstance(verdict, Verdict):
                raise TypeError(f"classify() returned {verdict!r}")
        except Exception as fault:
            self.queue.take_fault(fault)
            return
        self.take_verdict(verdict, message)

    def classified(self, message: bytes) -> Verdict:
        """Return what the correlator says; a signal handler that raises in it changes nothing."""
        try:
            return self.correlator.classify(message)
        except BaseException as error:
            if not self.gate.defer(error):
                raise
        correlator = self.correlator
        return self.gate.undisturbed(correlator.classify, message)

    def take_verdict(self, verdict: Verdict, payload: bytes) -> None:
        """Act on what a message is."""
        if verdict.kind == NOTIFICATION:
            self.notify(payload)
        elif verdict.kind == REPLY:
            self.take_tagged(verdict.tag, payload)
        else:
            self.answering.ask(verdict.tag, payload)

    def take_tagged(self, tag: int, payload: bytes) -> None:
        """Find the request that a reply answers."""
        if self.correlator.in_order:
            if self.out_of_step:
                self.counts.late += 1
            elif self.expected:
                self.accept(self.expected[0], 0, payload)
            else:
                self.notify(payload)
            return
        request = self.correlator.find(tag)
        if request is None:
            self.counts.unknown += 1
        else:
            self.accept(request, 0, payload)

    def take_completion(self, handle: int, status: int, reply: bytes) -> None:
        """The hardware says which request is over."""
        request = self.queue.window.find(handle)
        if (
            request is None
            or request._owner._channel is not self
            or not (request._tied or self.queue.always_replies)
        ):
            known = 0 <= handle >> self.queue.window.shift < self.queue.window.next_seq
            if known:
                self.counts.late += 1
            else:
                self.counts.unknown += 1
        else:
            self.accept(request, status, reply)

    def accept(self, request: Request, status: int, reply: bytes) -> None:
        """A reply came: for its request if that still lives, and as the proof for what it holds."""
        if request._handed == PENDING:
            self.queue.left(request)  # the reply proves it
        if request._state == SENT or request._state == AWAITING:
            if status:
                self.take_refusal(request, status, reply)
            elif request._into is None:
                self.finish(request, COMPLETE, reply if request._tied else b"")
            else:
                self.take_reply(request, reply)
        elif request._tied:
            self.counts.late += 1
        if self.in_sequence:
            self.prove_older(request)
        self.queue.release(request, request._holds, "reply")  # last: the window forgets it

    def take_refusal(self, request: Request, status: int, reply: bytes) -> None:
        """End a request that the remote answered with an error."""
        said = remote_text(reply) or "no reason given"
        text = f"the remote answered with error {status}: {said}"
        more: dict[str, Any] = {"answered": True, "status": status, "errno": abs(status)}
        self.fail(request, self.error(RemoteError, request, text, **more))

    def prove_older(self, request: Request) -> None:
        """Replies come in order, so the older requests' replies will never come."""
        while self.expected:
            oldest = self.expected.popleft()
            if oldest is request:
                return
            text = "a later request was answered, so this reply is lost"
            self.fail(oldest, self.error(RemoteError, oldest, text))
            self.queue.release(oldest, oldest._holds, "order")

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
        if self.gate.trace is not None:
            self.gate.trace(REQUEST_COPYING, request)
        request._into[:length] = reply
        self.finish(request, COMPLETE, length)

    def notify(self, message: bytes) -> None:
        """Give an unsolicited message to every subscriber."""
        self.counts.notifications += 1
        if not self.subscriptions and not self.receivers:
            self.counts.unclaimed += 1
        for received in self.receivers:
            self.gate.post(received, message)  # ports are foreign code: after the lock
        for subscription in self.subscriptions:
            try:
                subscription.put(message)
            except BaseException as error:
                if not self.gate.defer(error):
                    raise
                self.gate.undisturbed(subscription.wake)

    def __repr__(self) -> str:
        step = ", out of step" if self.out_of_step else ""
        return f"<Channel {self.number} {self.name!r}, {len(self.clients)} clients{step}>"
