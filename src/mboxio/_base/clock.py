"""Time and waiting. Every wait of the core goes through a `Clock`, so that one can be virtual."""

import os
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from threading import Thread, Timer
from typing import Any, Protocol

from mboxio._base.deputies import ERRANDS, join_daemon
from mboxio._base.native import Monotonic
from mboxio._base.states import FOREVER


class Waitable(Protocol):
    """What is over at some time: a `Request`, as those see it who are told."""

    over: bool
    _state: int
    _value: Any


class Wakes(Protocol):
    """The gate, which wakes threads once the lock is released."""

    def wake(self, parker: "Parker") -> None:
        """See `Gate.wake`."""


class Watcher:
    """A party that is told when a `Request` is over.

    ``fire`` is called once, under the controller's lock: it only notes who has to be woken.
    """

    __slots__ = ()

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """Note that ``waitable`` is over. Runs under the lock: no user code, no waiting."""
        raise TypeError(f"{type(self).__name__} does not say whom it tells")


class Parker(Watcher):
    """One thread's place to sleep. A wake-up that comes before the sleep is not lost."""

    __slots__ = (
        "below",
        "kick_fd",
        "lock",
        "now_ns",
        "poller",
        "thread_id",
        "wake_ns",
        "watched",
        "woken",
    )

    def __init__(self) -> None:
        self.lock: Any = None  # to sleep on, made for the first sleep: see `sleeping_lock`
        self.woken = False  # before there was a lock
        self.kick_fd = -1  # where the thread sleeps on descriptors, else -1
        self.poller: Any = None  # and with what
        self.watched: tuple[int, ...] = ()
        self.wake_ns = 0  # when it wants to wake; 0: it does not sleep now
        self.now_ns = 0  # the time when that was decided, if no time has passed since; else 0
        self.thread_id = get_ident()
        self.below: Parker | None = None  # whom this one relieves on the same thread
        if ERRANDS:
            errand = ERRANDS.get(self.thread_id)
            if errand is not None:
                errand.parker = self

    def fire(self, core: Wakes, waitable: Waitable) -> None:
        """Wake the parked thread after the lock is released."""
        core.wake(self)

    def sleeping_lock(self) -> Any:
        """Return the lock that this thread sleeps on; called by itself.

        Taking one reads the clock, which may be a system call: who sleeps on descriptors has none.
        """
        lock = self.lock
        if lock is None:
            lock = allocate_lock()
            lock.acquire()
            self.lock = lock  # from here on a wake-up finds it
            if self.woken:
                _release(lock)
        return lock

    def kick(self) -> None:
        """Wake the thread if it sleeps on descriptors."""
        if self.kick_fd >= 0:
            os.eventfd_write(self.kick_fd, 1)


def _release(lock: Any) -> None:
    """Wake the thread that sleeps on a lock."""
    try:
        lock.release()
    except RuntimeError:
        return  # it was awake already, and stays so for one more look


class Handle(Protocol):
    """What `Clock.call_at` returns."""

    def cancel(self) -> None:
        """Forget the call. Nothing happens if it has run."""


class Clock(Monotonic):
    """The system's monotonic clock, and the contract for others.

    A subclass that overrides one method overrides all of them; ``sim.VirtualClock`` does.
    """

    __slots__ = ()

    # now_ns() is inherited: nanoseconds of CLOCK_MONOTONIC.

    def park(self, parker: Parker, until_ns: int) -> None:
        """Sleep until `unpark`, or until the clock shows ``until_ns``; may return early.

        Raises:
            KeyboardInterrupt: in the main thread, as every wait of Python.
        """
        lock = parker.sleeping_lock()
        if until_ns == FOREVER:
            lock.acquire()
            return
        left_ns = until_ns - self.now_ns()
        if left_ns > 0:
            # The longest wait that threading can express; callers look again anyway.
            lock.acquire(True, min(left_ns / 1e9, 86_400.0))
        else:
            lock.acquire(False)

    def unpark(self, parker: Parker) -> None:
        """Wake the thread that sleeps on ``parker``, or let its next `park` return at once."""
        if parker.lock is None:
            parker.woken = True
        lock = parker.lock  # asked again: it may have been made in between
        if lock is not None:
            _release(lock)

    def call_at(self, when_ns: int, callback: Callable[[], object]) -> Handle:
        """Call ``callback`` once, in a thread of its own, when the clock shows ``when_ns``."""
        timer = Timer(max(0.0, (when_ns - self.now_ns()) / 1e9), callback)
        timer.daemon = True
        timer.start()
        return timer

    def spawn(self, target: Callable[[], object], name: str) -> Thread:
        """Start a thread that may park on this clock."""
        thread = Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def join(self, thread: Thread, timeout_s: float) -> None:
        """Wait for a thread made by `spawn` to end."""
        join_daemon(thread, timeout_s)


SYSTEM = Clock()
"""The clock that controllers use unless they are given another."""
