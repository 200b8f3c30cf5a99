"""The pure build's core runs where no signal handler does: never on the main thread.

Python runs signal handlers on the main thread, between any two bytecodes, and what they raise comes
out there. Compiled code has no such places; code in Python has thousands, and in most of them a
message, a slot or a lock would be lost. So the main thread has its calls into the core made by a
deputy, a thread of the connection, and waits for it. If the wait is interrupted, the errand is
forsaken: a deputy that sleeps for it is woken and gives up, as the caller itself would have done,
and the caller goes on when that is done.

The way to the deputy is itself open to signals. What it relies on: the interpreter looks for them
where a function begins, at the end of a call and where a loop jumps back, so not between an
exception and the first assignment of its handler; and a call into C is made as a whole.
"""

import os
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable
from functools import wraps
from queue import SimpleQueue
from threading import RLock, Thread, current_thread, main_thread
from time import monotonic
from typing import Any, Protocol, TypeVar

__all__ = [
    "ERRANDS",
    "Deputies",
    "Forsaken",
    "acting",
    "check_errand",
    "deputise",
    "join_daemon",
    "left_for_caller",
]

SLICE_S = 0.2
"""A signal that comes right before a wait does not end it: its handler runs this late at most."""
CLEAN_UP_S = 2.0
"""How long an interrupted caller waits for its deputy to give up; an op may hang."""


T = TypeVar("T")


class Kicked(Protocol):
    """What a deputy sleeps on."""

    def kick(self) -> None:
        """See `Parker.kick`."""


class Lock(Protocol):
    """The mutex of a gate, which lies above."""

    def acquire(self) -> None:
        """See `Mutex.acquire`."""

    def release(self) -> None:
        """See `Mutex.release`."""


class Unparks(Protocol):
    """A clock, as it wakes a deputy."""

    def unpark(self, parker: Any) -> None:
        """See `Clock.unpark`."""


class Guard(Protocol):
    """The gate of a connection, as its deputies need it."""

    forked: bool

    @property
    def lock(self) -> Lock:
        """See `Gate`."""
        ...

    @property
    def clock(self) -> Unparks:
        """See `Gate`."""
        ...


class Forsaken(BaseException):
    """Whoever sent this thread has gone. It never reaches a user."""


