"""An event loop's side of a pump: a descriptor of its own, one wake-up per batch, one timer."""

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any, Protocol

from mboxio._base.clock import Waitable, Wakes, Watcher
from mboxio._base.deputies import deputise, left_for_caller
from mboxio._base.gate import complain, is_foreign
from mboxio._base.native import COMPILED
from mboxio._base.request import Request
from mboxio._base.states import DONE, FOREVER
from mboxio._os.descriptors import NONE_LEFT, refuse_exhausted
from mboxio._pump.ears import Ears
from mboxio._pump.pump import Pump
from mboxio.driver.controller import EVENT, LOOK
from mboxio.errors import MailboxError


class Arrival(Watcher):
    """A future of a loop that waits for something to be over."""

    def __init__(self, port: "LoopPort", future: "asyncio.Future[Any]", bare: bool) -> None:
        self.port = port
        self.future = future
        self.bare = bare
        self.waitable: Waitable

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """Queue the delivery; one wake-up serves all that are queued."""
        self.waitable = waitable
        self.port.queue_up(self)

    def deliver(self) -> None:
        """Resolve the future, on its loop."""
        self.port.pending -= 1
        if self.future.done():
            return
        if self.bare:
            self.future.set_result(None)
        elif self.waitable._state == DONE:
            self.future.set_result(self.waitable._value)
        else:
            self.future.set_exception(self.waitable._value.fresh())


