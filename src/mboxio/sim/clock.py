"""A virtual clock: it stands still while code runs and moves when every thread is blocked."""

import threading
from collections import deque
from collections.abc import Callable

from mboxio._base.clock import Clock, Parker
from mboxio._base.states import FOREVER
from mboxio.errors import WouldDeadlock
from mboxio.sim.agenda import Agenda

TIMER, LATE_TIMER, PARK, ADVANCE = range(4)
"""Of things due at the same instant: timers first, then late timers, then waits, last the end of
`advance`; within a rank the one that was due first, then the one that was there first."""
SIGNALS_EVERY = 4096
"""Where all timers are compiled, none looks for Ctrl-C: one look for so many."""


class _Sleeper:
    """A thread that does not run: it waits for its turn, its time or a wake-up."""

    def __init__(self) -> None:
        self.baton = threading.Lock()
        self.baton.acquire()
        self.stuck = False


class Timer:
    """What happens at a time, once for each `VirtualClock.schedule`."""

    __slots__ = ("cancelled",)

    def __init__(self) -> None:
        self.cancelled = False

    def ring(self) -> None:
        """It is time. Everything else is blocked; it must not wait."""
        raise NotImplementedError(f"{type(self).__name__} does not say what happens")

    def cancel(self) -> None:
        """Forget it."""
        self.cancelled = True


class _Calling(Timer):
    """A timer that calls."""

    __slots__ = ("callback",)

    callback: Callable[[], object] | None

    def ring(self) -> None:
        """See `Timer.ring`."""
        if self.callback is not None:
            self.callback()

    def cancel(self) -> None:
        """Forget the call, and what it would have used."""
        self.cancelled = True
        self.callback = None


def next_rank(due: tuple[Agenda, ...], now_ns: int) -> int:
    """Return the rank of what happens next, or -1 if nothing is due.

    What is overdue, because the clock has jumped, is due now: its rank decides.

    Args:
        due: what is due, by rank.
        now_ns: what the clock shows.
    """
    first_ns = FOREVER
    chosen = -1
    for rank in range(len(due)):
        agenda = due[rank]
        when_ns = agenda.first_ns()
        if when_ns < now_ns:
            when_ns = now_ns
        if when_ns < first_ns:
            first_ns = when_ns
            chosen = rank
    return chosen


