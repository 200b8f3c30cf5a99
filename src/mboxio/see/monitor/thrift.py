"""Painting costs time: a large screen is painted less often, so that the rest of a core is free."""

from time import monotonic, thread_time

__all__ = ["Thrift"]

SHARE = 0.25


class Thrift:
    """Says when it is time to paint again. On one thread."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self._next_s = 0.0

    def may_paint(self) -> bool:
        """Return whether painting has cost no more than a quarter of the time; it begins now."""
        if monotonic() < self._next_s:
            return False
        self._began_s = thread_time()
        return True

    def painted(self) -> None:
        """Count what it has cost since it began."""
        self._next_s = monotonic() + (thread_time() - self._began_s) * (1 / SHARE - 1)
