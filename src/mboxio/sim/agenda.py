"""What is due when, in virtual time: the compiled build keeps it in an array of numbers."""

from heapq import heappop, heappush
from itertools import count
from typing import Any

from mboxio._base.states import FOREVER

__all__ = ["Agenda"]


class Agenda:
    """Things with the times at which they are due; it is never looked at by two threads at once."""

    __slots__ = ("heap", "numbers")

    def __init__(self) -> None:
        self.heap: list[tuple[int, int, Any]] = []
        self.numbers = count()

    def add(self, when_ns: int, what: Any) -> None:
        """Note that something is due at a time. One step for all threads."""
        heappush(self.heap, (when_ns, next(self.numbers), what))

    def first_ns(self) -> int:
        """Return when the first one is due, or `FOREVER`."""
        return self.heap[0][0] if self.heap else FOREVER

    def pop(self) -> Any:
        """Take out the first one: of those that are due at the same time, the one added first.

        Raises:
            IndexError: there is none.
        """
        return heappop(self.heap)[2]
