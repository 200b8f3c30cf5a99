"""Small drivers for hardware that does not exist: one for each way that mailboxes work.

Every driver has a far side, ``driver.far``, that a test can hold, step and make to speak. The far
side is a function called where the doorbell rings, so nothing happens behind a test's back, except
where a driver says that it has a thread.
"""

import contextlib
import dataclasses
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from mboxio import (
    SENT,
    Busy,
    Capabilities,
    Controller,
    Correlator,
    InOrder,
    Outcome,
    RemoteGone,
    RemoteRequest,
    Tagged,
    TxDone,
    expects_reply,
)
from mboxio.testing import echo

ASKS = 1 << 31
Answered = Callable[[bytes, int], object]


@dataclass(frozen=True)
class Item:
    """A message in a slot."""

    channel: Any
    handle: int
    message: bytes


class Far:
    """The remote: it takes messages from the slots, answers them, and speaks on its own.

    Args:
        hardware: the driver whose slots and registers it works on.
        firmware: what it answers to a message that wants a reply; None for silence.
    """

    def __init__(self, hardware: "Fake", firmware: Callable[[bytes], bytes | None] = echo) -> None:
        self.hardware = hardware
        self.firmware = firmware
        self.hold = False
        self.dead = False
        self.epoch = 1
        self.taken: list[Item] = []
        self.answered: dict[int, Answered] = {}
        self.asked = 0
        self.working = threading.RLock()

    # -- step by step, for tests that hold it

    def take(self) -> Item:
        """Take the oldest message out of its slot."""
        item = self.hardware.slots.popleft()
        self.taken.append(item)
        return item

    def tx_done(self, item: Item, status: int = 0) -> None:
        """Say that the slot is free."""
        self.hardware.done.append((item.handle, status))
        self.hardware.interrupt()

    def reply(self, item: Item, message: bytes) -> None:
        """Answer a message."""
        self.hardware.rx.append((item.channel, item.handle, message))
        self.hardware.interrupt()

    # -- by itself

    def run(self) -> None:
        """The firmware's main loop: take and answer whatever lies there."""
        with self.working:
            while self.hardware.slots and not self.hold and not self.dead:
                item = self.take()
                self.hardware.done.append((item.handle, 0))
                if self.is_answer(item):
                    continue
                answer = self.firmware(item.message) if expects_reply(item.handle) else None
                if answer is not None:
                    self.hardware.rx.append((item.channel, item.handle, answer))
        self.hardware.interrupt()

    def is_answer(self, item: Item) -> bool:
        """Tell an in-band answer to a question of ours, and take it."""
        correlator = item.channel.correlator
        if not isinstance(correlator, Tagged) or not correlator.ties:
            return False
        word = int.from_bytes(item.message[:4], "little")
        if not word & ASKS:
            return False
        self.answered.pop(word & ~ASKS)(bytes(4) + item.message[4:], 0)
        return True

    def stall(self) -> None:
        """Leave everything where it is."""
        self.hold = True

    def resume(self) -> None:
        """Go on."""
        self.hold = False
        self.hardware.doorbell()

    def notify(self, channel: int, message: bytes) -> None:
        """Send an unsolicited message."""
        self.hardware.rx.append((self.hardware.channels[channel], -1, message))
        self.hardware.interrupt()

    def ask(self, channel: int, message: bytes, answered: Answered) -> None:
        """Ask the host."""
        self.asked += 1
        self.answered[self.asked] = answered
        to = self.hardware.channels[channel]
        question: Any = RemoteRequest(self.asked, message)
        if to.ties:
            question = to.correlator.stamp_reply(message, self.asked)
        self.hardware.rx.append((to, -1, question))
        self.hardware.interrupt()

    def restart(self) -> None:
        """Lose everything and start a new life."""
        with self.working:
            self.hardware.slots.clear()
            self.hardware.done.clear()
            self.hardware.rx.clear()
            self.hold = False
            self.epoch += 1
        self.hardware.interrupt()

    def kill(self) -> None:
        """Die."""
        self.dead = True
        self.hardware.interrupt()


