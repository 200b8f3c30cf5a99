"""A client without a thread: it asks, is told of the end, and asks again."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Protocol

from mboxio._base.clock import Waitable, Wakes, Watcher
from mboxio._base.request import Request
from mboxio._base.states import CANCELLED, DONE, TIMED_OUT
from mboxio.errors import MailboxError
from mboxio.sim.world.firmware import NUMBER, Firmware
from mboxio.sim.world.load import HEADER_BYTES, Load
from mboxio.sim.world.loop import VirtualLoop
from mboxio.sim.world.tally import Tally

if TYPE_CHECKING:
    from mboxio.client.blocking import Client

__all__ = ["Call", "Place", "SimulatedClient"]


class Place(Protocol):
    """The world, as a client sees it."""

    loop: VirtualLoop
    firmware: Firmware
    tally: Tally
    sent: Callable[[], None]
    """Something was submitted."""
    stopped: bool
    """No request is begun any more."""


class Call(Watcher):
    """One request, from when it was due to its end."""

    __slots__ = ("begun_ns", "client", "number", "request", "too_late")

    def __init__(self, client: "SimulatedClient", number: bytes, begun_ns: int) -> None:
        self.client = client
        self.number = number
        self.begun_ns = begun_ns
        self.request: Request | None = None
        self.too_late = False

    def fire(self, core: Wakes | None, waitable: Waitable) -> None:
        """It is over; see `Watcher.fire`."""
        self.client.over(self, waitable)

    def expire(self) -> None:
        """Its time is up, counted from the submission."""
        if self.request is not None and not self.request.over:
            self.too_late = True
            self.request.cancel()


class SimulatedClient:
    """One client of the load.

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
        self.place = place
        self.client = client
        self.index = index
        self.clock = place.loop.clock
        self.tally = place.tally
        self.padding = bytes(load.message_bytes - HEADER_BYTES)
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
            self.clock.call_at(self.due_ns, self.ask)

    def ask(self) -> None:
        """Submit a request."""
        if self.place.stopped:
            return
        self.begun += 1
        now_ns = self.clock.now_ns()
        begun_ns = now_ns
        if self.open:
            begun_ns = self.due_ns
            self.due_ns += self.pause_ns(self.begun)
            self.clock.call_at(self.due_ns, self.ask)
        number = self.tally.begin(begun_ns)
        call = Call(self, number, begun_ns)
        try:
            request = self.client.submit(b"\0\0\0\0" + number + self.padding)
        except MailboxError as error:
            self.refused(number, begun_ns, error)
        else:
            self.tally.live += 1
            if self.tally.live > self.tally.live_max:
                self.tally.live_max = self.tally.live
            call.request = request
            self.submitted(call, request)
            if request.over:
                self.over(call, request)
            else:
                request._add_watcher(call)
                if self.from_queueing:
                    self.clock.call_at(now_ns + self.timeout_ns, call.expire)
        self.place.sent()

    def submitted(self, call: Call, request: Request) -> None:
        """A request was accepted."""

    def refused(self, number: bytes, begun_ns: int, error: MailboxError) -> None:
        """It was not accepted."""
        self.tally.refuse(begun_ns, error)
        if not self.open:
            self.clock.call_at(self.clock.now_ns() + self.retry_ns, self.ask)

    def over(self, call: Call, request: Waitable) -> None:
        """A request ended. Under the lock, so the next one comes later."""
        self.tally.live -= 1
        now_ns = self.clock.now_ns()
        state = request._state
        if state == DONE:
            right = request._value[NUMBER] == call.number
            self.tally.end(self.index, call.begun_ns, now_ns, right)
            self.place.firmware.ended(call.number)
        elif state == TIMED_OUT or (state == CANCELLED and call.too_late):
            left = call.request is None or call.request.handed_over != "no"
            self.tally.time_out(call.begun_ns)
            self.place.firmware.timed_out(call.number, self.timeout_ns, left)
        else:
            self.tally.fail(call.begun_ns, request)
            self.place.firmware.ended(call.number)
        if not self.open:
            self.clock.call_at(now_ns + self.pause_ns(self.begun), self.ask)
