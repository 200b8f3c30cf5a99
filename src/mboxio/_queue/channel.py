"""A channel: how messages, replies and ends find the requests they belong to."""

import errno
from collections.abc import Callable, Iterable

from mboxio._base.request import Request
from mboxio._base.states import (
    AWAITING,
    COMPLETE,
    DONE,
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
    UNSENT,
)
from mboxio._base.tap import NO_TAG, SEEN_NOTIFICATION, SEEN_OUT_OF_STEP, SEEN_REPLY, tagged
from mboxio._queue.above import ChannelHost, Member, Reader
from mboxio._queue.answers import Answers, Asked
from mboxio._queue.ends import Ends
from mboxio._queue.queue import Queue
from mboxio._queue.reasons import OUT_OF_STEP, after
from mboxio.driver.capabilities import TxDone
from mboxio.driver.correlate import NOTIFICATION, REPLY, Correlator, Verdict
from mboxio.errors import (
    MessagesLost,
    OutOfStep,
    RemoteError,
    ReplyUnsure,
    RequestTimeout,
)


class Channel(Ends):
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
        super().__init__(host.gate, queue)
        self.host = host
        self.name = name
        self.address: str = host.address
        self.number = number
        self.message_bytes = queue.capabilities.message_bytes
        self.can_send, self.can_receive = can_send, can_receive
        self.context = context
        self.clients: list[Member] = []
        self.subscriptions: list[Reader] = []
        self.receivers: list[Callable[[bytes], object]] = []  # of drivers above
        self.handler: Asked | None = None
        self.answering = Answers(self)
        self.driver_ties_answers = False
        self.users = self.asked = 0  # `asked`: remote requests that the handler has not answered
        self.lost_by_subscribers = 0  # by those that are closed now
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
            self.controller.disclaim(self)
        self.answering.reserve_a_slot()
        if client._ports is not None and client._ports.received is not None:
            self.receivers.remove(client._ports.received)

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
                self.order.expect(request)  # in the order in which messages leave
            if self.ties:
                return self.correlator.stamp(message, request.tag)
        return message

    # -- replies in order, and time

    def overdue(self, request: Request) -> None:
        """A deadline passed."""
        if request._state >= DONE:
            # It was over before its reply, which has not come in time either: the order is lost.
            if self.in_sequence and self.correlator.in_order and request._holds & HOLDS_TAG:
                self.fall_out()
            return
        doubtful = request._state != QUEUED and request._tied and self.correlator.in_order
        gone = f", the remote is gone: {self.host.life.lost_reason}" if self.gate.lost else ""
        error = self.error(RequestTimeout, request, f"timed out{after(request)}{gone}")
        self.withdraw(request, TIME_OUT, error)
        if doubtful and request._holds & HOLDS_TAG:  # else the driver has proven it dead
            self.fall_out()

    def fall_out(self) -> None:
        """A reply is lost on a channel without tags: nothing in flight can be tied any more."""
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_OUT_OF_STEP, self.number, None, None, 0, 0)
        for request in self.order.fall_out():
            self.fail(request, self.error(ReplyUnsure, request, "an earlier reply was lost"))
        for request in [r for client in self.clients for r in client._backlog.line if r._tied]:
            self.fail(request, self.error(OutOfStep, request, OUT_OF_STEP))

    def resync(self, proof: str) -> None:
        """There is proof that no reply is under way any more: start afresh."""
        holds = HOLDS_TAG | HOLDS_CREDIT | HOLDS_MEMORY  # no slot: TX done still comes for it
        if self.queue.capabilities.tx_done is TxDone.ACK:
            holds |= HOLDS_SLOT  # only the user could say that the message left
        for request in self.held():
            self.queue.release(request, holds, proof)
        self.order.start_afresh()

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
                self.driver_ties_answers = True  # a driver that reads tags also writes them
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
            next_one = self.order.next_one()
            if self.order.out_of_step:
                self.take_late(None, payload, NO_TAG)
            elif next_one is None:
                self.notify(payload)
            else:
                self.accept(next_one, 0, payload)
            return
        request = self.correlator.find(tag)
        if request is None:
            self.take_unknown(tag, payload)
        else:
            self.accept(request, 0, payload)

    def take_completion(self, handle: int, status: int, reply: bytes) -> None:
        """The hardware says which request is over."""
        request = self.queue.window.find(handle)
        if (
            request is None
            or request._owner._channel is not self  # a remote cannot answer for another channel
            or not (request._tied or self.queue.always_replies)
        ):
            known = 0 <= handle >> self.queue.window.shift < self.queue.window.next_seq
            if known:
                self.take_late(None, reply, tagged(handle, status))
            else:
                self.take_unknown(handle, reply)
        else:
            self.accept(request, status, reply)

    def accept(self, request: Request, status: int, reply: bytes) -> None:
        """A reply came: for its request if that still lives, and as the proof for what it holds."""
        if request._handed == PENDING:
            self.queue.left(request)  # the reply proves it
        if request._state == SENT or request._state == AWAITING:
            if self.gate.tap is not None:
                self.gate.tap.see(SEEN_REPLY, self.number, request, reply, status, 0)
            if status:
                self.take_refusal(request, status, reply)
            elif request._into is None:
                self.finish(request, COMPLETE, reply if request._tied else b"")
            else:
                self.take_reply(request, reply)
        elif request._tied:  # the answer to a one-way message is not late: it is over at TX done
            self.take_late(request, reply, status)
        if self.in_sequence:
            self.prove_older(request)
        self.queue.release(request, request._holds, "reply")  # last: the window forgets it

    def notify(self, message: bytes) -> None:
        """Give an unsolicited message to every subscriber."""
        self.counts.notifications += 1
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_NOTIFICATION, self.number, None, message, 0, 0)
        if not self.subscriptions and not self.receivers:
            self.counts.unclaimed += 1
        for port in self.receivers:
            self.gate.post(port, message)  # ports are foreign code: after the lock
        for subscription in self.subscriptions:
            try:
                subscription.put(message)
            except BaseException as error:
                if not self.gate.defer(error):
                    raise
                self.gate.undisturbed(subscription.wake)  # `put` again might add the message twice

    def take_missed(self, count: int) -> None:
        """Tell every subscriber that messages are lost that came to the driver at most."""
        for subscription in self.subscriptions:
            subscription.put(MessagesLost(f"{self.name!r}: {count} messages lost", count=count))

    def __repr__(self) -> str:
        step = ", out of step" if self.order.out_of_step else ""
        return f"<Channel {self.number} {self.name!r}, {len(self.clients)} clients{step}>"