class VirtualClock(Clock):
    """Time for tests: exact, deterministic, and as fast as the code under it.

    The threads that use it, the one that made it and those of `spawn`, run one at a time. When
    the running one parks, the next that was woken runs; when none is ready, the clock moves to
    the earliest thing that is due. Timers run in the thread that parked last and must not wait.
    A program of one thread has its timers called by `advance` itself, in the same order and at a
    fraction of the cost: simulations run so.

    What a timer raises comes out of the call in which its thread let time pass, and everything
    can go on. A thread that was ending lets the next one run first.

    Args:
        start_ns: what the clock shows first.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self._lock = threading.Lock()
        self._now_ns = start_ns
        self._timers = Agenda()
        self._late = Agenda()
        self._due = (self._timers, self._late, Agenda(), Agenda())
        self._ready: deque[_Sleeper] = deque()
        self._sleepers: dict[Parker, _Sleeper] = {}
        self._joiners: dict[threading.Thread, Parker] = {}
        self._ended: set[threading.Thread] = set()
        self._interrupted = False

    def now_ns(self) -> int:
        """Return the virtual time."""
        return self._now_ns

    def relax(self) -> None:
        """Let a microsecond pass: a spinning thread does not stop time."""
        self.advance(1_000)

    def give_way(self) -> None:
        """Nobody else wants to run before time passes."""

    def jump(self, ns: int) -> None:
        """Move the clock as a busy computation would: nothing fires in between."""
        self._now_ns += ns

    def advance(self, ns: int) -> None:
        """Let time pass: everything due until then, its end included, happens first.

        A timer may move the clock beyond the end with `jump`: what is overdue then happens, too,
        as in an interrupt that is late. So if there is always more, this never comes back.
        """
        end_ns = self._now_ns + ns
        if self._interrupted or self._sleepers or self._ready or not self._run_timers(end_ns):
            self._park(Parker(), end_ns, ADVANCE)

    def park(self, parker: Parker, until_ns: int) -> None:
        """See `Clock.park`.

        Raises:
            WouldDeadlock: called by a timer.
            RuntimeError: every thread is blocked and nothing is due.
        """
        self._park(parker, until_ns, PARK)

    def unpark(self, parker: Parker) -> None:
        """See `Clock.unpark`. The woken thread runs when the running one blocks."""
        with self._lock:
            sleeper = self._sleepers.pop(parker, None)
            if sleeper is not None:
                self._ready.append(sleeper)
                return
        Clock.unpark(self, parker)

    def let_run(self) -> None:
        """Let every thread that is ready run until it blocks or ends; the clock stands still."""
        while self._ready:
            sleeper = _Sleeper()
            self._lock.acquire()
            self._ready.append(sleeper)
            self._pass_on()
            sleeper.baton.acquire()

    def schedule(self, when_ns: int, timer: Timer, rank: int = TIMER) -> None:
        """Have a timer ring; as `call_at`, without an object for it."""
        # Without the lock: an agenda adds in one step for all threads.
        now_ns = self._now_ns
        agenda = self._late if rank else self._timers
        agenda.add(when_ns if when_ns > now_ns else now_ns, timer)

    def call_at(self, when_ns: int, callback: Callable[[], object], rank: int = TIMER) -> Timer:
        """See `Clock.call_at`; the callback runs while everything else is blocked.

        Args:
            when_ns: when it is due.
            callback: must not wait.
            rank: `LATE_TIMER` has it called after the other timers of the same instant.
        """
        timer = _Calling.__new__(_Calling)  # as in `Firmware.letter`
        timer.cancelled = False
        timer.callback = callback
        self.schedule(when_ns, timer, rank)
        return timer

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        """See `Clock.spawn`. The thread runs when the running one blocks."""
        sleeper = _Sleeper()

        def run() -> None:
            sleeper.baton.acquire()
            try:
                target()
            finally:
                self._leave(thread)

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self._lock:
            self._ready.append(sleeper)
        thread.start()
        return thread

    def join(self, thread: threading.Thread, timeout_s: float) -> None:
        """See `Clock.join`."""
        parker = Parker()
        with self._lock:
            over = thread in self._ended
            if not over:
                self._joiners[thread] = parker
        if not over:
            self._park(parker, self._now_ns + int(timeout_s * 1e9), PARK)
        if thread in self._ended:
            thread.join()

    def _run_timers(self, end_ns: int) -> bool:
        """Let time pass while no other thread is there: what `_pass_on` does, without its locks.

        Returns:
            False if a timer has started a thread: the rest of the time is to be shared with it.
        """
        timers, late = self._timers, self._late
        rung = 0
        self._interrupted = True
        try:
            while True:
                now_ns = self._now_ns
                due = timers
                first_ns = timers.first_ns()
                late_ns = late.first_ns()
                if late_ns < first_ns and now_ns < first_ns:
                    due = late
                    first_ns = late_ns
                # A timer may have moved the clock beyond the end: what is overdue comes first.
                if first_ns > (end_ns if end_ns > now_ns else now_ns):
                    break
                timer = due.pop()
                if timer.cancelled:
                    continue
                if first_ns > now_ns:
                    self._now_ns = first_ns
                timer.ring()
                if self._ready or self._sleepers:
                    return False
                rung += 1
                if rung == SIGNALS_EVERY:
                    rung = 0
                    self.check_signals()
        finally:
            self._interrupted = False
        self._now_ns = max(end_ns, self._now_ns)
        return True

    def _park(self, parker: Parker, until_ns: int, rank: int) -> None:
        if self._interrupted:
            raise WouldDeadlock("a timer of the virtual clock must not wait")
        if parker.sleeping_lock().acquire(False):
            return
        sleeper = _Sleeper()
        self._lock.acquire()
        self._sleepers[parker] = sleeper
        if until_ns != FOREVER:
            self._due[rank].add(max(until_ns, self._now_ns), (parker, sleeper))
        try:
            self._pass_on()
            sleeper.baton.acquire()
        except BaseException:
            self._forget(parker, sleeper)
            raise
        if sleeper.stuck:
            raise RuntimeError("every thread is blocked and nothing is due: this is a deadlock")

    def _forget(self, parker: Parker, sleeper: _Sleeper) -> None:
        """A thread does not sleep after all; a wake-up that it had already is not lost."""
        with self._lock:
            if self._sleepers.get(parker) is sleeper:
                del self._sleepers[parker]
            elif sleeper in self._ready:
                self._ready.remove(sleeper)
                Clock.unpark(self, parker)

    def _leave(self, thread: threading.Thread) -> None:
        """A spawned thread ends. Called again, it lets the next one run again."""
        self._lock.acquire()
        self._ended.add(thread)
        parker = self._joiners.pop(thread, None)
        sleeper = self._sleepers.pop(parker, None) if parker is not None else None
        if sleeper is not None:
            self._ready.append(sleeper)
        try:
            self._pass_on()
        except BaseException:
            self._leave(thread)
            raise

    def _pass_on(self) -> None:
        """Choose who runs next, moving the clock if nobody can. Gives the lock back, always."""
        try:
            while not self._ready:
                rank = next_rank(self._due, self._now_ns)
                if rank < 0:
                    # A deadlock is reported where a test sees it: to the one that waits longest.
                    stuck = next(iter(self._sleepers), None)
                    if stuck is None:
                        return
                    sleeper = self._sleepers.pop(stuck)
                    sleeper.stuck = True
                    self._ready.append(sleeper)
                    break
                if rank < PARK:
                    self._interrupted = True
                    self._lock.release()
                    try:
                        ring_timers(self, rank)
                    finally:
                        self._lock.acquire()
                        self._interrupted = False
                    continue
                agenda = self._due[rank]
                when_ns = agenda.first_ns()
                parker, sleeper = agenda.pop()
                if self._sleepers.get(parker) is sleeper:
                    del self._sleepers[parker]
                    if when_ns > self._now_ns:
                        self._now_ns = when_ns
                    self._ready.append(sleeper)
            self._ready.popleft().baton.release()
        finally:
            self._lock.release()


def ring_timers(clock: VirtualClock, rank: int) -> None:
    """Have timers ring until a thread is ready, or something else is next."""
    while 0 <= rank < PARK:
        agenda = clock._due[rank]
        when_ns = agenda.first_ns()
        timer: Timer = agenda.pop()
        if not timer.cancelled:
            if when_ns > clock._now_ns:
                clock._now_ns = when_ns
            timer.ring()
            if clock._ready:
                return
        rank = next_rank(clock._due, clock._now_ns)
