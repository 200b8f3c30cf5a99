"""A pump turns events into progress, on the thread that waits; the theory is in `mboxio._pump`."""

import os
from collections import deque
from typing import Any

from mboxio._base.clock import Parker
from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.request import Request
from mboxio._base.states import FOREVER
from mboxio._base.trace import PUMP_SLEEPING
from mboxio._pump.sleepers import Sleepers, doze
from mboxio._queue.above import Living, LoopSide
from mboxio._queue.queue import Queue
from mboxio.driver.controller import EVENT, LOOK, Controller

SAFETY_NS = 200_000_000
"""Longest sleep while anything is in flight: a missed edge costs this much, five wake-ups a second
cost nothing that shows."""

LOOKS_PER_TURN = 32
"""How often a spinner's look is a full turn. Reading the clock costs as much as a look, so a
spinner does without for 31 of them, which is short beside any useful `spin_s`."""

CPUS = os.cpu_count() or 1
"""Of the machine: this process may be bound to one of them and the remote to another."""


class Pump(Sleepers):
    """The wait source of a controller and who serves it.

    Args:
        life: of the remote, which is looked for where nobody else has time for it.
        controller: the driver whose ``service`` and ``arm`` it calls.
    """

    def __init__(self, life: Living, controller: Controller) -> None:
        super().__init__(life.gate.clock)
        self.life = life
        self.gate = life.gate
        self.controller = controller
        self.queues: list[Queue] = []
        self.leader: Parker | None = None
        self.parked: deque[Parker] = deque()
        self.loops: list[LoopSide] = []
        self.listening = False  # the leader sleeps on the descriptors and has to be woken
        self.distant = False  # an access takes long: no spinning, no accesses on an event loop
        self.spin_ns = 0
        self.spin_now_ns = 0
        self.reconnect_ns = FOREVER

    # -- one turn, under the lock

    def turn(self, now_ns: int, why: str) -> None:
        """Service every queue and do what is due."""
        for queue in self.queues:
            self.serve(queue, now_ns, why)

    def serve(self, queue: Queue, now_ns: int, why: str) -> None:
        """Service one queue and do what is due there."""
        # An event is served on a stopped queue as well: its cause has to be cleared.
        if queue.fault is None or why is not LOOK:
            try:
                self.controller.service(queue, why)
            except BaseException as error:
                self.serve_again(queue, why, error)
        if queue.stalled is not None and queue.stalled == "event":
            queue.stalled = None  # any look may be the event: trying again is cheap
            queue.mark_dirty()
        if now_ns >= queue.due_ns():
            if queue.only_replies:  # whether a message left is to be known when its time is up
                queue.only_replies = False
                self.serve(queue, now_ns, why)
            else:
                queue.on_time(now_ns)

    def serve_again(self, queue: Queue, why: str, error: BaseException) -> None:
        """Servicing ended with an exception: the driver's fault, or a signal handler's."""
        try:
            if not self.gate.defer(error):
                raise error
            driver = self.controller
            self.gate.undisturbed(driver.service, queue, why)
        except Exception as fault:
            if not self.gate.defer(fault):  # signals may come faster than a driver works
                queue.take_fault(fault)

    def glance(self, waitable: Request, queue: Queue, first: bool) -> None:
        """Look as a spinner does: where its answer must come from."""
        self.serve_spinner(queue, waitable._tied)
        # Who finds the answer at once is behind: then other queues' answers are there as well.
        if first and waitable.over and len(self.queues) > 1:
            for other in self.queues:
                if other.credits_used and other.probe.news(True):
                    self.serve_spinner(other, True)

    def serve_spinner(self, queue: Queue, only_replies: bool) -> None:
        """Service one queue for a waiter that needs no news of slots, unless others do."""
        queue.only_replies = only_replies and not queue.line and queue.stalled is None
        try:
            self.serve(queue, 0, LOOK)  # time 0: nothing is due yet, and no clock is read
        finally:
            queue.only_replies = False

    def arm(self) -> bool:
        """Announce a sleep; True if something is there already."""
        ready = False
        for queue in self.queues:
            if queue.fault is not None:
                continue
            try:
                ready = self.controller.arm(queue) or ready  # each is armed, ready or not
            except BaseException as error:
                ready = True  # a sleep must not begin without its announcement
                if not self.gate.defer(error):
                    queue.take_fault(error)
        return ready

    def look(self) -> None:
        """Do once, without waiting, what a waiter does. Takes the lock itself."""
        self.look_for(None)

    def look_for(self, why: str | None) -> int:
        """As `look`, for a caller that knows whether there was an event.

        Returns:
            for how many nanoseconds the caller had better hear nothing: it is being flooded.
        """
        deaf_ns = 0
        self.gate.enter()
        try:
            if why is EVENT and self.doubted(self.queues):
                self.judge(self.arm())
                deaf_ns, self.deaf_ns = self.deaf_ns, 0
            self.look_now(self.clock.now_ns(), self.hint() if why is None else why)
        finally:
            self.gate.leave()
        return deaf_ns

    def look_now(self, now_ns: int, why: str = LOOK) -> None:
        """Look, and leave the sleepers announced whatever happens. Under the lock."""
        try:
            self.turn(now_ns, why)
            self.gate.settle()
        finally:
            self.rearm()

    def rearm(self) -> None:
        """Arm again for the sleepers, after a look took the announcement back. Under the lock."""
        if self.listening or self.loops:
            tries = 0
            while self.arm() and tries < 16:  # bounded: a flood must not keep the lock forever
                self.turn(self.clock.now_ns(), LOOK)
                tries += 1
            if tries == 16:
                self.kick()

    def due_ns(self) -> int:
        """Return when something is due, at the latest. Under the lock."""
        due = self.reconnect_ns
        busy = False
        for queue in self.queues:
            due = min(due, queue.due_ns())
            used = queue.slots_used > 0 or queue.credits_used > 0
            busy = busy or used
            if queue.polls_events:
                pause_ns = queue.poll_ns if used else queue.idle_ns
                due = min(due, self.clock.now_ns() + pause_ns)
        if busy and self.descriptors:
            due = min(due, self.clock.now_ns() + SAFETY_NS)
        return due

    # -- waiting

    def wait(self, waitable: Request, until_ns: int) -> bool:
        """Wait until ``waitable`` is over, driving the source if no other thread does.

        Returns:
            True if it is over, False if the clock shows ``until_ns``.
        """
        self.gate.may_wait()
        return self.drive(waitable, until_ns)

    def drive(self, waitable: Request, until_ns: int) -> bool:
        """As `wait`, for a caller that has asked whether it may."""
        if self.spin(waitable, until_ns):
            return True
        parker = Parker()
        try:
            self.gate.enter()
            try:
                if not waitable.over:
                    waitable._add_watcher(parker)
                    self.take_lead(parker)
            finally:
                self.gate.leave()
            while not waitable.over and self.clock.now_ns() < until_ns:
                if self.leader is parker:
                    self.lead(parker, waitable, until_ns)
                else:
                    self.clock.check_signals()
                    self.stand_by(parker, waitable, until_ns)
        finally:
            self.gate.call_surely(self.step_down, parker, waitable)
        if not waitable.over:
            self.look()  # the last one: the reply may lie there while the leader is busy elsewhere
        return bool(waitable.over)

    def stand_by(self, parker: Parker, waitable: Request, until_ns: int) -> None:
        """Sleep while another thread leads; mind the deadline of one's own request all the same.

        The leader's thread may be busy with something else, in a signal handler say.
        """
        due_ns = min(until_ns, waitable._deadline_ns)
        self.clock.park(parker, due_ns)
        if not waitable.over and due_ns <= self.clock.now_ns() and self.leader is not parker:
            self.look()

    def spin(self, waitable: Request, until_ns: int) -> bool:
        """Look for a while before sleeping; how long depends on how well that went lately.

        Most looks only ask whether there is news where the answer must come from. Now and then one
        is a full turn: other queues and the time must not cost the spinner anything.
        """
        queue: Any = waitable._owner._queue
        spins = self.spin_now_ns > 0 and isinstance(queue, Queue)
        probe: Any = queue.probe if spins else None
        only_replies = waitable._tied
        now_ns = end_ns = looks = 0
        while True:
            looks += 1
            full = not spins or looks % LOOKS_PER_TURN == 0
            if full:
                now_ns = self.clock.now_ns()
                end_ns = end_ns or min(now_ns + self.spin_now_ns, until_ns)
            if full or probe.news(only_replies):  # without the lock, which others may want
                looked = False
                self.gate.enter()
                try:
                    if full:
                        self.turn(now_ns, LOOK)
                    else:
                        self.glance(waitable, queue, looks == 1)
                    looked = True
                finally:  # where the spinner leaves by an exception, sleepers are announced again
                    if not looked or self.gate.interrupted is not None:
                        self.rearm()
                    self.gate.leave()
            if waitable.over:
                break
            if spins:
                if full and now_ns >= end_ns:
                    break
                if looks == 1 and until_ns != FOREVER and self.clock.now_ns() >= until_ns:
                    break  # on a busy CPU 31 more looks take long
                self.clock.relax()
            elif looks == 1 and self.descriptors:
                self.clock.give_way()  # on a CPU that both share, the remote may have answered then
            else:
                break
        if self.listening or self.loops:
            self.gate.enter()
            try:
                self.rearm()
            finally:
                self.gate.leave()
        if self.spin_ns:  # grow slowly where it paid, halve where it did not
            if waitable.over:
                self.spin_now_ns = min(self.spin_ns, self.spin_now_ns + self.spin_ns // 8)
            else:
                self.spin_now_ns = max(self.spin_ns // 32, self.spin_now_ns // 2)
        return bool(waitable.over)

    def take_lead(self, parker: Parker) -> None:
        """Lead if no thread does or only the service thread does, else stand in line."""
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
        if self.loops:
            self.rearm()

    def lead(self, parker: Parker, waitable: Request, until_ns: int) -> None:
        """Serve the source until ``waitable`` is over, the time comes or the lead is taken."""
        why = LOOK
        while self.lead_on(parker, waitable, until_ns, why):
            why = doze(self.clock, parker) if parker.wake_ns else LOOK

    def lead_on(self, parker: Parker, waitable: Request, until_ns: int, why: str) -> bool:
        """Serve the source once; False: there is no reason to lead any more.

        Otherwise the parker says how long to sleep, and on what.
        """
        parker.wake_ns = 0
        self.gate.enter()
        try:
            now_ns = self.clock.now_ns()
            self.woke(parker)
            if self.leader is not parker:
                return False  # the new leader may sleep already: disturb nothing
            self.listening = False
            if why is EVENT and self.doubted(self.queues):
                self.judge(self.arm())
            self.turn(now_ns, why)
            self.gate.settle()  # a refill may complete what this thread waits for
            over = waitable.over or now_ns >= until_ns
            if not over and not self.arm():
                parker.wake_ns = min(until_ns, self.due_ns())
                self.listening = True  # from now on, others that look arm again (`rearm`)
                if self.descriptors:
                    self.lay_down(parker)
        finally:
            self.gate.leave()
        if over or waitable.over:  # asked again: ports ran since, and other threads look as well
            return False
        if self.reconnect_ns != FOREVER:
            self.life.try_again()
        if parker.wake_ns <= now_ns:
            parker.wake_ns = 0
        else:
            if self.gate.trace is not None:
                self.gate.trace(PUMP_SLEEPING, self)
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
            self.reserve()
        self.descriptors = descriptors
        self.pollers = {}
        for port in self.loops:
            port.stale = True
        self.kick()


if not COMPILED:
    deputise(Pump, "look", "look_for", "drive")
