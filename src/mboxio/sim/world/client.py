"""A client without a thread: it asks, is told of the end, and asks again."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Protocol

from mboxio._base.clock import Waitable, Wakes, Watcher
from mboxio._base.request import Request
from mboxio._base.states import CANCELLED, DONE, TIMED_OUT
from mboxio.errors import MailboxError
from mboxio.sim.clock import Timer
from mboxio.sim.world.firmware import NUMBER_AT, NUMBER_END, Firmware
from mboxio.sim.world.load import Load
from mboxio.sim.world.loop import VirtualLoop
from mboxio.sim.world.tally import Tally

if TYPE_CHECKING:
    from mboxio.client.blocking import Client

__all__ = ["Call", "Place", "SimulatedClient"]

NUMBER_SHIFT = 8 * NUMBER_AT


class Place(Protocol):
    """The world, as a client sees it."""

    loop: VirtualLoop
    firmware: Firmware
    tally: Tally
    sent: Callable[[], None]
    """Something was submitted."""


class Call(Watcher):
    """One request, from when it was due to its end."""

    __slots__ = ("begun_ns", "client", "into", "message", "request", "too_late")

    client: "SimulatedClient"
    message: bytes
    begun_ns: int
    request: Request | None
    into: bytearray | None
    """Memory for the reply."""
    too_late: bool

    def fire(self, core: Wakes | None, waitable: Waitable) -> None:
        """It is over; see `Watcher.fire`."""
        if self.request is not None:
            self.client.over(self, self.request)

    def expire(self) -> None:
        """Its time is up, counted from the submission."""
        if self.request is not None and not self.request.over:
            self.too_late = True
            self.request.cancel()


class Expiry(Timer):
    """When the time of a call is up, counted from the submission.

    Args:
        call: the call.
    """

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.cancelled = False
        self.call = call

    def ring(self) -> None:
        """See `Timer.ring`."""
        self.call.expire()


class SimulatedClient(Timer):
    """One client of the load, which asks whenever it rings.

    Args:
        place: the world.
        load: how it behaves.
        client: the real client.
        index: its number.
        random: what it draws from.
    """

    def __init__(
        self, place: Place, load: Load, client: "Client", index: int, random: Random
    ) -> None:
        self.cancelled = self.stopped = False
        self.sent = place.sent
        self.firmware = place.firmware
        self.clock = place.loop.clock
        self.tally = place.tally
        self.submit = client.submit
        self.client = client
        self.index = index
        self.message_bytes = load.message_bytes
        self.timeout_ns = load.timeout_ns
        self.retry_ns = round(load.retry_us * 1000)
        self.from_queueing = load.deadline == "queueing"
        self.open = load.interval is not None
        self.pause_ns = (load.interval or load.think).drawn_by(random)
        self.begun = 0
        self.due_ns = 0  # of the next request of an open loop
        self.window = 1 if self.open else load.window

    def start(self) -> None:
        """Ask for the first time, each client a little later than the one before."""
        for _ in range(self.window):
            self.due_ns = self.clock.now_ns() + self.pause_ns(1) % 1_000_000 + self.index
            self.clock.schedule(self.due_ns, self)

    def ring(self) -> None:
        """Submit a request."""
        if self.stopped:
            return
        self.begun += 1
        now_ns = self.clock._now_ns
        begun_ns = now_ns
        if self.open:
            begun_ns = self.due_ns
            self.due_ns += self.pause_ns(self.begun)
            self.clock.schedule(self.due_ns, self)
        call = Call.__new__(Call)
        call.client = self
        call.begun_ns = begun_ns
        call.message = self.next_message()
        call.request = call.into = None
        call.too_late = False
        try:
            request = self.send(call)
        except MailboxError as error:
            self.refused(error)
        else:
            self.tally.accept()
            call.request = request
            self.submitted(call, request)
            if request.over:
                self.over(call, request)
            else:
                request._add_watcher(call)
                if self.from_queueing:
                    self.clock.schedule(now_ns + self.timeout_ns, Expiry(call))
        self.sent()

    def next_message(self) -> bytes:
        """Return a message with the number of the next request."""
        return (self.tally.begin() << NUMBER_SHIFT).to_bytes(self.message_bytes, "little")

    def send(self, call: Call) -> Request:
        """Hand it over."""
        return self.submit(call.message)

    def submitted(self, call: Call, request: Request) -> None:
        """A request was accepted."""

    def refused(self, error: MailboxError) -> None:
        """It was not accepted."""
        self.tally.refused[type(error).__name__] += 1
        self.again(self.clock._now_ns + self.retry_ns)

    def again(self, at_ns: int) -> None:
        """Ask again, if that has to do with how the last request ended."""
        if not self.open:
            self.clock.schedule(at_ns, self)

    def is_right(self, call: Call, request: Request) -> bool:
        """Return whether a request that is done has what it asked for."""
        reply: bytes = request._value
        return reply[NUMBER_AT:NUMBER_END] == call.message[NUMBER_AT:NUMBER_END]

    def over(self, call: Call, request: Request) -> None:
        """A request ended. Under the lock, so the next one comes later."""
        tally = self.tally
        state = request._state
        number = call.message[NUMBER_AT:NUMBER_END]
        now_ns = self.clock._now_ns
        tally.end(state)
        if state == DONE:
            tally.answer(self.index, now_ns - call.begun_ns, self.is_right(call, request))
            self.firmware.ended(number)
        elif state == TIMED_OUT or (state == CANCELLED and call.too_late):
            left = call.request is None or call.request.handed_over != "no"
            tally.timed_out += 1
            self.firmware.timed_out(number, self.timeout_ns, left)
        else:
            tally.failed += 1
            self.firmware.ended(number)
        self.again(now_ns + self.pause_ns(self.begun))
