"""A channel: how messages, replies and ends find the requests they belong to."""

import errno
from collections import deque
from collections.abc import Iterable
from typing import Any

from mboxio.base_channel import BaseChannel
from mboxio.blame import OUT_OF_STEP, ending
from mboxio.capabilities import TxDone
from mboxio.correlate import NOTIFICATION, REPLY, Correlator, Verdict
from mboxio.counts import Counts
from mboxio.errors import (
    MailboxError,
    OutOfStep,
    RemoteError,
    ReplyTooLong,
    ReplyUnsure,
    RequestTimeout,
)
from mboxio.gate import Gate, complain
from mboxio.queue import Queue
from mboxio.states import (
    AWAITING,
    COMPLETE,
    DONE,
    FAIL,
    FOREVER,
    HOLDS_CREDIT,
    HOLDS_MEMORY,
    HOLDS_SLOT,
    HOLDS_TAG,
    QUEUED,
    SENT,
    TIME_OUT,
    TX_DONE,
)
from mboxio.trace import REQUEST_COPYING, REQUEST_ENDED

REFUSALS_MAX = 32
"""Refusals of remote requests that may wait for a slot: a remote that floods hears no more."""


class Channel(BaseChannel):
    """One channel of a controller, shared by its clients. Everything here runs under the lock."""

    def __init__(
        self,
        host: Any,
        name: str,
        number: int,
        queue: Queue,
        correlator: Correlator | None,
        can_send: bool,
        can_receive: bool,
        context: Any,
    ) -> None:
        self.host = host
        self.gate: Gate = host.gate
        self.name = name
        self.number = number
        self.queue = queue
        self.controller = queue.controller
        self.message_bytes = queue.capabilities.message_bytes
        self.can_send = can_send
        self.can_receive = can_receive
        self.context = context
        self.clients: list[Any] = []
        self.users = 0
        self.subscriptions: list[Any] = []
        self.receivers: list[Any] = []  # ports of clients that are drivers themselves
        self.handler: Any = None
        self.driver_ties_answers = False
        self.asked = 0  # remote requests that the handler has not answered
        self.out_of_step = False
        self.lost_by_subscribers = 0  # by those that are closed now
        self.counts = Counts()
        self.freed: dict[str, int] = {}
        self.expected: deque[Any] = deque()  # requests whose replies come in this order
        self.correlate_with(correlator)

    def correlate_with(self, correlator: Correlator | None) -> None:
        """Choose how replies are tied to requests."""
        self.correlator = correlator or Correlator()
        self.ties = self.correlator.ties
        self.identifies = self.ties or self.queue.capabilities.matches_replies
        self.in_sequence = self.identifies and (
            self.correlator.in_order or self.queue.capabilities.replies_in_order
        )
        # Whether a request on this channel can get its reply at all.
        self.ties_replies = self.can_receive and self.identifies
        self.stamps = self.in_sequence or type(self.correlator) is not Correlator

    def add_client(self, client: Any) -> None:
        """A client joins."""
        self.clients.append(client)
        if client.ports is not None:
            client.attend(1)
        if client.ports is not None and client.ports.received is not None:
            self.receivers.append(client.ports.received)

    def remove_client(self, client: Any) -> None:
        """A client leaves."""
        self.clients.remove(client)
        if self.handler is not None and self.handler.client is client:
            self.handler = None
            client.attend(-1)
        self.reserve_a_slot()
        if client.ports is not None and client.ports.received is not None:
            self.receivers.remove(client.ports.received)

    def reserve_a_slot(self) -> None:
        """Keep a slot of the queue for answers as long as somebody may have to give any."""
        asked = any(
            channel.handler is not None and channel.queue is self.queue
            for channel in self.host.channels.values()
        )
        self.queue.reserve = 1 if asked and self.queue.depth > 1 else 0
        self.queue.mark_dirty()

    def held(self) -> list[Any]:
        """Return the requests of this channel that are over and still hold something."""
        return [
            request
            for request in self.queue.in_flight()
            if request.owner.channel is self and request.state > DONE
        ]

    def held_tags(self) -> list[int]:
        """Return the tags (or handles) that outlived their requests."""
        return [
            request.tag if self.ties else request.handle
            for request in self.held()
            if request.holds & HOLDS_TAG
        ]

    # -- towards the hardware

    def stamped(self, request: Any) -> bytes:
        """Return the message as it goes out, with its tag in it."""
        message: bytes = request.data
        if request.remote_tag >= 0:
            if self.driver_ties_answers:
                return message
            return self.correlator.stamp_reply(message, request.remote_tag)
        if request.holds & HOLDS_TAG:
            if self.in_sequence:
                self.expected.append(request)
            if self.ties:
                return self.correlator.stamp(message, request.tag)
        return message

    def error(self, kind: type[MailboxError], request: Any, text: str, **more: Any) -> Any:
        """Make the error with which a request ends; see `blame.ending`."""
        return ending(self.name, kind, request, text, **more)

    # -- ends of requests

    def finish(self, request: Any, event: int, value: Any) -> bool:
        """End a request, once; False if it had ended. Frees nothing but its user's memory."""
        if request.queued_by:
            self.queue.leave_line(request)
        if not request.apply(event):
            return False
        request.value = value
        if event == COMPLETE:
            self.counts.done += 1
        else:
            self.counts.ended(event)
        if request.into is not None:
            request.into.release()
            request.into = None
        if not (self.in_sequence and request.holds & HOLDS_TAG):
            request.deadline_ns = FOREVER
        if self.gate.trace is not None:
            self.gate.trace(REQUEST_ENDED, request)
        if request.owner.attentive:
            request.owner.request_over(request)
        request.data = None
        request.over = True
        if request.watchers is not None:
            request.finish(self.gate)
        return True

    def fail(self, request: Any, error: MailboxError) -> None:
        """End a request with an error."""
        self.finish(request, FAIL, error)

    def withdraw(self, request: Any, event: int, error: MailboxError) -> None:
        """End a request from this side; ask the driver whether it can prove the message dead."""
        in_flight = request.holds
        ended = self.finish(request, event, error)
        if not (ended and in_flight) or self.gate.lost:
            return
        try:
            proven = self.controller.abort(self, request.handle)
        except Exception as fault:
            self.gate.post(complain, "abort() of %r raised", self, fault)
            return
        if proven:
            self.queue.release(request, request.holds, "abort")
            self.unexpect(request)

    def overdue(self, request: Any) -> None:
        """A deadline passed."""
        if request.state >= DONE:
            if self.in_sequence and self.correlator.in_order and request.holds & HOLDS_TAG:
                self.fall_out()
            return
        doubtful = request.state != QUEUED and request.tied and self.correlator.in_order
        gone = f", the remote is gone: {self.host.lost_reason}" if self.gate.lost else ""
        error = self.error(RequestTimeout, request, f"timed out{gone}")
        self.withdraw(request, TIME_OUT, error)
        if doubtful and request.holds & HOLDS_TAG:
            self.fall_out()

    def fall_out(self) -> None:
        """A reply is lost on a channel without tags: nothing in flight can be tied any more."""
        self.out_of_step = True
        for request in list(self.expected):
            self.fail(request, self.error(ReplyUnsure, request, "an earlier reply was lost"))
        for client in self.clients:
            for request in list(client.backlog.line):
                if request.tied:
                    self.fail(request, self.error(OutOfStep, request, OUT_OF_STEP))

    def resync(self, proof: str) -> None:
        """Somebody vouches that no reply is under way any more: start afresh."""
        holds = HOLDS_TAG | HOLDS_CREDIT | HOLDS_MEMORY
        if self.queue.capabilities.tx_done is TxDone.ACK:
            holds |= HOLDS_SLOT  # nobody but the user could say that the message left
        for request in self.held():
            self.queue.release(request, holds, proof)
        self.expected.clear()
        self.out_of_step = False

    def unexpect(self, request: Any) -> None:
        """The reply of this request will not come."""
        if self.in_sequence and request in self.expected:
            self.expected.remove(request)

    # -- from the hardware

    def take_tx_done(self, request: Any, status: int) -> None:
        """The message left its slot; with a status it never reached the remote."""
        if status:
            self.queue.release(request, HOLDS_TAG | HOLDS_CREDIT | HOLDS_MEMORY, "tx_done")
            self.unexpect(request)
            if request.state == SENT:
                text = f"TX done reported error {status} ({errno.errorcode.get(abs(status), '?')})"
                self.fail(request, self.error(RemoteError, request, text, status=status))
        elif request.state == SENT:
            if request.tied:
                request.apply(TX_DONE)
            else:
                self.finish(request, COMPLETE, b"")

    def take_batch(self, messages: Iterable[bytes | Verdict]) -> None:
        """Sort received messages: replies, remote requests, notifications."""
        for message in messages:
            if isinstance(message, Verdict):
                self.driver_ties_answers = True
                self.take_verdict(message, message.message or b"")
            else:
                self.take_message(bytes(message))

    def take_message(self, message: bytes) -> None:
        """Sort one received message; a correlator that fails stops the queue."""
        try:
            verdict = self.correlator.classify(message)
            if not isinstance(verdict, Verdict):
                raise TypeError(f"classify() returned {verdict!r}")
        except Exception as fault:
            self.queue.take_fault(fault)
            return
        self.take_verdict(verdict, message)

    def take_verdict(self, verdict: Verdict, payload: bytes) -> None:
        """Act on what a message is."""
        if verdict.kind == NOTIFICATION:
            self.notify(payload)
        elif verdict.kind == REPLY:
            self.take_tagged(verdict.tag, payload)
        else:
            self.take_remote_request(verdict.tag, payload)

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
            or request.owner.channel is not self
            or not (request.tied or self.queue.always_replies)
        ):
            known = 0 <= handle >> 1 < self.queue.window.next_seq
            if known:
                self.counts.late += 1
            else:
                self.counts.unknown += 1
        else:
            self.accept(request, status, reply)

    def accept(self, request: Any, status: int, reply: bytes) -> None:
        """A reply came: for its request if that still lives, and as the proof for what it holds."""
        if request.state == SENT or request.state == AWAITING:
            if status:
                self.take_refusal(request, status, reply)
            elif request.into is None:
                self.finish(request, COMPLETE, reply if request.tied else b"")
            else:
                self.take_reply(request, reply)
        elif request.tied:
            self.counts.late += 1
        if self.in_sequence:
            self.prove_older(request)
        self.queue.release(request, request.holds, "reply")

    def take_refusal(self, request: Any, status: int, reply: bytes) -> None:
        """End a request that the remote answered with an error."""
        text = reply.decode("utf-8", "replace") or "no reason given"
        text = f"the remote answered with error {status}: {text}"
        error = self.error(RemoteError, request, text, status=status, errno=abs(status))
        self.fail(request, error)

    def prove_older(self, request: Any) -> None:
        """Replies come in order, so the older requests' replies will never come."""
        while self.expected:
            oldest = self.expected.popleft()
            if oldest is request:
                return
            text = "a later request was answered, so this reply is lost"
            self.fail(oldest, self.error(RemoteError, oldest, text))
            self.queue.release(oldest, oldest.holds, "order")

    def take_reply(self, request: Any, reply: bytes) -> None:
        """End a request with its reply, copied to the caller's memory if that was given."""
        if request.into is None:
            self.finish(request, COMPLETE, reply if request.tied else b"")
            return
        length = len(reply)
        if length > len(request.into):
            text = f"the reply has {length} bytes, the buffer given with into= {len(request.into)}"
            self.fail(request, self.error(ReplyTooLong, request, text))
            return
        if self.gate.trace is not None:
            self.gate.trace(REQUEST_COPYING, request)
        request.into[:length] = reply
        self.finish(request, COMPLETE, length)

    def notify(self, message: bytes) -> None:
        """Give an unsolicited message to every subscriber."""
        self.counts.notifications += 1
        if not self.subscriptions and not self.receivers:
            self.counts.unclaimed += 1
        for received in self.receivers:
            self.gate.post(received, message)
        for subscription in self.subscriptions:
            subscription.put(message)

    def take_remote_request(self, tag: int, message: bytes) -> None:
        """The remote asks: have the handler answer, or say at once that nobody will."""
        self.counts.remote_requests += 1
        if self.handler is None:
            self.refuse(tag, errno.ENOSYS, "no handler")
        elif self.asked >= self.handler.limit:
            self.refuse(tag, errno.EBUSY, "too many requests at once")
        else:
            self.asked += 1
            self.handler.ask(tag, message)

    def refuse(self, tag: int, status: int, text: str) -> None:
        """Answer a remote request with an error, where the wire can say so."""
        self.counts.remote_requests_refused += 1
        room = len(self.queue.answers) < REFUSALS_MAX
        if room and self.queue.capabilities.matches_replies:
            self.host.voice(self).send_answer(tag, text.encode(), status, 0)

    def __repr__(self) -> str:
        step = ", out of step" if self.out_of_step else ""
        return f"<Channel {self.number} {self.name!r}, {len(self.clients)} clients{step}>"
