"""The service thread of a pump: user code of blocking clients, and what happens unattended."""

from collections import deque
from collections.abc import Callable
from threading import Thread, current_thread
from typing import Any

from mboxio.bell import Bell
from mboxio.clock import Parker, Watcher
from mboxio.gate import Gate, complain
from mboxio.pump import Pump
from mboxio.request import Owner
from mboxio.states import FOREVER


class Callback(Watcher):
    """User code that runs when a request is over, where its client's user code runs."""

    def __init__(self, client: Any, function: Callable[[Any], object]) -> None:
        self.client = client
        self.function = function

    def fire(self, core: Any, waitable: Any) -> None:
        """See `Watcher.fire`."""
        self.client.attend(-1)
        self.client.at_home.post(self.function, waitable)


class Worker:
    """Runs jobs in order, and leads the pump while there is unattended work and nobody waits.

    The thread starts at first need and is joined by the connection's `close`.
    """

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.gate: Gate = pump.gate
        self.parker = Parker()
        self.jobs: deque[tuple[Any, tuple[Any, ...]]] = deque()
        self.needs = 0
        self.stopping = False
        self.started = False
        self.thread: Thread | None = None
        self.bell = Bell(Owner())

    # -- under the lock

    def attend(self, change: int) -> None:
        """Count unattended work."""
        self.needs += change
        if self.needs > 0 and change > 0:
            self.ring()

    def post(self, job: Any, *args: Any) -> None:
        """Have ``job(*args)`` called on the service thread."""
        self.jobs.append((job, args))
        self.ring()

    def ring(self) -> None:
        """Have the thread look at its work again; start it if need be."""
        if not self.started:
            if self.jobs or (self.needs > 0 and not self.stopping):
                self.started = True
                self.gate.kick(self)
        elif not self.bell.over:
            self.bell.finish(self.gate)

    # -- without the lock

    def kick(self) -> None:
        """Start the thread; called after the lock is released."""
        try:
            self.thread = self.gate.clock.spawn(
                self.run, f"mboxio service {self.pump.host.address}"
            )
        except RuntimeError as error:
            self.started = False  # the next need tries again
            complain("%r cannot start its thread", self, error)

    def stop(self, timeout_s: float) -> None:
        """Let the thread finish its jobs and end; wait for that unless this is the thread."""
        self.gate.call(self.say_stop)
        if self.thread is not None and self.thread is not current_thread():
            self.gate.clock.join(self.thread, timeout_s)

    def say_stop(self) -> None:
        """Tell the thread to end when its jobs are done."""
        self.stopping = True
        self.ring()

    def run(self) -> None:
        """The thread: jobs first, then the pump, then sleep."""
        while True:
            self.gate.lock.acquire()
            try:
                self.bell = Bell(Owner())
                job = self.jobs.popleft() if self.jobs else None
                leads = (
                    job is None
                    and not self.stopping
                    and self.needs > 0
                    and self.pump.leader is None
                )
                if leads:
                    self.pump.leader = self.parker
                if job is None:
                    self.bell.add_watcher(self.parker)
                    # A callback that is added after the end starts another thread.
                    self.started = not self.stopping
            finally:
                self.gate.leave()
            if job is not None:
                call_user(*job)
            elif self.stopping:
                return
            elif leads:
                self.pump.lead(self.parker, self.bell, FOREVER)
                self.gate.call(self.step_down)
            else:
                while not self.bell.over:
                    self.gate.clock.park(self.parker, FOREVER)

    def step_down(self) -> None:
        """Stop leading, to run a job or because a waiter took the lead."""
        self.pump.woke(self.parker)
        if self.pump.leader is self.parker:
            self.pump.leader = None
            self.pump.listening = False
            if self.pump.loops:
                self.pump.rearm()


def call_user(function: Any, args: tuple[Any, ...]) -> None:
    """Call user code; what it raises is logged and hurts nobody else."""
    try:
        function(*args)
    except BaseException as error:  # also sys.exit(): other clients' callbacks come next
        complain("%r raised", function, error)
