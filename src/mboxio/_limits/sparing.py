"""A log that the other side cannot flood."""

import logging
from threading import Lock
from time import monotonic_ns

from mboxio._limits.budget import Budget

__all__ = ["Sparing", "log"]

AT_ONCE, PER_S = 100, 10
"""So many records of a kind are logged, whatever hosts and remotes do to cause more."""


class Sparing(logging.Filter):
    """Leaves out records where there are too many of a kind; the next one says how many.

    A kind is a format: there are few, and all are ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._kinds: dict[object, tuple[Budget, list[int]]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        # A signal handler may log in the middle of this, and a fork may keep the lock taken:
        # then the record is let through.
        if not self._lock.acquire(blocking=False):
            return True
        try:
            kind = self._kinds.setdefault(record.msg, (Budget(AT_ONCE, PER_S), [0]))
            budget, left_out = kind
            if budget.wait_ns(monotonic_ns()):
                left_out[0] += 1
                return False
            budget.spend(1, monotonic_ns())
            count, left_out[0] = left_out[0], 0
        finally:
            self._lock.release()
        if count:
            record.msg = f"{record.msg} ({count} more like it were left out)"
        return True

    def forget(self) -> None:
        """Begin again, as if nothing had been logged."""
        self._kinds.clear()


log = logging.getLogger("mboxio")
log.addFilter(Sparing())
