"""A pump turns what a wait source tells into progress, on the thread of whoever waits.

At most one thread sleeps on the source: the leader. A blocking waiter leads if no other does; the
others park. The service thread leads when something has to happen and nobody waits; a waiter that
is about to sleep takes the lead from it. Event loops never lead, they are told by a descriptor of
their own.
"""

import os
import select
from collections import deque
from typing import Any

from mboxio.clock import Clock, Parker
from mboxio.controller import EVENT, LOOK, Controller
from mboxio.gate import Gate
from mboxio.queue import Queue
from mboxio.request import Request
from mboxio.states import FOREVER
from mboxio.trace import PUMP_SLEEPING

SAFETY_NS = 200_000_000
"""How long a sleep lasts at the most while something is in flight: covers a missed edge."""

SLEEP_MAX_MS = 3_600_000.0
"""poll(2) takes no more than 24 days; a sleeper looks at its deadline again anyway."""

LOOKS_PER_TIME = 4
"""Reading the clock costs as much as a look, so a spinner does it every so many looks."""

GLANCES_PER_TURN = 16
"""A spinner looks at the other queues only so often: their number must not cost it anything."""

SHORT_MS, SELECT_MAX = 2.0, 1024
"""poll(2) sleeps for whole milliseconds; select(2) does not, and knows no higher descriptors."""

RECONNECT_MIN_NS, RECONNECT_MAX_NS = 10_000_000, 1_000_000_000
CPUS = os.cpu_count() or 1
"""Of the machine: this process may be bound to one of them and the remote to another."""


