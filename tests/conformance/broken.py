"""One broken driver for each check of the conformance suite, and what the check says of it."""

import os
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from mboxio import (
    SENT,
    AddressError,
    Busy,
    Capabilities,
    Controller,
    Done,
    Outcome,
    Probe,
    RemoteError,
    expects_reply,
)
from mboxio._base.deputies import acting
from mboxio.testing import Bench
from tests.conformance.benches import bench
from tests.drivers import CountFifo, Fake, IrqFifo, Item, SendOnly

PATIENCE_S = 0.6


class Fifo(Fake):
    """What most of them would be if they were not broken."""

    capabilities = Capabilities(depth=4, matches_replies=True, message_bytes=64)


class OddName(Fifo):
    names = ("power/main",)


class HalfClosed(Fifo):
    """Closes what only a complete open has made."""

    def open(self) -> None:
        super().open()
        self.descriptors = [3]

    def close(self) -> None:
        self.descriptors.clear()


class StaysStopped(Fifo):
    """Switches the clock of the block off for ever."""

    stopped = False

    def stop(self, channel: Any) -> None:
        self.stopped = True

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        if self.stopped:
            raise RemoteError("the clock is off")
        return super().send(channel, handle, message)


class Leaks(IrqFifo):
    """Forgets to close its interrupt line."""

    kept = -1

    def close(self) -> None:
        self.kept, self.line = self.line, -1
        super().close()

    def clean_up(self) -> None:
        os.close(self.kept)


class NeverReleases(Fifo):
    """Claims the device and keeps it."""

    def __init__(self, claimed: list[Controller]) -> None:
        super().__init__()
        self.claimed = claimed

    def open(self) -> None:
        if self.claimed:
            raise AddressError("the device is busy")
        self.claimed.append(self)
        super().open()


class IgnoresEpoch(CountFifo):
    """Goes on as if it talked to the same remote."""

    def service(self, queue: Any, why: str) -> None:
        self.epoch = self.far.epoch
        super().service(queue, why)


class IgnoresDeath(CountFifo):
    """Never looks at the heartbeat."""

    def service(self, queue: Any, why: str) -> None:
        if not self.far.dead:
            super().service(queue, why)


class OddDoorbell(Fifo):
    """Leaves out an op that it does not have in its own way."""

    def ring(self, channel: Any) -> None:
        raise NotImplementedError("no doorbell")


class Swaps(Fifo):
    """Drains two registers in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.pair: list[tuple[Any, int, Any]] = []

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        self.pair.insert(0, (channel, handle, message))
        if len(self.pair) == 2:
            for each in self.pair:
                super().report_received(*each)
            self.pair.clear()


class AnswersTheLatest(Fifo):
    """Does not look at the tag."""

    def reply(self, channel: Any, handle: int, tag: int, message: bytes, status: int) -> Outcome:
        return super().reply(channel, handle, max(self.far.answered), message, status)


class DoesNotLookAgain(CountFifo):
    """Announces the sleep and sleeps."""

    def arm(self, queue: Any) -> bool:
        self.armed = True
        return False


class Blind(Probe):
    def news(self, only_replies: bool) -> bool:
        return False


class HidesNews(CountFifo):
    """Has a probe that looks at something else."""

    def open(self) -> None:
        super().open()
        self.queue.probe = Blind()


class HandsUpSlots(Fifo):
    """Does not look at the length in the slot."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        super().report_received(channel, handle, message + bytes(64))


class HandsUpWords(CountFifo):
    """Takes the register for the message."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        self.received(channel, [int.from_bytes(message[:4], "little")])  # type: ignore[list-item]


class HandsUpOne(CountFifo):
    """Takes received() for one message."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        self.received(channel, message)


class SaysDoneWithSlots(Fifo):
    """Answers at once, with all that lies there."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return Done(message + bytes(64))


class LeavesTheCause(IrqFifo):
    """Drains and does not clear the interrupt."""

    def service(self, queue: Any, why: str) -> None:
        Fake.service(self, queue, why)


class Mute(Fifo):
    """Has no interrupt and does not say that it must be polled."""

    def interrupt(self) -> None:
        pass


class OneBehind(Fifo):
    """Reads the reply register before the new reply is in it."""

    stale = b""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        message, self.stale = self.stale, message
        super().report_received(channel, handle, message)


class Boasts(CountFifo):
    """Declares more slots than there are."""

    def __init__(self) -> None:
        super().__init__(depth=CountFifo.capabilities.depth + 4)


class OneThread(Fifo):
    """Keeps a session that belongs to the thread that opened it."""

    def open(self) -> None:
        super().open()
        self.thread = acting()

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        if acting() != self.thread:
            raise RemoteError("used in another thread")
        return super().send(channel, handle, message)


class RepliesToTheLatest(Fifo):
    """Takes every reply for the answer to what was sent last."""

    latest = -1

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.latest = handle
        return super().send(channel, handle, message)

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        super().report_received(channel, self.latest, message)


class ForgetsTheAborted(Fifo):
    """Says that an aborted message is dead, and meets its reply later."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: deque[int] = deque()

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.pending.append(handle)
        return super().send(channel, handle, message)

    def abort(self, channel: Any, handle: int) -> bool:
        self.pending.remove(handle)
        return True

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        if self.pending:
            super().report_received(channel, self.pending.popleft(), message)


