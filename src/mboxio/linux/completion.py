"""Completions: how a client sleeps until its callback has been called."""

import threading
from collections import deque

from mboxio._base.clock import SYSTEM, Clock, Parker
from mboxio._base.states import FOREVER
from mboxio._base.timeouts import nanoseconds
from mboxio.errors import WouldDeadlock
from mboxio.linux.waiting import in_interrupt

__all__ = [
    "complete",
    "complete_all",
    "completion",
    "reinit_completion",
    "wait_for_completion",
    "wait_for_completion_timeout",
]

ALL = 1 << 62
"""What ``complete_all`` counts as: more than ever wait."""


class completion:
    """Counts what was completed and not waited for. It begins with nothing: ``init_completion``.

    Args:
        clock: the one on which time-outs run.
    """

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.done = 0
        self.waiters: deque[Parker] = deque()


def complete(x: completion, count: int = 1) -> None:
    """Wake one waiter, now or later. From any context."""
    with x.lock:
        x.done = min(ALL, x.done + count)
        for waiter in list(x.waiters)[:count]:
            x.clock.unpark(waiter)


def complete_all(x: completion) -> None:
    """Wake all waiters, also all later ones, until `reinit_completion`. From any context."""
    complete(x, ALL)


def reinit_completion(x: completion) -> None:
    """Forget what was completed."""
    with x.lock:
        x.done = 0


def wait_for_completion(x: completion) -> None:
    """Wait until somebody completes it.

    Raises:
        WouldDeadlock: called from an interrupt or a callback, where nothing may sleep.
    """
    _wait(x, FOREVER)


def wait_for_completion_timeout(x: completion, timeout: float) -> int:
    """Wait so many milliseconds at most (the kernel counts jiffies).

    Returns:
        0 if the time is over, else what is left of it, at least 1.

    Raises:
        WouldDeadlock: as `wait_for_completion`.
    """
    until_ns = x.clock.now_ns() + nanoseconds(timeout / 1000)
    if not _wait(x, until_ns):
        return 0
    return max(1, (until_ns - x.clock.now_ns()) // 1_000_000)


def _wait(x: completion, until_ns: int) -> bool:
    """Wait; returns False if the time is over."""
    if in_interrupt():
        raise WouldDeadlock("a completion cannot be waited for in an interrupt or a callback")
    waiter = Parker()
    with x.lock:
        x.waiters.append(waiter)
    try:
        while True:
            with x.lock:
                if x.done:
                    if x.done < ALL:
                        x.done -= 1
                    return True
            if x.clock.now_ns() >= until_ns:
                return False
            x.clock.park(waiter, until_ns)
    finally:
        with x.lock:
            x.waiters.remove(waiter)
            if x.done and x.waiters:  # one that woke and left its turn to another
                x.clock.unpark(x.waiters[0])
