"""The one lock of a controller, and everything that has to happen after it is released.

Enter, decide on pure state, note the effects, leave: `Gate.leave` first settles what the decision
set off (notes from inside a driver's op, queues to refill), then unlocks, and only then wakes
threads and loops and calls ports. It is a trampoline: whatever calls back in from inside only
leaves a note, so the stack stays flat and no state is seen half-way.

Theory of operation. The gate owns the mutex, and five lists of what was set off while it was held:
notes (decisions that came in from inside), dirty queues, wakes (parkers), kicks (loops, the service
thread) and ports (code of layers above). ``eventful`` is True if any of them may have an entry, so
that a decision without consequences costs one test and one unlock.

`leave` works in this order. Notes and refills run first, under the lock, since each may add to all
five lists. Then the sleepers' kick descriptors are written, still under the lock, which keeps other
threads from closing one of them. Then the lock is released, and only then parked threads are woken:
before, they would run into the lock. Kicks and ports come last, since they may enter again. Ports
run one at a time and in the order decided; ``draining`` is the mutex for that.

Who calls: `enter` and `leave` are for callers on their own thread, which get an error where they
would deadlock. `call` is for drivers and clean-up, which must get in from anywhere. `note` is for
either, and for finalizers. `refill`, `wake`, `kick`, `post` and `settle` need the lock.

What must never happen under the lock: user code, a port, logging, or a wait. An exception of a
signal handler must not leave a half-made decision: it is kept in ``interrupted`` until the release.
"""

import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

from mboxio._base.clock import Clock, Parker
from mboxio._base.deputies import Deputies, deputise
from mboxio._base.interrupts import interrupts
from mboxio._base.native import COMPILED, Mutex
from mboxio._base.tap import Tap, together
from mboxio.errors import ForkedError, WouldDeadlock

TRIES_MAX = 100
"""How often an op is started again that signal handlers interrupt: a bound for endless signals."""


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Refilled(Protocol):
    """A queue whose waiting messages may go out now."""

    dirty: bool

    def refill(self) -> None:
        """See `Line.refill`."""


class Kicked(Protocol):
    """A party that is told, once the lock is released, that something changed."""

    def kick(self) -> None:
        """Make it look."""


def complain(text: str, subject: object, error: BaseException | None) -> None:
    """Log what user code or a port raised. Without the lock."""
    try:
        # Now: importing logging costs more than the whole core.
        from mboxio._limits.sparing import log
    except OSError:  # no descriptor is left by which a module could be read
        sys.stderr.write(f"mboxio: {text % (subject,)}: {error!r}\n")
    else:
        log.error(text, subject, exc_info=error)


def is_foreign(error: BaseException) -> bool:
    """Return whether an exception comes from a signal handler and not from what it interrupted."""
    return interrupt_of(error) is not None


def kick_surely(kicked: "Kicked") -> BaseException | None:
    """Kick, again if a signal handler raises in it; return what it raised.

    A kick that is lost is a thread that never starts, or a loop that sleeps on.
    """
    interrupted: BaseException | None = None
    for _ in range(TRIES_MAX):
        try:
            kicked.kick()
            break
        except BaseException as error:
            interrupted = interrupt_of(error)
            if interrupted is None:
                raise
    return interrupted


def interrupt_of(error: BaseException) -> BaseException | None:
    """Return what a signal handler raised, or None if the error has nothing to do with one.

    Judging takes Python code, which may be interrupted as well: then it is the later exception, and
    whatever the first one came out of is to be done again.
    """
    try:
        return error if interrupts(error) else None
    except BaseException as later:
        return later


def surely(function: Callable[[Unpack[Ts]], object], *args: Unpack[Ts]) -> None:
    """Call what must not be left out, again and again if signal handlers interrupt it.

    What a handler raised is raised at the end.
    """
    interrupted: BaseException | None = None
    while True:
        try:
            function(*args)
            break
        except BaseException as error:
            interrupted = interrupt_of(error)
            if interrupted is None:
                raise
    if interrupted is not None:
        raise interrupted


