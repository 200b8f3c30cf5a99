"""An event loop in virtual time: it looks at the pump when it is asked to, and when time is up."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base.states import FOREVER
from mboxio._pump.pump import Pump
from mboxio.driver.controller import LOOK
from mboxio.sim.clock import Timer, VirtualClock

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from mboxio._base.request import Request

__all__ = ["VirtualLoop"]


class Run(Timer):
    """The loop runs next.

    Args:
        loop: the loop.
    """

    __slots__ = ("loop",)

    def __init__(self, loop: "VirtualLoop") -> None:
        self.cancelled = False
        self.loop = loop

    def ring(self) -> None:
        """See `Timer.ring`."""
        self.loop.run()


class Deadline(Run):
    """Time is up for something that the loop looks after."""

    __slots__ = ()

    def ring(self) -> None:
        """See `Timer.ring`."""
        self.loop.on_time()


class VirtualLoop:
    """The loop's side of a pump, as `LoopPort` is for asyncio, and the home of its clients.

    There is no thread: everything happens in timers of the clock.

    Args:
        clock: the clock.
        pump: what it looks at.
    """

    def __init__(self, clock: VirtualClock, pump: Pump) -> None:
        self.loop: AbstractEventLoop  # no real one
        self.stale = False
        self.clock = clock
        self.pump = pump
        self.jobs: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.scheduled = self.poked = self.closed = False
        self.next_run = Run(self)
        self.timer: Timer | None = None
        self.timer_ns = FOREVER
        pump.gate.call(pump.loops.append, self)

    # -- under the lock

    def attend(self, change: int) -> None:
        """See `LoopPort.attend`."""
        self.prod()

    def post(self, function: Callable[..., object], *args: object) -> None:
        """See `LoopPort.post`."""
        self.jobs.append((function, args))
        self.prod()

    def poke(self) -> None:
        """See `LoopPort.poke`."""
        self.poked = True
        self.prod()

    def prod(self) -> None:
        """See that the loop runs."""
        if not self.scheduled and not self.closed:
            self.scheduled = True
            self.pump.gate.kick(self)

    def drop(self) -> None:
        """See `LoopPort.drop`. Under the lock."""
        self.closed = True
        if self in self.pump.loops:
            self.pump.loops.remove(self)

    # -- without the lock

    def kick(self) -> None:
        """Run next."""
        self.clock.schedule(self.clock.now_ns(), self.next_run)

    def run(self) -> None:
        """Do what was left for the loop."""
        self.scheduled = False
        while self.jobs:
            function, args = self.jobs.popleft()
            function(*args)
        if self.poked:
            self.poked = False
            self.look(LOOK)
        else:
            self.set_timer()

    def look(self, why: str) -> None:
        """Service the pump."""
        if self.closed:
            return
        self.pump.look_for(why)
        if self.pump.reconnect_ns != FOREVER:
            self.pump.life.try_again()
        self.set_timer()

    def set_timer(self) -> None:
        """Be there when the next deadline is due."""
        due_ns = self.pump.due_ns()
        if due_ns < self.timer_ns and not self.closed:
            if self.timer is not None:
                self.timer.cancel()
            self.timer_ns = due_ns
            self.timer = Deadline(self)
            self.clock.schedule(due_ns, self.timer)

    def on_time(self) -> None:
        """Time is up, or an earlier bound of it."""
        self.timer = None
        self.timer_ns = FOREVER
        self.look(LOOK)

    def close(self) -> None:
        """See `LoopPort.close`."""
        self.pump.gate.call(self.drop)

    def forked(self) -> None:
        """See `LoopPort.forked`: virtual time has no descriptors."""

    def future_of(self, waitable: "Request", bare: bool) -> "Future[Any]":
        """Refuse: nobody awaits anything in virtual time."""
        raise TypeError("a loop in virtual time has watchers and no futures")

    def forget(self, waitable: "Request", future: "Future[Any]") -> None:
        """See `LoopPort.forget`: there are no futures."""
