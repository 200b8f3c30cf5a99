"""The primitives that the core needs from the machine; the compiled build has its own."""

import select
from os import sched_yield
from sys import _getframe
from threading import RLock
from time import monotonic_ns
from types import FrameType

from mboxio._base.deputies import check_errand
from mboxio._base.states import FOREVER

__all__ = ["COMPILED", "Monotonic", "Mutex", "sleep_on", "with_word", "word_at"]

COMPILED = False
SLEEP_MAX_MS = 3_600_000.0
"""poll(2) takes no more than 24 days; a sleeper looks at its deadline again anyway."""
SHORT_MS, SELECT_MAX = 2.0, 1024
"""poll(2) sleeps for whole milliseconds; select(2) does not, and knows no higher descriptors."""


class Mutex:
    """A lock that knows whether the calling thread is inside. It is never taken twice.

    Ctrl-C can come between the call that takes the lock and the ``try`` that gives it back. The
    frame that is responsible is remembered, so that a lock whose frame is gone is found and freed
    by its thread's next call.
    """

    __slots__ = ("_holder", "_lock")

    def __init__(self) -> None:
        self._lock = RLock()  # it knows its owner, as a plain lock does not
        self._holder: FrameType | None = None

    def acquire(self) -> None:
        """Take the lock."""
        self._lock.acquire()
        self._holder = _responsible(_getframe(1))

    def try_acquire(self) -> bool:
        """Take the lock if it is free; it is not while this thread is inside."""
        if self.mine() or not self._lock.acquire(False):  # an RLock lets its owner in again
            return False
        self._holder = _responsible(_getframe(1))
        return True

    def release(self) -> None:
        """Give the lock back. Only who took it calls this."""
        self._holder = None
        self._lock.release()

    def mine(self) -> bool:
        """Return whether the calling thread is inside."""
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            return False
        frame: FrameType | None = _getframe(1)
        while frame is not None:
            if frame is self._holder or frame.f_code in _TAKING:
                return True  # also for a finalizer that runs while the lock changes hands
            frame = frame.f_back
        self.release()
        return False


def _responsible(frame: FrameType) -> FrameType | None:
    # Gate.enter and Gate.wait_for_lock take the lock for their caller.
    if frame.f_code.co_name == "wait_for_lock" and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_back if frame.f_code.co_name == "enter" else frame


_TAKING = (Mutex.acquire.__code__, Mutex.try_acquire.__code__, Mutex.release.__code__)


class Monotonic:
    """The system's monotonic clock."""

    __slots__ = ()

    def now_ns(self) -> int:
        """Return the time in nanoseconds; only differences mean something."""
        return monotonic_ns()

    def relax(self) -> None:
        """Let other threads of this process run between two looks."""
        sched_yield()

    def give_way(self) -> None:
        """Let whoever else wants this CPU have it for once."""
        sched_yield()

    def check_signals(self) -> None:
        """Give up what a signal handler has ended, before a sleep.

        Raises:
            Forsaken: on a deputy whose caller has gone.
        """
        check_errand()


def sleep_on(poller: "select.poll", watched: tuple[int, ...], left_ns: int) -> list[int]:
    """Sleep until a descriptor is readable, in error or closed; may return early.

    Args:
        poller: has them registered, for builds that need it.
        watched: the descriptors.
        left_ns: how long at most, in nanoseconds; FOREVER: without an end.

    Returns:
        Those that are; none if the time is over, or a signal came.
    """
    if left_ns == FOREVER:
        return [descriptor for descriptor, _ in poller.poll()]
    left_ms = max(0.0, left_ns / 1e6 + 0.001)  # early would cost a sleep more
    if left_ms < SHORT_MS and max(watched) < SELECT_MAX:
        try:
            select.select(watched, (), (), left_ms / 1e3)
        except (OSError, ValueError):
            pass  # one was closed, which poll takes for an event
        left_ms = 0.0
    # Also after `select`, which is only for short times: this says what is readable.
    return [descriptor for descriptor, _ in poller.poll(min(left_ms, SLEEP_MAX_MS))]


def word_at(message: bytes, at: int) -> int:
    """Return the little-endian 32-bit word at a byte offset.

    Raises:
        IndexError: the message ends before the word does.
    """
    if at < 0 or at + 4 > len(message):
        raise IndexError("the message ends before the word does")
    return int.from_bytes(message[at : at + 4], "little")


def with_word(message: bytes, at: int, value: int) -> bytes:
    """Return a copy of a message with another word at a byte offset; raises as `word_at`."""
    if at < 0 or at + 4 > len(message):
        raise IndexError("the message ends before the word does")
    return message[:at] + value.to_bytes(4, "little") + message[at + 4 :]
