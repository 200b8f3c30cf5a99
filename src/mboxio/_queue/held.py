"""What messages hold of the hardware (slots, credits, tags, memory), and what frees it."""

from collections.abc import Iterable
from typing import Any

from mboxio._base.gate import Gate
from mboxio._base.request import Request
from mboxio._base.states import (
    DONE,
    FOREVER,
    HANDED_OVER,
    HOLDS_CREDIT,
    HOLDS_MEMORY,
    HOLDS_SLOT,
    HOLDS_TAG,
    PENDING,
)
from mboxio._base.tap import SEEN_FREED, SEEN_LEFT, SEEN_TX_DONE
from mboxio._queue.above import ServingPump
from mboxio._queue.line import Line
from mboxio._queue.window import Window
from mboxio.driver.base_channel import BaseChannel
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.controller import Controller, Probe


class Held(Line):
    """The hardware's side of a queue. Always under the lock.

    Nothing is freed because time passed: each bit of a request's ``_holds`` waits for its proof.
    """

    def __init__(
        self,
        gate: Gate,
        controller: Controller,
        capabilities: Capabilities,
        name: str,
        pump: ServingPump,
    ) -> None:
        super().__init__(gate)
        self.controller = controller
        self.capabilities = capabilities
        self.name = name
        self.pump = pump
        self.depth = capabilities.depth
        self.credits = capabilities.reply_credits or FOREVER
        self.always_replies = capabilities.always_replies
        self.polls_tx = capabilities.tx_done is TxDone.POLL
        self.polls_events = capabilities.polls_events
        self.poll_ns, self.idle_ns = capabilities.periods_ns
        self.gap_ns = int(capabilities.min_gap_s * 1e9)
        self.reserve = 0
        self.slots_used: int = 0
        self.credits_used: int = 0
        # Credits outlive slots, so more may be held than the hardware has places for.
        self.window = Window(max(self.depth, capabilities.reply_credits or 0))
        self.tx_head = 0
        self.slots_from = 0  # no older message holds a slot; it may lag behind
        self.context: Any = None  # the driver's own
        self.probe = Probe()
        self.only_replies = False  # the thread that looks needs no news of slots
        self.stalled: str | None = None  # what has to happen before the hardware takes more
        self.not_before_ns = 0
        self.tick_ns = FOREVER

    def in_flight(self) -> list[Request]:
        """Return every request that holds something, oldest first."""
        return self.window.live()

    def conceal(self) -> None:
        """See `Window.conceal`."""
        self.window.conceal()

    def undo(self, request: Request, channel: BaseChannel) -> None:
        """Take a placement back: nothing was handed over."""
        self.slots_used -= 1
        if request._holds & HOLDS_CREDIT:
            self.credits_used -= 1
        if request._holds & HOLDS_TAG and channel.ties:
            channel.correlator.put_back(request)
        request._holds = 0
        channel.unexpect(request)
        self.window.undo(request)

    # -- handed over

    def start_clock(self, request: Request, now_ns: int) -> None:
        """The message left now: its reply is waited for from here on."""
        if request._timeout_ns != FOREVER:
            request._deadline_ns = now_ns + request._timeout_ns
            if request._deadline_ns < self.next_deadline_ns:
                self.next_deadline_ns = request._deadline_ns
        else:
            request._deadline_ns = FOREVER
        if self.polls_tx and self.tick_ns == FOREVER:
            self.tick_ns = now_ns + self.poll_ns

    def take_handed_over(self, handles: Iterable[int]) -> None:
        """The driver hands messages over that it had accepted."""
        for handle in handles:
            request = self.window.find(handle)
            if request is not None and request._handed == PENDING:
                self.left(request)

    def left(self, request: Request) -> None:
        """An accepted message was handed over."""
        channel: BaseChannel = request._owner._channel
        request._handed = HANDED_OVER
        channel.counts.sent += 1
        now_ns = self.clock.now_ns()
        if self.gap_ns:
            self.not_before_ns = now_ns + self.gap_ns
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_LEFT, channel.number, request, None, 0, now_ns)
        if request._state < DONE:
            due_ns = min(self.next_deadline_ns, self.tick_ns)
            self.start_clock(request, now_ns)
            if min(self.next_deadline_ns, self.tick_ns) < due_ns:
                self.pump.kick()  # who sleeps knows nothing of this deadline

    # -- TX done and proofs

    def take_tx_done(self, handles: Iterable[int] | int, status: int) -> None:
        """Free the slots of messages that the driver reports as TX done."""
        if isinstance(handles, int):
            self.take_oldest_done(handles, status)
            return
        self.stalled = None
        for handle in handles:
            request = self.window.find(handle)
            if request is not None:
                self.slot_done(request, status)
        if self.line or self.answers:
            self.mark_dirty()

    def take_oldest_done(self, count: int, status: int) -> None:
        """Free the slots of the ``count`` oldest messages that are not TX done."""
        self.stalled = None
        # Bounded: a count that is too high must not free the slots of messages that are sent later.
        end = min(self.tx_head + count, self.window.next_seq)
        # Their replies came first, and freed most of them.
        begin = end if self.slots_used == 0 else max(self.tx_head, self.slots_from)
        self.tx_head = end
        for seq in range(begin, end):
            request = self.window.find_seq(seq)
            if request is not None and request._holds & HOLDS_SLOT:
                self.slot_done(request, status)
        if self.line or self.answers:
            self.mark_dirty()

    def acknowledge(self, status: int) -> None:
        """The client says that the oldest message left (TX done by ACK)."""
        for request in self.in_flight():
            if request._holds & HOLDS_SLOT:
                self.take_tx_done([request.handle], status)
                return

    def slot_done(self, request: Request, status: int) -> None:
        """One message left its slot: a one-way message is over, others await their reply."""
        if not request._holds & HOLDS_SLOT:
            return
        if request._handed == PENDING and not status:
            self.left(request)  # TX done proves it
        channel: BaseChannel = request._owner._channel
        if self.gate.tap is not None:
            self.gate.tap.see(SEEN_TX_DONE, channel.number, request, None, status, 0)
        self.release(request, HOLDS_SLOT, "tx_done")
        channel.take_tx_done(request, status)

    def release(self, request: Request, holds: int, proof: str) -> None:
        """Free what ``proof`` shows the remote to be finished with."""
        freed = request._holds & holds
        if not freed:
            return
        channel: BaseChannel = request._owner._channel
        self.free(request, freed)
        if freed & HOLDS_SLOT:
            if self.stalled is not None and self.stalled == "tx_done":
                self.stalled = None
            if request._owner._attentive:
                request._owner._slot_freed(request)
        if freed & HOLDS_TAG and channel.ties:
            channel.correlator.give_back(request)
        if freed & HOLDS_MEMORY and request._lent is not None:
            self.gate.post(request._lent.give_back)  # it is user code: without the lock
            request._lent = None
        if request._state > DONE:  # it outlived its request, so `freed_by` names the proof
            channel.freed[proof] = channel.freed.get(proof, 0) + 1
            if self.gate.tap is not None:
                number = channel.number
                self.gate.tap.see(SEEN_FREED, number, request, proof.encode(), freed, 0)
        if not request._holds:
            self.window.remove(request)
        if self.line or self.answers:
            self.mark_dirty()

    def free(self, request: Request, freed: int) -> None:
        """Have places again; see `release`."""
        request._holds &= ~freed
        if freed & HOLDS_SLOT:
            self.slots_used -= 1
            if self.slots_used == 0:
                self.tick_ns = FOREVER  # no TX done is left to poll for
            if request.handle >> self.window.shift == self.slots_from:
                self.slots_from += 1
        if freed & HOLDS_CREDIT:
            self.credits_used -= 1

    def forget_all(self, proof: str) -> None:
        """Free everything held: the remote that could touch it is dead."""
        # Closing proves nothing to the remote, which may still write to memory lent to it.
        kept = HOLDS_MEMORY if proof == "close" else 0
        for request in self.in_flight():
            self.release(request, request._holds & ~kept, proof)
        self.tx_head = self.window.next_seq  # TX done by number counts the new life's only
        self.slots_from = self.tx_head
        self.stalled = None
        self.not_before_ns = 0
