"""One turn of the pump: queues are serviced, what is due is done, sleepers stay announced."""

from mboxio._base.deputies import deputise
from mboxio._base.native import COMPILED
from mboxio._base.states import FOREVER
from mboxio._pump.sleepers import Sleepers
from mboxio._queue.above import Living, LoopSide
from mboxio._queue.queue import Queue
from mboxio.driver.controller import EVENT, LOOK, Controller

SAFETY_NS = 200_000_000
"""Longest sleep while anything is in flight: a missed edge costs this much, five wake-ups a second
cost nothing that shows."""


class Turns(Sleepers):
    """What whoever has the lock does with the queues of a controller.

    Args:
        life: of the remote.
        controller: the driver whose ``service`` and ``arm`` it calls.
    """

    def __init__(self, life: Living, controller: Controller) -> None:
        super().__init__(life.gate.clock)
        self.life = life
        self.gate = life.gate
        self.controller = controller
        self.queues: list[Queue] = []
        self.loops: list[LoopSide] = []
        self.listening = False  # the leader sleeps on the descriptors and has to be woken
        self.reconnect_ns = FOREVER
        self.look_first = True  # see `Capabilities.look_first`

    def kick(self) -> None:
        """Make the sleepers look again; see `Pump.kick`. Under the lock."""
        raise NotImplementedError

    def turn(self, now_ns: int, why: str) -> None:
        """Service every queue and do what is due. Under the lock."""
        for queue in self.queues:
            self.serve(queue, now_ns, why)

    def serve(self, queue: Queue, now_ns: int, why: str) -> None:
        """Service one queue and do what is due there. Under the lock."""
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
        """Servicing raised: the driver's fault, or a signal handler's. Under the lock."""
        try:
            if not self.gate.defer(error):
                raise error  # to the handler below, which judges the second try as well
            driver = self.controller
            self.gate.undisturbed(driver.service, queue, why)
        except Exception as fault:
            if not self.gate.defer(fault):  # signals may come faster than a driver works
                queue.take_fault(fault)

    def arm(self) -> bool:
        """Announce a sleep; True if something is there already. Under the lock."""
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

    def check_use(self) -> None:
        """Look whether an event has a reason, by arming once more. Under the lock."""
        if self.arm():
            self.useless = 0
        else:
            self.was_useless(self.life.passed())

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
                self.check_use()
                # For this caller: left there, it would make the next sleeper deaf in its place.
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
                self.kick()  # nothing is announced: the sleepers have to look themselves

    def due_ns(self, now_ns: int = 0) -> int:
        """Return when something is due, at the latest.

        Also without the lock, by a loop: whoever changes it then wakes the loop, which asks again.

        Args:
            now_ns: the time, where the caller has just read it.
        """
        due = self.reconnect_ns
        busy = False
        for queue in self.queues:
            due = min(due, queue.due_ns())
            used = queue.slots_used > 0 or queue.credits_used > 0
            busy = busy or used
            if queue.polls_events:
                pause_ns = queue.poll_ns if used else queue.idle_ns
                due = min(due, (now_ns or self.clock.now_ns()) + pause_ns)
        if busy and self.descriptors:
            due = min(due, (now_ns or self.clock.now_ns()) + SAFETY_NS)
        return due


if not COMPILED:
    deputise(Turns, "look", "look_for")
