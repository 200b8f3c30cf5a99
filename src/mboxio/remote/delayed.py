"""Replies that go later: firmware takes its time, and `Faults` spoil what it says."""

import heapq

from mboxio.remote.faults import Disturbance
from mboxio.remote.stats import RemoteStats

__all__ = ["Delayed", "Reply"]

Reply = tuple[int, int, bytes]
"""Its kind, whom it goes to, and what it is; a negative kind lies about its length."""


class Delayed:
    """The replies of one channel that are not due yet.

    Args:
        stats: where to count what goes wrong.

    Attributes:
        due: a heap of times, in nanoseconds, what keeps those of one time in order, and replies.
    """

    def __init__(self, stats: RemoteStats) -> None:
        self.due: list[tuple[int, int, Reply]] = []
        self._stats = stats
        self._sequence = 0
        self._held: tuple[int, int, Reply] | None = None

    def add(self, reply: Reply, due_ns: int, disturbance: Disturbance | None) -> None:
        """Have a reply go at a time, or as its fate wills."""
        if disturbance is None:
            self._push(due_ns, reply)
            return
        fate, stats = disturbance.draw(), self._stats
        if fate.missing:
            stats.missing += 1
            return
        if fate.oversize:
            stats.oversize += 1
            reply = (-reply[0], *reply[1:])
        if fate.late:
            stats.late += 1
            due_ns += disturbance.late_ns
        if fate.reorder and self._held not in self.due:
            stats.reordered += 1
            self._held = self._push(due_ns + disturbance.reorder_ns, reply)
        else:
            self._push(due_ns, reply)
            self._let_go(due_ns)
        if fate.duplicate:
            stats.duplicate += 1
            self._push(due_ns, reply)

    def is_due(self, now_ns: int) -> bool:
        """Return whether one goes now."""
        return bool(self.due) and self.due[0][0] <= now_ns

    def take(self) -> Reply:
        """Take the next one."""
        return heapq.heappop(self.due)[2]

    def _push(self, due_ns: int, reply: Reply) -> tuple[int, int, Reply]:
        self._sequence += 1
        # Replies that are due together keep their order, and are never compared.
        entry = (due_ns, self._sequence, reply)
        heapq.heappush(self.due, entry)
        return entry

    def _let_go(self, due_ns: int) -> None:
        """Let the reply that was held back follow the one that goes at `due_ns`."""
        held, self._held = self._held, None
        if held in self.due:
            self.due.remove(held)
            heapq.heapify(self.due)
            self._push(due_ns, held[2])
