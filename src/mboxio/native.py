"""The two primitives that the core needs from the machine; the compiled build has its own."""

from threading import Lock, get_ident
from time import monotonic_ns, sleep

__all__ = ["Monotonic", "Mutex"]


class Mutex:
    """A plain lock that knows which thread holds it.

    Not re-entrant. ``mine()`` lets a caller that comes back from inside (a driver's op, a signal
    handler, a finalizer) notice it instead of waiting for itself.
    """

    __slots__ = ("_lock", "owner")

    def __init__(self) -> None:
        self._lock = Lock()
        self.owner = 0

    def acquire(self) -> None:
        """Take the lock; waits without the GIL."""
        self._lock.acquire()
        self.owner = get_ident()

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        if self._lock.acquire(False):
            self.owner = get_ident()
            return True
        return False

    def release(self) -> None:
        """Give the lock back. Only its owner calls this."""
        self.owner = 0
        self._lock.release()

    def mine(self) -> bool:
        """Tell whether the calling thread holds the lock."""
        return self.owner == get_ident()


class Monotonic:
    """The system's monotonic clock."""

    __slots__ = ()

    def now_ns(self) -> int:
        """Return the time in nanoseconds; only differences mean something."""
        return monotonic_ns()

    def relax(self) -> None:
        """Let other threads of this process run between two looks."""
        sleep(0)

    def check_signals(self) -> None:
        """Raise what a signal handler wants raised; the interpreter does so by itself here."""
