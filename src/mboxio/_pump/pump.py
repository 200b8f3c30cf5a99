"""A pump turns events into progress, on the thread that waits; the theory is in `mboxio._pump`."""

from collections import deque

from mboxio._base.clock import Parker
from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.request import Request
from mboxio._base.states import FOREVER
from mboxio._base.tap import SEEN_SLEEPING
from mboxio._pump.sleepers import doze
from mboxio._pump.spinner import Spinner
from mboxio._queue.above import Living
from mboxio.driver.controller import EVENT, LOOK, Controller

UNSEEN = ""
"""Why the source is served where a wait begins with the sleep: it is not, this once."""


class Pump(Spinner):
    """The wait source of a controller and who serves it.

    Args:
        life: of the remote, which is looked for where nobody else has time for it.
        controller: the driver whose ``service`` and ``arm`` it calls.
    """

    def __init__(self, life: Living, controller: Controller) -> None:
        super().__init__(life, controller)
        self.leader: Parker | None = None
        self.parked: deque[Parker] = deque()

    # -- waiting

    def wait(self, waitable: Request, until_ns: int) -> bool:
        """Wait until ``waitable`` is over, driving the source if no other thread does.

        Returns:
            True if it is over, False if the clock shows ``until_ns``.
        """
        self.gate.may_wait()
        return self.drive(waitable, until_ns)

    def drive(self, waitable: Request, until_ns: int, now_ns: int = 0) -> bool:
        """As `wait`, for a caller that has asked whether it may.

        Args:
            now_ns: the time, where the caller has just read it.
        """
        sleeps = self.sleeps_at_once(waitable)
        if not sleeps and self.spin(waitable, until_ns):
            return True
        parker = Parker()
        try:
            self.gate.enter()
            try:
                if not waitable.over:
                    parker.now_ns = now_ns
                    waitable._add_watcher(parker)
                    self.take_lead(parker)
            finally:
                self.gate.leave()
            while not waitable.over and (until_ns == FOREVER or self.clock.now_ns() < until_ns):
                if self.leader is parker:
                    self.lead(parker, waitable, until_ns, UNSEEN if sleeps else LOOK)
                    sleeps = False
                else:
                    parker.now_ns = 0  # for time passes now
                    self.clock.check_signals()
                    self.stand_by(parker, waitable, until_ns)
        finally:
            # However the wait ended: a leader that goes without an heir leaves the others asleep.
            self.gate.call_surely(self.step_down, parker, waitable)
        if not waitable.over:
            self.look()  # the last one: the reply may lie there while the leader is busy elsewhere
        return bool(waitable.over)

    def sleeps_at_once(self, waitable: Request) -> bool:
        """Return whether a wait begins with the sleep, which ends if something is there already.

        Where a look is a system call too, one before the sleep would be in vain. It is made where
        it may let a message out that stands in line.
        """
        if self.look_first or not self.descriptors:
            return False
        for queue in self.queues:
            if queue.line or queue.answers or queue.stalled is not None:
                return False
        return True

    def stand_by(self, parker: Parker, waitable: Request, until_ns: int) -> None:
        """Sleep while another thread leads; mind the deadline of one's own request all the same.

        The leader's thread may be busy with something else, in a signal handler say.
        """
        due_ns = min(until_ns, waitable._deadline_ns)
        self.clock.park(parker, due_ns)
        if not waitable.over and due_ns <= self.clock.now_ns() and self.leader is not parker:
            self.look()

    def take_lead(self, parker: Parker) -> None:
        """Lead, unless another waiter does: then stand in line. Under the lock."""
        worker = self.worker
        if self.leader is None or self.interrupts(parker, self.leader):
            self.leader = parker
        elif self.leader is worker.parker:
            self.leader = parker
            worker.ring()  # it wakes, finds itself relieved, and has its hands free for jobs
        else:
            self.parked.append(parker)

    def interrupts(self, parker: Parker, leader: Parker) -> bool:
        """Return whether a leader waits below on the caller's own stack, interrupted by a handler.

        It cannot go on before the caller does, which takes its place until then. A caller also
        takes the place of a waiter in line below it.
        """
        # The service thread's parker was made by the thread that connected, and has its number.
        if leader.thread_id == parker.thread_id and leader is not self.worker.parker:
            parker.below = leader
            return True
        for waiting in self.parked:
            if waiting.thread_id == parker.thread_id:
                parker.below = waiting
                self.parked.remove(waiting)
                return False
        return False

    def step_down(self, parker: Parker, waitable: Request) -> None:
        """Stop waiting; a leader hands over to a thread that still waits. Under the lock."""
        waitable._drop_watcher(parker)
        self.woke(parker)
        below = parker.below
        parker.below = None
        if self.leader is not parker:
            if parker in self.parked:
                self.parked.remove(parker)
                if below is not None:
                    self.parked.appendleft(below)
            return
        if below is not None:  # it goes on when the handler returns, and looks first
            self.leader = below
            self.gate.wake(below)
            return
        self.leader = None
        self.listening = False
        if self.parked:
            heir = self.parked.popleft()
            self.leader = heir
            self.gate.wake(heir)
        else:
            self.worker.ring()
        if self.loops:  # the looks of the old leader took back what was announced for them
            self.rearm()

    def lead(self, parker: Parker, waitable: Request, until_ns: int, why: str) -> None:
        """Serve the source until ``waitable`` is over, the time comes or the lead is taken."""
        while self.lead_on(parker, waitable, until_ns, why):
            why = doze(self.clock, parker) if parker.wake_ns else LOOK

    def lead_on(self, parker: Parker, waitable: Request, until_ns: int, why: str) -> bool:
        """Serve the source once; False: there is no reason to lead any more.

        Otherwise the parker says how long to sleep, and on what.
        """
        parker.wake_ns = 0
        now_ns = parker.now_ns if why is UNSEEN else 0
        parker.now_ns = 0
        self.gate.enter()
        try:
            # Where a look is a system call, the clock may be one too: a reply that came needs none.
            if not now_ns and (self.look_first or why is not EVENT):
                now_ns = self.clock.now_ns()
            self.woke(parker)
            if self.leader is not parker:
                return False  # the new leader may sleep already: disturb nothing
            self.listening = False
            if why is EVENT and self.doubted(self.queues):
                self.check_use()  # before the turn, which takes the news that shows it
            if why is not UNSEEN:
                self.turn(now_ns, why)  # at 0, nothing is due yet
            self.gate.settle()  # a refill may complete what this thread waits for
            if not now_ns and not waitable.over:
                now_ns = self.clock.now_ns()
            over = waitable.over or now_ns >= until_ns
            if not over and not self.arm():
                parker.wake_ns = min(until_ns, self.due_ns(now_ns if why is UNSEEN else 0))
                parker.now_ns = now_ns if why is UNSEEN else 0
                self.listening = True  # from now on, others that look arm again (`rearm`)
                if self.descriptors:
                    self.lay_down(parker)
        finally:
            self.gate.leave()
        if over or waitable.over:  # asked again: ports ran since, and other threads look as well
            return False
        if self.reconnect_ns != FOREVER:
            parker.now_ns = 0  # a try takes time
            self.life.try_again()
        if parker.wake_ns <= now_ns:
            parker.wake_ns = 0
        else:
            if self.gate.tap is not None:
                self.gate.tap.see(SEEN_SLEEPING, -1, None, None, 0, 0)
            self.clock.check_signals()
        return True

    # -- being told

    def kick(self) -> None:
        """Make the sleepers look again: leader, loops, or service thread. Under the lock."""
        if self.leader is not None:
            self.gate.wake(self.leader)
        else:
            self.worker.ring()
        for port in self.loops:
            port.poke()

    def watch(self, descriptors: tuple[int, ...]) -> None:
        """Use other descriptors from now on. Under the lock."""
        if descriptors and not self.closed:
            self.reserve()  # first, since it may raise: then nothing has changed
        self.descriptors = descriptors
        self.pollers = {}
        for port in self.loops:
            port.stale = True
        self.kick()


if not COMPILED:
    deputise(Pump, "drive")