class Errand:
    """One call that a deputy makes."""

    __slots__ = (
        "afterwards",
        "args",
        "ended",
        "error",
        "forsaken",
        "function",
        "options",
        "over",
        "parker",
        "result",
        "sent",
    )

    def __init__(
        self, function: Callable[..., object], args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        self.function = function
        self.args = args
        self.options = options
        self.over = allocate_lock()
        self.over.acquire()
        self.sent = self.forsaken = self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.parker: Kicked | None = None  # on which the deputy sleeps
        self.afterwards: list[Callable[[], object]] = []  # for the caller's own thread

    def wait(self, timeout_s: float = -1) -> None:
        """Wait until the call is over. Any number of threads may."""
        while not self.ended:
            if self.over.acquire(True, SLICE_S if timeout_s < 0 else min(timeout_s, SLICE_S)):
                self.over.release()
                return
            if timeout_s >= 0:
                timeout_s -= SLICE_S
                if timeout_s <= 0:
                    return

    def conclude(self) -> None:
        """Do what was left for the caller's own thread."""
        while self.afterwards:
            try:
                function = self.afterwards.pop(0)
            except IndexError:
                return  # two are at it
            function()

    def run(self) -> None:
        """Make the call. On the deputy's thread."""
        ERRANDS[get_ident()] = self
        try:
            if not self.forsaken:
                self.result = self.function(*self.args, **self.options)
        except BaseException as error:
            self.error = error
        finally:
            del ERRANDS[get_ident()]
            if self.forsaken:
                self.conclude()
            self.ended = True
            self.over.release()


ERRANDS: dict[int, Errand] = {}
"""What each deputy is at, by its thread."""


def check_errand() -> None:
    """Raise `Forsaken` if the result of this thread is not awaited any more."""
    errand = ERRANDS.get(get_ident())
    if errand is not None and errand.forsaken:
        raise Forsaken


def acting() -> int:
    """Return the thread that called what runs now: the main thread where its deputy does."""
    here = get_ident()
    return (_main or 0) if here in ERRANDS else here


def left_for_caller(function: Callable[[], object]) -> bool:
    """Have the main thread call a function when it has its deputy's answer; False on no deputy."""
    errand = ERRANDS.get(get_ident())
    if errand is None:
        return False
    errand.afterwards.append(function)
    return True


class Deputies:
    """The deputies of one connection: one, and one more for each handler that interrupts it.

    Args:
        name: of the threads.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = RLock()  # handlers take it once more
        self.inbox: SimpleQueue[Errand | None] = SimpleQueue()
        self.staff: list[Thread] = []
        self.hired = 0  # of whom the latest may not have come yet
        self.under_way: dict[Errand, None] = {}
        self.ended = False

    def run(
        self,
        gate: Guard,
        function: Callable[..., T],
        args: tuple[Any, ...],
        options: dict[str, Any],
        undo: Callable[..., object] | None = None,
    ) -> T:
        """Have ``function(*args, **options)`` called by a deputy. On the main thread.

        Args:
            undo: called with the same arguments if the caller will never hear of the result.

        Raises:
            BaseException: what the function raised, or what a signal handler raised during it.
        """
        errand = Errand(function, args, options)
        try:
            sent = self.send(gate, errand)
            if sent:
                errand.wait()
                errand.conclude()
                if self.ended:
                    self.see_off()
        except BaseException:
            errand.forsaken = True  # no signal can come between these and before them
            if errand.sent and not errand.ended:
                try:
                    start_new_thread(_recall, (gate, errand))
                except RuntimeError:
                    pass  # it asks when it wakes on its own
                errand.wait(CLEAN_UP_S)
            errand.conclude()
            if undo is not None and errand.sent:
                self.run(gate, undo, args, options)
            raise
        if not sent:
            return function(*args, **options)
        if errand.error is None:
            result: T = errand.result
            return result
        try:
            raise errand.error
        finally:
            del errand  # the error's traceback leads here

    def send(self, gate: Guard, errand: Errand) -> bool:
        """Send a deputy on an errand; False if there is none, and can be none."""
        with self.lock:
            if self.ended or gate.forked or sys.is_finalizing():
                return False
            self.under_way[errand] = None
            for each in list(self.under_way):
                if each.ended:
                    self.under_way.pop(each, None)
            if len(self.under_way) > len(self.staff) and not self.hire():
                return False
            errand.sent = True  # no signal can come between this and the next
            self.inbox.put(errand)
            return True

    def hire(self) -> bool:
        """Add a deputy; False if the system has no thread for it."""
        try:
            start_new_thread(_hire, (self.staff, self.inbox, self.name))
        except RuntimeError:
            return False
        self.hired += 1
        return True

    def close(self) -> None:
        """The connection has ended: so do its deputies, after what they are at."""
        with self.lock:
            self.ended = True
            self.inbox.put(None)
        self.see_off()

    def see_off(self) -> None:
        """Wait until those who have nothing more to do are gone."""
        end_s = monotonic() + CLEAN_UP_S
        while len(self.staff) < self.hired and monotonic() < end_s:
            os.sched_yield()
        me = get_ident()
        for thread in self.staff:
            if thread.ident != me:
                join_daemon(thread, CLEAN_UP_S)

    def __del__(self) -> None:
        # Of a forgotten connection, in any order with what closes it: that is done by others then.
        self.inbox.put(None)
        self.inbox = SimpleQueue()
        self.staff = []
        self.hired = 0


def join_daemon(thread: Thread, timeout_s: float) -> None:
    """Wait for a daemon thread to end, unless Python ends: then none of them runs any more.

    From Python 3.14 on, ``Thread.join`` raises then.
    """
    if not sys.is_finalizing():
        thread.join(timeout_s)


def _hire(staff: list[Thread], inbox: "SimpleQueue[Errand | None]", name: str) -> None:
    # To start a Thread takes many steps, and no signal may come between them; what starts this
    # thread, which has no name, is a single call into C.
    Thread(target=_work, args=(staff, inbox), name=name, daemon=True).start()


def _recall(gate: Guard, errand: Errand) -> None:
    # Without a parker it has not slept yet, and asks before it does.
    parker = errand.parker
    if parker is None or errand.ended:
        return
    gate.lock.acquire()
    try:
        parker.kick()  # as `Gate.unlock_and_act` does, and nothing else: ports are not for us
    finally:
        gate.lock.release()
    gate.clock.unpark(parker)


def _work(staff: list[Thread], inbox: "SimpleQueue[Errand | None]") -> None:
    # A deputy holds nothing of its connection while it waits.
    staff.append(current_thread())
    while True:
        errand = inbox.get()
        if errand is None:
            inbox.put(None)  # for the next one
            return
        errand.run()
        del errand


_main = main_thread().ident


def _after_fork() -> None:
    global _main
    _main = get_ident()
    ERRANDS.clear()


os.register_at_fork(after_in_child=_after_fork)


def deputise(cls: type[Any], *names: str, undo: Callable[..., object] | None = None) -> None:
    """Have these methods of a gate, or of who has one, done by deputies for the main thread.

    They are those that take the lock, and those whose steps belong together.

    Args:
        cls: the class.
        names: of its methods.
        undo: what to call, as the method was, if its caller is interrupted.
    """
    for name in names:
        setattr(cls, name, _deputised(getattr(cls, name), undo))


def _deputised(
    method: Callable[..., Any], undo: Callable[..., object] | None
) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        if get_ident() != _main:
            return method(self, *args, **options)
        gate = getattr(self, "_gate", None) or getattr(self, "gate", self)
        if gate.lock.mine():  # the caller took it by hand, and must not wait for itself
            return method(self, *args, **options)
        return gate.deputies.run(gate, method, (self, *args), options, undo)

    return call