class Job:
    """User code of an async client, to run on its loop."""

    def __init__(
        self, port: "LoopPort", function: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        self.port = port
        self.function = function
        self.args = args

    def deliver(self) -> None:
        """Call it next: never inside another call of the user's."""
        if not self.port.loop.is_closed():
            self.port.loop.call_soon(self.run)

    def run(self) -> None:
        """Call it; a coroutine becomes a task that the port keeps alive."""
        try:
            outcome = self.function(*self.args)
        except Exception as error:
            if is_foreign(error):
                raise
            complain("%r raised", self.function, error)
            return
        if asyncio.iscoroutine(outcome):
            task = self.port.loop.create_task(outcome)
            self.port.tasks.add(task)
            task.add_done_callback(self.port.task_over)


class Delivery(Protocol):
    """What a port has to do on its loop."""

    def deliver(self) -> None:
        """Do it; no code of the user's."""
        ...


class LoopPort:
    """The registration of one event loop at one pump."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pump: Pump) -> None:
        self.loop = loop
        self.pump = pump
        self.gate = pump.gate
        self.thread_id = get_ident()
        self.queue: deque[Delivery] = deque()
        self.scheduled = False  # a wake-up is on its way: the next item needs none
        self.delivering = False  # on this loop's stack: a nested kick only leaves its flag
        self.poked = False  # the pump wants to be looked at, apart from what is queued
        self.stale = True  # the descriptors changed and have to be registered again
        self.closed = False
        self.needs = 0
        self.pending = 0
        me = weakref.ref(self)
        self.ears = Ears(loop, partial(_look, me, EVENT), partial(_look, me, LOOK))
        self.timer: asyncio.TimerHandle | None = None
        self.timer_ns = FOREVER
        self.tasks: set[asyncio.Task[Any]] = set()

    # -- under the lock

    def attend(self, change: int) -> None:
        """Count what this loop looks after."""
        self.needs += change
        self.prod()

    def post(self, function: Callable[..., object], *args: object) -> None:
        """Call user code on the loop."""
        self.queue_up(Job(self, function, args))

    def queue_up(self, item: Delivery) -> None:
        """Add a delivery and see that the loop wakes, once."""
        self.queue.append(item)
        self.prod()

    def poke(self) -> None:
        """See that the loop looks at the pump."""
        self.poked = True
        self.prod()

    def prod(self) -> None:
        """See that the loop looks at its port."""
        if not self.scheduled and not self.closed:
            self.scheduled = True
            self.gate.kick(self)

    # -- without the lock

    def kick(self) -> None:
        """Wake the loop; on the loop's own thread deliver at once."""
        if get_ident() == self.thread_id and asyncio._get_running_loop() is self.loop:
            if not self.delivering:
                self.deliver()
            return  # the delivery under way sees the flag
        if left_for_caller(self.kick):
            return
        try:
            self.loop.call_soon_threadsafe(self.deliver)
        except RuntimeError:
            self.gate.call(self.drop)  # the loop was closed with requests pending

    def deliver(self) -> None:
        """Resolve futures and schedule user code, in the order decided. On the loop."""
        self.delivering = True
        try:
            while self.scheduled:  # set again by what is delivered here, and by other threads
                self.scheduled = False  # before the queue is emptied: what comes after sets it
                while self.queue:
                    self.queue.popleft().deliver()
                if self.stale and not self.closed:
                    self.register_or_complain()  # which ends with a look
                elif self.poked:
                    self.poked = False
                    self.look(LOOK)
        finally:
            self.delivering = False
            if not self.closed:
                self.set_timer()

    def register(self) -> None:
        """Watch the pump's descriptors of now, each as a private copy. On the loop."""
        self.stale = False
        self.ears.close()
        for descriptor in self.pump.descriptors:
            try:
                self.ears.add(descriptor)
            except OSError as error:
                self.stale = error.errno in NONE_LEFT  # the next verb tries again
                refuse_exhausted(error, self.pump.life.address)
                # It has been closed; its successor makes the port stale again.
        self.look(LOOK)  # nothing that came before the registration may be missed

    def register_or_complain(self) -> None:
        """Register where no caller can get the error: deadlines still hold. On the loop."""
        try:
            self.register()
        except MailboxError as error:
            complain("%r cannot watch its descriptors", self, error)

    def look(self, why: str) -> None:
        """The source fired or time passed: service the pump. On the loop."""
        if self.gate.forked or self.closed:
            return
        try:
            deaf_ns = self.pump.look_for(why)
            if deaf_ns and not self.closed:
                self.ears.rest(deaf_ns)
            if self.pump.reconnect_ns != FOREVER:
                self.pump.life.try_again()
        finally:
            self.set_timer()

    def set_timer(self) -> None:
        """Be woken when the next deadline of the pump is due. On the loop."""
        if self.pending == 0 and self.needs == 0:
            return  # nothing of this loop's can become due: let it be idle
        due_ns = self.pump.due_ns()
        if due_ns < self.timer_ns:  # a timer that is too early only looks, so it is left alone
            if self.timer is not None:
                self.timer.cancel()
            self.timer_ns = due_ns
            wait_s = max(0.0, (due_ns - self.gate.clock.now_ns()) / 1e9)
            self.timer = self.loop.call_later(wait_s, _on_timer, weakref.ref(self))

    def on_timer(self) -> None:
        """The timer fired."""
        self.timer = None
        self.timer_ns = FOREVER
        self.look(LOOK)

    def future_of(self, waitable: Request, bare: bool) -> "asyncio.Future[Any]":
        """Return a future that resolves when ``waitable`` is over. On the loop."""
        future: asyncio.Future[Any] = self.loop.create_future()
        arrival = Arrival(self, future, bare)
        if not bare:  # `Request.__await__` gives up its own future
            future.add_done_callback(partial(self.forget, waitable))
        self.pending += 1  # before `expect`, whose arrival may count down at once
        self.expect(arrival, waitable)
        if self.stale:
            try:
                self.register()
            except MailboxError:
                self.forget(waitable, future)
                raise
        self.set_timer()
        return future

    def expect(self, arrival: Arrival, waitable: Request) -> None:
        """See `await_arrival`. Takes the lock."""
        self.gate.enter()
        try:
            self.await_arrival(arrival, waitable)
        finally:
            self.gate.leave()

    def await_arrival(self, arrival: Arrival, waitable: Request) -> None:
        """Look once, then tell the arrival when it is over. Under the lock.

        If other futures wait already, the descriptors are armed and report news on their own.
        """
        if not waitable.over and (self.pending == 1 or self.stale):
            self.pump.look_now(self.gate.clock.now_ns())
        if waitable.over:
            arrival.fire(self.gate, waitable)
        else:
            waitable._add_watcher(arrival)

    def forget(self, waitable: Request, future: "asyncio.Future[Any]") -> None:
        """This future has no waiter any more."""
        self.gate.call(self.drop_arrival, waitable, future)

    def drop_arrival(self, waitable: Request, future: "asyncio.Future[Any]") -> None:
        """Take the watcher of a future away, if it is still there. Under the lock."""
        for watcher in waitable._watchers or ():
            if isinstance(watcher, Arrival) and watcher.future is future:
                waitable._drop_watcher(watcher)
                self.pending -= 1
                return

    def forked(self) -> None:
        """In a forked child: close the copies, and leave the parent's loop alone."""
        self.ears.close(inherited=True)

    def task_over(self, task: "asyncio.Task[Any]") -> None:
        """Report what a coroutine handler raised."""
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            complain("%r raised", task, task.exception())

    def close(self) -> None:
        """Stop serving this loop; from any thread."""
        self.gate.call(self.drop)
        if not self.loop.is_running() or asyncio._get_running_loop() is self.loop:
            self.shut()
        else:
            try:
                self.loop.call_soon_threadsafe(self.shut)
            except RuntimeError:
                self.shut()

    def shut(self) -> None:
        """Give back reader, timer and copies of descriptors. On the loop, or after its end."""
        while self.queue:
            self.queue.popleft().deliver()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.ears.close()

    def drop(self) -> None:
        """Forget the loop. Under the lock."""
        self.closed = True
        if self in self.pump.loops:
            self.pump.loops.remove(self)
        if self.loop.is_closed():
            self.queue.clear()  # nothing runs there any more
            self.ears.close()


if not COMPILED:
    deputise(LoopPort, "expect")


# An event loop keeps what it calls: a connection that is forgotten must be able to go.


def _look(port: "weakref.ref[Any]", why: str) -> None:
    found = port()
    if found is not None:
        found.look(why)


def _on_timer(port: "weakref.ref[Any]") -> None:
    found = port()
    if found is not None:
        found.on_timer()


def forget(pump: Pump, waitable: Request, future: "asyncio.Future[Any]") -> None:
    """Give up a bare future, at the port of the loop that made it: another loop may run by now."""
    loop = future.get_loop()
    for port in pump.loops:
        if port.loop is loop:
            port.forget(waitable, future)
