"""The service thread of a pump: user code of blocking clients, and what happens unattended."""

import threading
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Thread, current_thread
from typing import Any, Protocol

from mboxio._base.clock import Parker, Waitable, Wakes, Watcher
from mboxio._base.completion import Completion
from mboxio._base.gate import complain
from mboxio._base.request import Owner
from mboxio._base.states import FOREVER
from mboxio._limits.endurance import Endurance
from mboxio._pump.pump import Pump
from mboxio._pump.sleepers import doze
from mboxio.driver.controller import LOOK


class CalledBack(Protocol):
    """A client whose user code is called."""

    _at_home: Any

    def _attend(self, change: int) -> None:
        """See `Waited._attend`."""


class Callback(Watcher):
    """User code that runs when a request is over, where its client's user code runs."""

    def __init__(self, client: CalledBack, function: Callable[[Any], object]) -> None:
        self.client = client
        self.function = function

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """See `Watcher.fire`."""
        self.client._attend(-1)  # the need ends here; from now on it is a job
        self.client._at_home.post(self.function, waitable)


class Worker:
    """Runs jobs in order, and leads the pump while there is unattended work and no thread waits.

    The thread starts at first need and is joined by the connection's `close`.
    """

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.gate = pump.gate
        self.parker = Parker()
        self.jobs: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.needs = 0
        self.stopping = False
        self.started = False
        self.leads = False
        self.seat: Seat | None = None
        self.thread: Thread | None = None
        self.completion = Completion(Owner())

    # -- under the lock

    def attend(self, change: int) -> None:
        """Count unattended work."""
        self.needs += change
        if self.needs > 0 and change > 0:
            self.ring()

    def post(self, job: Callable[..., object], *args: object) -> None:
        """Call ``job(*args)`` on the service thread."""
        self.jobs.append((job, args))
        self.ring()

    def ring(self) -> None:
        """Make the thread recheck its work, starting it if necessary."""
        if not self.started:
            if self.jobs or (self.needs > 0 and not self.stopping):
                self.started = True  # now, and not in `kick`: two rings must not start two threads
                self.gate.kick(self)
        elif not self.completion.over:
            self.completion._finish(self.gate)

    # -- without the lock

    def kick(self) -> None:
        """Start the thread; called after the lock is released.

        A signal handler may raise at any point of it, and then it is called again. Whether the
        thread of the first call will ever run cannot be known, so it finds its seat taken.
        """
        seat = Seat(self)
        self.gate.lock.acquire()
        try:
            if self.seat is not None:
                if self.seat.occupied:
                    return
                self.seat.withdraw()
            self.seat = seat
        finally:
            self.gate.lock.release()
        try:
            self.thread = self.gate.clock.spawn(
                partial(serve, seat), f"mboxio service {self.pump.life.address}"
            )
        except RuntimeError as error:
            self.started = False  # the next need tries again
            complain("%r cannot start its thread", self, error)

    def sit_down(self, seat: "Seat") -> bool:
        """Be the thread of this worker; False if another one is. Called by the thread, once."""
        self.gate.lock.acquire()
        try:
            seat.occupied = self.seat is seat
            if seat.occupied:
                self.thread = current_thread()
            return seat.occupied
        finally:
            self.gate.lock.release()

    def hold(self) -> None:
        """The connection is being finalized: the thread finds its worker here for the last time."""
        if self.seat is not None:
            self.seat.hold(self)

    def stop(self, timeout_s: float) -> None:
        """Let the thread finish its jobs and end; wait for that unless this is the thread."""
        self.gate.call(self.say_stop)
        if self.thread is not None and self.thread is not current_thread():
            self.gate.clock.join(self.thread, timeout_s)

    def say_stop(self) -> None:
        """Tell the thread to end when its jobs are done."""
        self.stopping = True
        self.ring()

    def step(self, why: str) -> bool:
        """Run a job, or lead for a turn; False: the thread ends.

        Otherwise the parker says how long to sleep, and on what.
        """
        if self.leads:
            if self.pump.lead_on(self.parker, self.completion, FOREVER, why):
                return True
            self.leads = False
            self.gate.call(self.step_down)
        self.parker.wake_ns = 0
        self.gate.lock.acquire()
        try:
            self.completion = Completion(Owner())  # each is over once
            job = self.jobs.popleft() if self.jobs else None
            if job is None:
                self.completion._add_watcher(self.parker)  # as decided: no ring between
                # False only when nothing is left to do: this thread ends then, and a callback that
                # is added later finds `started` False and starts another one.
                self.started = not self.stopping
                if not self.started and self.seat is not None:
                    self.seat.occupied = False
                if self.needs > 0 and self.started and self.pump.leader is None:
                    self.pump.leader = self.parker
                    self.leads = True
            goes_on = self.started  # read under the lock: `ring` may start a successor after it
        finally:
            self.gate.leave()
        if job is not None:
            call_user(*job)
            return True
        if not goes_on:
            return False
        if not self.leads and not self.completion.over:
            self.parker.wake_ns = FOREVER
        return True

    def step_down(self) -> None:
        """Stop leading, to run a job or because a waiter took the lead."""
        self.pump.woke(self.parker)
        if self.pump.leader is self.parker:
            self.pump.leader = None
            self.pump.listening = False
            if self.pump.loops:
                self.pump.rearm()


class Seat:
    """How the thread reaches its worker: it holds neither that nor the connection while it sleeps.

    So a connection that its program has forgotten can be finalized, and ends its thread then.
    """

    def __init__(self, worker: Worker) -> None:
        self.reference = weakref.ref(worker)
        self.clock = worker.gate.clock
        self.parker = worker.parker
        self.held: Worker | None = None
        self.occupied = False
        self.given = threading.Lock()
        self.given.acquire()

    def worker(self) -> Worker:
        """Return the worker; one that is being finalized is held by `hold` for a while."""
        worker = self.reference()
        if worker is not None:
            return worker
        with self.given:
            assert self.held is not None
            return self.held

    def hold(self, worker: Worker) -> None:
        """See `Worker.hold`."""
        self.held = worker
        self.given.release()

    def withdraw(self) -> None:
        """Another thread is to serve: one that comes for this seat has come in vain."""
        self.given.release()

    def take(self) -> bool:
        """Make the calling thread the worker's; False if it has come in vain."""
        worker = self.reference()
        if worker is None:
            with self.given:
                worker = self.held
        return worker is not None and worker.sit_down(self)


def serve(seat: Seat) -> None:
    """The thread: jobs first, then the pump, then sleep."""
    why, goes_on = LOOK, seat.take()
    endurance = Endurance()
    while goes_on:
        try:
            goes_on = seat.worker().step(why)
            why = doze(seat.clock, seat.parker) if goes_on and seat.parker.wake_ns else LOOK
        except BaseException as error:  # also sys.exit() in a driver: others are to be served
            complain("the service thread of %s goes on", seat.worker().pump.life.address, error)
            pause_s = endurance.pause_after_error_s(seat.clock.now_ns() / 1e9)
            seat.clock.park(Parker(), seat.clock.now_ns() + int(pause_s * 1e9))
            why = LOOK
    seat.held = None


def call_user(function: Callable[..., object], args: tuple[Any, ...]) -> None:
    """Call user code; what it raises is logged and hurts nobody else."""
    try:
        function(*args)
    except BaseException as error:  # also sys.exit(): other clients' callbacks come next
        complain("%r raised", function, error)
