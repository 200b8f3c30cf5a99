"""An event loop's side of a pump whose accesses take long: the loop itself never waits for one.

The service thread serves the pump, and what a verb has to do under the lock is done on an I/O
thread of the loop's port. Only results come back to the loop.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import current_thread
from typing import Any, TypeVar

from mboxio._base.clock import Waitable, Wakes
from mboxio._base.gate import complain
from mboxio._base.request import Request
from mboxio._pump.loops import Arrival, LoopPort
from mboxio._pump.pump import Pump

T = TypeVar("T")


class DistantArrival(Arrival):
    """A future whose arrival the service thread looks after."""

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """See `Arrival.fire`."""
        self.port.pump.worker.attend(-1)
        super().fire(core, waitable)


class DistantPort(LoopPort):
    """The registration of one event loop at a pump whose accesses take long."""

    needs: int

    def __init__(self, loop: asyncio.AbstractEventLoop, pump: Pump) -> None:
        super().__init__(loop, pump)
        # One thread, so that verbs reach the hardware in the order in which they were called.
        self.executor = ThreadPoolExecutor(1, f"mboxio I/O {pump.life.address}")

    # -- what may take long; from the loop

    async def away(self, function: Callable[..., T], *args: object) -> T:
        """Return ``function(*args)``, called on the I/O thread after what was handed there before.

        Cancelling this leaves a call alone that has begun.
        """
        handed = self.hand(function, *args)
        if handed is None:
            return function(*args)  # nothing is accessed any more, and errors say why
        return await asyncio.wrap_future(handed)

    def post_away(self, function: Callable[..., object], *args: object) -> None:
        """Call ``function(*args)`` on the I/O thread, without waiting."""
        if self.hand(_call, function, args) is None:
            function(*args)

    def hand(self, function: Callable[..., T], *args: object) -> "Future[T] | None":
        """Give a call to the I/O thread; None if there is none: closed, or a forked child."""
        if self.closed or self.gate.forked:
            return None
        try:
            return self.executor.submit(function, *args)
        except RuntimeError:
            return None  # it was closed just now

    def future_of(self, waitable: Request, bare: bool) -> "asyncio.Future[Any]":
        """See `LoopPort.future_of`."""
        future: asyncio.Future[Any] = self.loop.create_future()
        self.post_away(
            self.gate.call, self.await_arrival, DistantArrival(self, future, bare), waitable
        )
        if not bare:
            future.add_done_callback(lambda done: self.drop_cancelled(waitable, done))
        return future

    def drop_cancelled(self, waitable: Request, future: "asyncio.Future[Any]") -> None:
        """Forget a future that is not awaited any more."""
        if future.cancelled():
            self.forget(waitable, future)

    def forget(self, waitable: Request, future: "asyncio.Future[Any]") -> None:
        """See `LoopPort.forget`."""
        self.post_away(super().forget, waitable, future)

    def register(self) -> None:
        """See `LoopPort.register`: it is the service thread that sleeps on the descriptors."""
        self.stale = False

    def look(self, why: str) -> None:
        """See `LoopPort.look`: it is the service thread that looks."""

    def set_timer(self) -> None:
        """See `LoopPort.set_timer`: it is the service thread that minds the time."""

    # -- under the lock

    def attend(self, change: int) -> None:
        """See `LoopPort.attend`: the service thread does."""
        if not self.closed:
            self.needs += change
            self.pump.worker.attend(change)

    def poke(self) -> None:
        """See `LoopPort.poke`: the service thread is told as well."""

    def await_arrival(self, arrival: Arrival, waitable: Request) -> None:
        """See `LoopPort.await_arrival`."""
        self.pump.worker.attend(1)
        if waitable.over:
            arrival.fire(self.gate, waitable)
        else:
            waitable._add_watcher(arrival)

    def drop_arrival(self, waitable: Request, future: "asyncio.Future[Any]") -> None:
        """See `LoopPort.drop_arrival`."""
        for watcher in waitable._watchers or ():
            if isinstance(watcher, DistantArrival) and watcher.future is future:
                waitable._drop_watcher(watcher)
                self.pump.worker.attend(-1)
                return

    def drop(self) -> None:
        """See `LoopPort.drop`."""
        if not self.closed:
            self.pump.worker.attend(-self.needs)
            self.executor.shutdown(wait=False)
        super().drop()

    # -- the end

    def close(self) -> None:
        """See `LoopPort.close`; the I/O thread has ended then, unless it is the caller."""
        super().close()
        if current_thread() not in self.executor._threads:
            self.executor.shutdown()


def _call(function: Callable[..., object], args: tuple[Any, ...]) -> None:
    try:
        function(*args)
    except Exception as error:
        complain("%r raised", function, error)