class Fake(Controller):
    """A driver over slots, a list of TX done and a list of received messages.

    Args:
        correlator: makes the correlator of each channel.
        firmware: see `Far`.
        changes: capabilities that are to differ.
    """

    capabilities: ClassVar[Capabilities]
    names: ClassVar[tuple[str, ...]] = ("0",)
    can_send = True
    can_receive = True
    counts = False  # the hardware tells how many messages left, not which

    def __init__(
        self,
        *,
        correlator: Callable[[], Correlator] | None = None,
        firmware: Callable[[bytes], bytes | None] = echo,
        **changes: Any,
    ) -> None:
        self.declared = dataclasses.replace(self.capabilities, **changes)
        self.correlator = correlator
        self.channels: list[Any] = []
        self.slots: deque[Item] = deque()
        self.done: deque[tuple[int, int]] = deque()
        self.rx: deque[tuple[Any, int, Any]] = deque()
        self.epoch = 1
        self.far = Far(self, firmware)

    # -- ops

    def open(self) -> None:
        """Declare one queue and the channels on it."""
        self.queue = self.add_queue(self.declared)
        for name in self.names:
            self.channels.append(
                self.add_channel(
                    name,
                    self.queue,
                    correlator=self.correlator() if self.correlator else None,
                    can_send=self.can_send,
                    can_receive=self.can_receive,
                )
            )
        if self.declared.epoch_source:
            self.link(True, self.epoch)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        """Fill a slot and ring."""
        if self.far.dead:
            raise RemoteGone("the heartbeat stopped")
        if len(self.slots) >= self.capabilities.depth:
            return Busy("event")
        self.slots.append(Item(channel, handle, message))
        self.doorbell()
        return SENT

    def reply(self, channel: Any, handle: int, tag: int, message: bytes, status: int) -> Outcome:
        """Answer the remote where the wire has a field for its tag."""
        self.tx_done(self.queue, [handle])
        self.far.answered.pop(tag)(message, status)
        return SENT

    def service(self, queue: Any, why: str) -> None:
        """Look at the epoch, then report TX done, then drain RX."""
        if self.far.dead:
            self.link(False, -1, "the heartbeat stopped")
            return
        if self.epoch != self.far.epoch:
            self.epoch = self.far.epoch
            self.link(True, self.epoch, "the epoch word changed")
        done = [self.done.popleft() for _ in range(len(self.done))]
        if done:
            self.report_tx_done(done)
        for _ in range(len(self.rx)):
            self.report_received(*self.rx.popleft())

    def arm(self, queue: Any) -> bool:
        """Look again."""
        return bool(self.done or self.rx or self.epoch != self.far.epoch)

    # -- what the kinds of hardware differ in

    def doorbell(self) -> None:
        """Have the far side look."""
        self.far.run()

    def interrupt(self) -> None:
        """Have this side look."""
        self.event()

    def report_tx_done(self, done: list[tuple[int, int]]) -> None:
        """Report by handles, or how many."""
        if self.counts:
            self.tx_done(self.queue, len(done))
            return
        for handle, status in done:
            self.tx_done(self.queue, [handle], status)

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        """Report a reply by its handle where the hardware knows it, else a message."""
        if self.declared.matches_replies and handle >= 0:
            self.complete(channel, handle, 0, message)
        else:
            self.received(channel, [message])


class RegisterMailbox(Fake):
    """One register of 4 bytes and a status flag, both polled: the smallest mailbox there is."""

    capabilities = Capabilities(
        depth=1, tx_done=TxDone.POLL, message_bytes=4, poll_s=0.001, polls_events=True
    )

    def interrupt(self) -> None:
        """There is no interrupt: the flag in the status register has to be read."""


class IrqFifo(Fake):
    """Four descriptors; the hardware says by interrupt which are done. The far side is a thread."""

    capabilities = Capabilities(depth=4, matches_replies=True, epoch_source="a word in its memory")

    line = -1
    firmware: threading.Thread | None = None

    def open(self) -> None:
        """Declare, open the interrupt line, and start the other processor."""
        super().open()
        self.line = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.watch(self.line)
        self.bell: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.firmware = threading.Thread(target=self.main_loop, name="firmware", daemon=True)
        self.firmware.start()

    def close(self) -> None:
        """Stop the other processor and close the line."""
        if self.firmware is not None:
            self.bell.put(False)
            self.firmware.join()
        if self.line >= 0:
            os.close(self.line)
            self.line = -1

    def main_loop(self) -> None:
        """The other processor."""
        while self.bell.get():
            self.far.run()

    def doorbell(self) -> None:
        """Wake the other processor."""
        self.bell.put(True)

    def interrupt(self) -> None:
        """Raise the line."""
        if self.line >= 0:
            os.eventfd_write(self.line, 1)

    def service(self, queue: Any, why: str) -> None:
        """Clear the cause, then drain."""
        with contextlib.suppress(BlockingIOError):  # somebody only looks
            os.eventfd_read(self.line)
        super().service(queue, why)


class CountFifo(Fake):
    """A ring: TX done is how far the consumer's index moved, and doorbells can be suppressed."""

    capabilities = Capabilities(depth=8, message_bytes=64, epoch_source="a word in its header")
    counts = True
    armed = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"correlator": lambda: Tagged(bits=4), **options})

    def interrupt(self) -> None:
        """Ring only if the host said that it would sleep."""
        if self.armed or self.far.dead:
            self.armed = False
            self.event()

    def service(self, queue: Any, why: str) -> None:
        """Awake now."""
        self.armed = False
        super().service(queue, why)

    def arm(self, queue: Any) -> bool:
        """Announce the sleep, then look again."""
        self.armed = True
        return super().arm(queue)


class AckMailbox(Fake):
    """One place, and nothing tells that it is free: the reply does, or the client knows."""

    capabilities = Capabilities(depth=1, tx_done=TxDone.ACK, message_bytes=32)

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"correlator": lambda: InOrder(8), **options})

    def report_tx_done(self, done: list[tuple[int, int]]) -> None:
        """The hardware does not tell."""


class SharedFifo(Fake):
    """Three channels on one queue, tags in the first word, and the remote asks in-band."""

    capabilities = Capabilities(depth=6, message_bytes=128)
    names = ("power", "clock", "thermal")

    def __init__(self, **options: Any) -> None:
        tagged = {"correlator": lambda: Tagged(bits=8, request_bit=31)}
        super().__init__(**{**tagged, **options})


class InOrderPipe(Fake):
    """A stream: replies come in order, without tags, and the remote has room for two of them."""

    capabilities = Capabilities(depth=4, reply_credits=2, replies_in_order=True, message_bytes=256)
    counts = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"correlator": InOrder, **options})


class SendOnly(Fake):
    """A doorbell register that only goes out."""

    capabilities = Capabilities(depth=2, message_bytes=16)
    can_receive = False


class ListenOnly(Fake):
    """A log stream of the remote."""

    capabilities = Capabilities(depth=1, message_bytes=80)
    can_send = False