class CompletesTwice(Fifo):
    """Finds the same completion in two places."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        super().report_received(channel, handle, message)
        super().report_received(channel, handle, message)


class ReportsAgain(Fifo):
    """Reads a sticky status bit."""

    sticky: tuple[int, int] | None = None

    def service(self, queue: Any, why: str) -> None:
        if self.sticky is not None:
            self.report_tx_done([self.sticky])
        self.sticky = self.done[-1] if self.done else self.sticky
        super().service(queue, why)


class NeverTxDone(Fifo):
    """Relies on replies, which one-way messages do not have."""

    def report_tx_done(self, done: list[tuple[int, int]]) -> None:
        pass


class TxDoneTwice(Fifo):
    """Reports when the message is taken and when it is answered."""

    def report_tx_done(self, done: list[tuple[int, int]]) -> None:
        super().report_tx_done(done + done)


class Strips(SendOnly):
    """Treats messages as strings."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return super().send(channel, handle, message.rstrip(b"\0"))


class TxDoneAtOnce(Fifo):
    """Takes the doorbell for TX done, and writes over what nobody took."""

    def __init__(self) -> None:
        super().__init__(depth=2)

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.tx_done(self.queue, [handle])
        return super().send(channel, handle, message)


class BusyTooLate(Fifo):
    """Finds out that it is busy when the message is in the slot."""

    tries = 0

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        self.tries += 1
        if self.tries % 2 and len(self.slots) < 4:
            self.slots.append(Item(channel, handle, message))
            return Busy("event")
        return super().send(channel, handle, message)


class NothingIsNothing(Fifo):
    """Takes an empty message for none."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return super().send(channel, handle, message) if message else SENT


class Truncates(Fifo):
    """Carries less than it declares."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return super().send(channel, handle, message[:32])


class Waits(Fifo):
    """Waits in send() until the far side took the message, for a while."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        outcome = super().send(channel, handle, message)
        if expects_reply(handle) and self.far.hold:
            threading.Event().wait(0.1)
        return outcome


def of(driver: Callable[[], Fake], **more: Any) -> Callable[[], Bench]:
    """Return a factory of benches with the driver that wait no longer than needed."""
    return lambda: bench(driver(), **{"patience_s": PATIENCE_S, **more})


def leaking() -> Bench:
    driver = Leaks()
    return bench(driver, close=driver.clean_up, patience_s=PATIENCE_S)


BROKEN: dict[str, tuple[Callable[[], Bench], str]] = {
    "opens and declares sane channels": (of(OddName), "cannot stand in an address"),
    "close() copes with an open() that failed half-way": (of(HalfClosed), "AttributeError"),
    "a channel starts again after its last client left": (of(StaysStopped), "the clock is off"),
    "close() ends what is in flight and leaves nothing behind": (leaking, "descriptor .* is still"),
    "opens again after it was closed": (of(partial(NeverReleases, [])), "the device is busy"),
    "a restart ends what is pending, and the channel works again": (
        of(IgnoresEpoch),
        "a request of the old life ended with RequestTimeout",
    ),
    "a dead remote is noticed": (of(IgnoresDeath), "not RemoteGone: report link"),
    "the doorbell rings or says that there is none": (of(OddDoorbell), "NotImplementedError"),
    "notifications arrive in order": (of(Swaps), "arrived as"),
    "what the remote asks is answered, each question for itself": (
        of(AnswersTheLatest),
        "mind the tag in reply",
    ),
    "arm() notices what came after service()": (of(DoesNotLookAgain), "look again"),
    "the probe tells of what came": (of(HidesNews), "queue.probe has no news"),
    "what is handed up is bytes, no longer than declared": (
        of(HandsUpSlots),
        r"complete\(\) was given 72 bytes, and message_bytes=64 is declared",
    ),
    "descriptors are readable until the queue was serviced": (
        of(LeavesTheCause),
        "clear the cause",
    ),
    "a sleeping waiter is woken": (of(Mute), "RequestTimeout|nothing woke it"),
    "a request gets its own reply": (of(OneBehind), "got the reply b'', not"),
    "requests that fill the queue get their own replies, each once": (
        of(Boasts),
        "no request was accepted",
    ),
    "two threads get their own replies": (of(OneThread), "used in another thread"),
    "a late reply is not given to the next request": (of(RepliesToTheLatest), "got the reply"),
    "the reply of a cancelled request reaches nobody": (of(ForgetsTheAborted), "got the reply"),
    "a handle is not reported again after it is over": (of(CompletesTwice), "called twice"),
    "an extra service() changes nothing": (of(ReportsAgain), "made reports again"),
    "a one-way message is over at TX done": (of(NeverTxDone), "timed out"),
    "TX done is reported for every message, once": (of(TxDoneTwice), "reported 2 times"),
    "one-way messages arrive unchanged, in order, once": (of(Strips), "the far side got"),
    "a full queue refuses, and takes more later": (of(TxDoneAtOnce), "too early"),
    "Busy hands nothing over": (of(BusyTooLate), "a second time"),
    "an empty message is a message": (of(NothingIsNothing), "got no reply but RequestTimeout"),
    "the longest message passes, a longer one does not": (of(Truncates), "got the reply"),
    "ops return at once": (of(Waits, op_s=0.05), "ops never wait"),
}