class Pump:
    """The wait source of a controller and who serves it.

    Args:
        host: the connection.
        controller: the driver whose ``service`` and ``arm`` it calls.
    """

    def __init__(self, host: Any, controller: Controller) -> None:
        self.host = host
        self.gate: Gate = host.gate
        self.clock: Clock = host.gate.clock
        self.controller = controller
        self.queues: list[Queue] = []
        self.descriptors: tuple[int, ...] = ()
        self.pollers: dict[int, select.poll] = {}
        # Two may sleep at once for a moment, a waiter and the service thread that it relieved:
        # with one descriptor one could swallow the other's kick.
        self.kick_fds = [-1, -1]
        self.asleep = 0  # how many sleep on descriptors
        self.closed = False
        self.leader: Parker | None = None
        self.parked: deque[Parker] = deque()
        self.loops: list[Any] = []
        self.worker: Any = None
        self.listening = False  # somebody sleeps on the descriptors and wants to be woken
        self.distant = False  # an access takes long: no spinning, no accesses on an event loop
        self.spin_ns = 0
        self.spin_now_ns = 0
        self.glances = 0
        self.reconnect_ns = FOREVER
        self.reconnect_pause_ns = RECONNECT_MIN_NS

    # -- one turn, under the lock

    def turn(self, now_ns: int, why: str) -> None:
        """Service every queue and do what is due."""
        for queue in self.queues:
            self.serve(queue, now_ns, why)

    def serve(self, queue: Queue, now_ns: int, why: str) -> None:
        """Service one queue and do what is due there."""
        if queue.fault is None or why is not LOOK:
            try:
                self.controller.service(queue, why)
            except Exception as error:
                queue.take_fault(error)
        if queue.stalled and queue.stalled == "event":
            queue.stalled = ""
            queue.mark_dirty()
        if now_ns >= queue.due_ns():
            if queue.only_replies:  # whether a message left is to be known when its time is up
                queue.only_replies = False
                self.serve(queue, now_ns, why)
            else:
                queue.on_time(now_ns)

    def glance(self, queue: Queue | None, for_reply: bool, now_ns: int) -> None:
        """Look as a spinner does: where its answer must come from, now and then everywhere."""
        self.glances += 1
        if self.spin_ns and queue is not None and self.glances % GLANCES_PER_TURN:
            queue.only_replies = for_reply and not queue.line and not queue.stalled
            try:
                self.serve(queue, now_ns, LOOK)
            finally:
                queue.only_replies = False
        else:
            self.turn(now_ns, LOOK)

    def arm(self) -> bool:
        """Announce a sleep; True if something is there already."""
        ready = False
        for queue in self.queues:
            if queue.fault is not None:
                continue
            try:
                ready = self.controller.arm(queue) or ready
            except Exception as error:
                queue.take_fault(error)
        return ready

    def look(self) -> None:
        """Do once, without waiting, what a waiter does. Takes the lock itself."""
        self.gate.enter()
        try:
            self.look_now(self.clock.now_ns(), self.hint())
        finally:
            self.gate.leave()

    def hint(self) -> str:
        """Ask the descriptors without waiting, for callers who never sleep on them."""
        if not self.descriptors:
            return LOOK
        return EVENT if self.poller(-1).poll(0) else LOOK

    def poller(self, kick_fd: int) -> "select.poll":
        """Return the poll object for the descriptors of now, and for a sleeper's kick unless -1.

        Each is used by one thread at a time: by the one sleeper on that kick, or under the lock.
        """
        poller = self.pollers.get(kick_fd)
        if poller is None:
            poller = select.poll()
            watched = self.descriptors if kick_fd < 0 else (*self.descriptors, kick_fd)
            for descriptor in watched:
                poller.register(descriptor, select.POLLIN)
            self.pollers[kick_fd] = poller
        return poller

    def look_now(self, now_ns: int, why: str = LOOK) -> None:
        """Look, and leave the sleepers announced whatever happens. Under the lock."""
        try:
            self.turn(now_ns, why)
            self.gate.settle()
        finally:
            self.rearm()

    def rearm(self) -> None:
        """Whoever looked goes away: the sleepers want to be woken again. Under the lock."""
        if self.listening or self.loops:
            tries = 0
            while self.arm() and tries < 16:  # bounded: a flood must not keep the lock for ever
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

    def wait(self, waitable: Any, until_ns: int) -> bool:
        """Wait until ``waitable`` is over, driving the source if nobody else does.

        Returns:
            True if it is over, False if the clock shows ``until_ns``.
        """
        self.gate.may_wait()
        if self.spin(waitable, until_ns):
            return True
        parker = Parker()
        try:
            self.gate.enter()
            try:
                if not waitable.over:
                    waitable.add_watcher(parker)
                    self.take_lead(parker)
            finally:
                self.gate.leave()
            while not waitable.over and self.clock.now_ns() < until_ns:
                if self.leader is parker:
                    self.lead(parker, waitable, until_ns)
                else:
                    self.clock.check_signals()
                    self.clock.park(parker, until_ns)
        finally:
            self.gate.call_surely(self.step_down, parker, waitable)
        if not waitable.over:
            self.look()
        return bool(waitable.over)

    def spin(self, waitable: Any, until_ns: int) -> bool:
        """Look for a while before sleeping; how long depends on how well that went lately."""
        now_ns = self.clock.now_ns()
        end_ns = min(now_ns + self.spin_now_ns, until_ns)
        queue = waitable.owner.queue
        for_reply = isinstance(waitable, Request) and waitable.tied
        looks = 0
        while True:
            self.gate.enter()
            try:
                self.glance(queue, for_reply, now_ns)
            except BaseException:
                self.rearm()
                raise
            finally:
                self.gate.leave()
            if waitable.over:
                break
            looks += 1
            if looks % LOOKS_PER_TIME == 0:
                now_ns = self.clock.now_ns()
            if now_ns >= end_ns:
                break
            self.clock.relax()
        if self.listening or self.loops:
            self.gate.enter()
            try:
                self.rearm()
            finally:
                self.gate.leave()
        if self.spin_ns:
            if waitable.over:
                self.spin_now_ns = min(self.spin_ns, self.spin_now_ns + self.spin_ns // 8)
            else:
                self.spin_now_ns = max(self.spin_ns // 32, self.spin_now_ns // 2)
        return bool(waitable.over)

    def take_lead(self, parker: Parker) -> None:
        """Lead if nobody does or only the service thread does, else stand in line."""
        worker = self.worker
        if self.leader is None:
            self.leader = parker
        elif worker is not None and self.leader is worker.parker:
            self.leader = parker
            worker.ring()
        else:
            self.parked.append(parker)

    def step_down(self, parker: Parker, waitable: Any) -> None:
        """Stop waiting; a leader hands over to somebody who still waits. Under the lock."""
        waitable.drop_watcher(parker)
        self.woke(parker)
        if self.leader is not parker:
            if parker in self.parked:
                self.parked.remove(parker)
            return
        self.leader = None
        self.listening = False
        if self.parked:
            heir = self.parked.popleft()
            self.leader = heir
            self.gate.wakes.append(heir)
        elif self.worker is not None:
            self.worker.ring()
        if self.loops:
            self.rearm()

    def lead(self, parker: Parker, waitable: Any, until_ns: int) -> None:
        """Serve the source until ``waitable`` is over, the time comes or the lead is taken."""
        why = LOOK
        poller: Any = None
        while True:
            self.gate.enter()
            try:
                now_ns = self.clock.now_ns()
                self.woke(parker)
                if self.leader is not parker:
                    return  # the new leader may sleep already: disturb nothing
                self.listening = False
                self.turn(now_ns, why)
                self.gate.settle()
                over = waitable.over or now_ns >= until_ns
                if not over and not self.arm():
                    wake_ns = min(until_ns, self.due_ns())
                    self.listening = True
                    if self.descriptors:
                        parker.kick_fd = self.kick_fd_for(parker)
                        poller = self.poller(parker.kick_fd)
                        self.asleep += 1
                else:
                    wake_ns = 0
            finally:
                self.gate.leave()
            if over or waitable.over:
                return
            if self.reconnect_ns != FOREVER:
                self.host.try_reconnect()
            why = LOOK
            if wake_ns > now_ns:
                if self.gate.trace is not None:
                    self.gate.trace(PUMP_SLEEPING, self)
                self.clock.check_signals()
                if parker.kick_fd >= 0:
                    why = self.sleep(poller, parker.kick_fd, wake_ns)
                else:
                    self.clock.park(parker, wake_ns)

    def kick_fd_for(self, parker: Parker) -> int:
        """Return the descriptor that wakes this sleeper. Under the lock."""
        which = 1 if parker is self.worker.parker else 0
        if self.kick_fds[which] < 0:
            self.kick_fds[which] = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        return self.kick_fds[which]

    def woke(self, parker: Parker) -> None:
        """A sleeper is awake. The last one after the end closes the kicks. Under the lock."""
        if parker.kick_fd >= 0:
            parker.kick_fd = -1
            self.asleep -= 1
            if self.closed:
                self.close()

    def sleep(self, poller: "select.poll", kick_fd: int, until_ns: int) -> str:
        """Sleep on the descriptors and the kick; returns `EVENT` if a descriptor is readable."""
        if until_ns == FOREVER:
            ready = poller.poll()
        else:
            left_ms = (until_ns - self.clock.now_ns()) / 1e6 + 0.001
            watched = (*self.descriptors, kick_fd)
            if left_ms < SHORT_MS and max(watched) < SELECT_MAX:
                try:
                    select.select(watched, (), (), max(0.0, left_ms) / 1e3)
                except (OSError, ValueError):
                    pass  # one was closed meanwhile, which poll takes for an event
                left_ms = 0.0
            ready = poller.poll(min(max(0.0, left_ms), SLEEP_MAX_MS))
        why = LOOK
        for descriptor, _ in ready:
            if descriptor == kick_fd:
                try:
                    os.eventfd_read(kick_fd)
                except BlockingIOError:
                    continue  # read by an earlier sleep
            else:
                why = EVENT
        return why

    # -- being told

    def kick(self) -> None:
        """Have the sleepers look again: leader, loops, or the service thread. Under the lock."""
        if self.leader is not None:
            self.gate.wakes.append(self.leader)
        elif self.worker is not None:
            self.worker.ring()
        for port in self.loops:
            port.poke()

    def watch(self, descriptors: tuple[int, ...]) -> None:
        """Use other descriptors from now on. Under the lock."""
        self.descriptors = descriptors
        self.pollers = {}
        for port in self.loops:
            port.stale = True
        self.kick()

    def close(self) -> None:
        """Close the kick descriptors, once nobody sleeps on them. Under the lock."""
        self.closed = True
        if self.asleep:
            return
        for which, kick_fd in enumerate(self.kick_fds):
            if kick_fd >= 0:
                os.close(kick_fd)
            self.kick_fds[which] = -1

    def forked(self) -> None:
        """The sleepers stayed behind in the parent process."""
        self.asleep = 0
        self.close()