class Gate:
    """The mutex of one controller with its notes, wakes, kicks and port calls.

    Args:
        clock: owns every wait behind this gate.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.deputies = None if COMPILED else Deputies("mboxio deputy")
        self.taps: list[Tap] = []
        self.tap: Tap | None = None  # told what happens to messages
        self.lock = Mutex()
        self.notes: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.eventful = False  # leaving may take more than releasing the lock
        self.dirty: list[Refilled] = []
        self.wakes: list[Parker] = []
        self.kicks: list[Kicked] = []
        self.ports: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.draining = Mutex()
        self.forked = False
        self.lost = False  # the remote is gone
        self.interrupted: BaseException | None = None  # raised when the lock is released

    def enter(self) -> None:
        """Take the lock to decide something.

        Raises:
            WouldDeadlock: the calling thread holds it: this is a driver's op, a signal handler or
                a finalizer that came in the middle of another call.
            ForkedError: the process is a child of the one that connected.
        """
        if self.forked:
            raise ForkedError("this connection belongs to the parent process; connect again")
        if not self.lock.try_acquire():
            self.wait_for_lock()

    def wait_for_lock(self) -> None:
        """Take the lock from another thread. Raises as `enter`."""
        if self.lock.mine():
            raise WouldDeadlock(
                "called from inside a driver's op, a signal handler or a finalizer that "
                "interrupted another call on the same controller"
            )
        self.lock.acquire()

    def leave(self) -> None:
        """Settle what was set off, release the lock, then act."""
        if self.eventful:
            self.leave_eventful()
        else:
            self.lock.release()

    def leave_eventful(self) -> None:
        """See `leave`; something may have been set off.

        What a signal handler raised while the lock was held is raised here, on its own thread.
        """
        interrupted: BaseException | None = None
        try:
            self.eventful = False  # before settling: a finalizer may note something at any time
            self.settle()
        finally:
            interrupted = self.interrupted  # once the lock is free, others leave as well
            self.interrupted = None
            if self.wakes or self.kicks or self.ports:
                self.unlock_and_act()
            else:
                self.lock.release()
        if interrupted is not None:
            raise interrupted

    def defer(self, error: BaseException) -> bool:
        """Keep what a signal handler raised until the state is whole. Under the lock.

        Returns:
            False if it comes from the code that was called: that is for the caller to judge.
        """
        interrupt = interrupt_of(error)
        if interrupt is None:
            return False
        self.interrupted = interrupt
        self.eventful = True
        return True

    def undisturbed(self, function: Callable[[Unpack[Ts]], T], *args: Unpack[Ts]) -> T:
        """Return ``function(*args)``, again if a signal handler raises in it. Under the lock.

        What the handler raised comes out when the lock is released.
        """
        for _ in range(TRIES_MAX):
            try:
                return function(*args)
            except BaseException as error:
                if not self.defer(error):
                    raise
        return function(*args)

    def call(self, decide: Callable[[Unpack[Ts]], object], *args: Unpack[Ts]) -> None:
        """Run ``decide(*args)`` under the lock; from inside, leave it as a note for `leave`.

        This is how drivers report and how anything enters that may come at any moment.
        """
        if self.forked:
            return
        if self.lock.mine():
            self.note(decide, *args)
            return
        self.lock.acquire()
        try:
            decide(*args)
        finally:
            self.leave()

    def run(self, decide: Callable[[Unpack[Ts]], T], *args: Unpack[Ts]) -> T:
        """Return ``decide(*args)``, made under the lock. Raises as `enter`.

        Modules that are not compiled use it: no signal can come between lock and ``try`` here.
        """
        self.enter()
        try:
            return decide(*args)
        finally:
            self.leave()

    def call_surely(self, decide: Callable[[Unpack[Ts]], object], *args: Unpack[Ts]) -> None:
        """As `call`, for cleaning up: signal handlers wait until it is done. May run twice."""
        surely(self.call, decide, *args)

    def note(self, decide: Callable[[Unpack[Ts]], object], *args: Unpack[Ts]) -> None:
        """Leave ``decide(*args)`` for the next `leave`, of any thread (finalizers)."""
        self.notes.append((decide, args))
        self.eventful = True

    # -- what is to be done when the lock is released; under the lock

    def refill(self, queue: Refilled) -> None:
        """Call ``queue.refill()`` before the lock is released."""
        self.dirty.append(queue)
        self.eventful = True

    def wake(self, parker: Parker) -> None:
        """Wake a thread that sleeps."""
        self.wakes.append(parker)
        self.eventful = True

    def kick(self, party: Kicked) -> None:
        """Call ``party.kick()``."""
        self.kicks.append(party)
        self.eventful = True

    def post(self, port: Callable[[Unpack[Ts]], object], *args: Unpack[Ts]) -> None:
        """Call ``port(*args)``, in the order of these calls."""
        self.ports.append((port, args))
        self.eventful = True

    def settle(self) -> None:
        """Run notes and refill queues until nothing is left to decide. Under the lock."""
        while True:
            if self.notes:
                decide, args = self.notes.popleft()
                try:
                    self.undisturbed(decide, *args)
                except Exception as error:  # the thread that leaves the gate now has no part in it
                    self.post(complain, "%r raised", decide, error)
            elif self.dirty:
                queue = self.dirty.pop()
                queue.dirty = False  # before the refill, which may free something and mark it again
                queue.refill()
            else:
                return  # what a finalizer notes from now on is the next leave's

    def unlock_and_act(self) -> None:
        """Release the lock, wake and kick whom the decisions concern, run the ports."""
        wakes = self.wakes
        kicks = self.kicks
        if wakes:  # swapped, not copied: from the release on, other threads fill new lists
            self.wakes = []
        if kicks:
            self.kicks = []
        for parker in wakes:
            parker.kick()  # under the lock: no thread can close the descriptor
        self.lock.release()
        for parker in wakes:
            self.clock.unpark(parker)
        interrupted: BaseException | None = None
        for kicked in kicks:
            interrupted = kick_surely(kicked) or interrupted
        if self.ports:
            self.run_ports()
        if interrupted is not None:
            raise interrupted

    def run_ports(self) -> None:
        """Call driver-level ports inline, one at a time, in the order decided.

        A thread that finds another one at it leaves its calls to that one. A port that raises is
        logged and hurts nobody else; what a signal handler raised in one is raised at the end.
        """
        interrupted: BaseException | None = None
        # Asked again after the release: a thread that found us at it has left its calls here.
        while self.ports and not self.draining.mine():
            if not self.draining.try_acquire():
                return
            try:
                while self.ports:
                    port, args = self.ports.popleft()
                    try:
                        port(*args)
                    except BaseException as error:
                        interrupt = interrupt_of(error)
                        if interrupt is not None:
                            interrupted = interrupt
                        else:
                            complain("port %r raised", port, error)
            finally:
                self.draining.release()
        if interrupted is not None:
            raise interrupted

    # -- who listens; under the lock

    def add_tap(self, tap: Tap) -> None:
        """Tell one more."""
        self.taps = [*self.taps, tap]
        self.tap = together(self.taps)

    def drop_tap(self, tap: Tap) -> None:
        """Tell one less."""
        self.taps = [each for each in self.taps if each is not tap]
        self.tap = together(self.taps)

    def close(self) -> None:
        """Nothing is decided any more: the deputies of the main thread may go."""
        if self.deputies is not None:
            self.deputies.close()

    def may_wait(self) -> None:
        """Refuse a wait that could never end.

        Raises:
            WouldDeadlock: called under the lock or inside a port.
        """
        if self.lock.mine() or self.draining.mine():
            raise WouldDeadlock(
                "a blocking call inside a driver's op or port: use submit or post there"
            )


if not COMPILED:
    deputise(Gate, "call", "call_surely", "run")
