"""When the requests of a connection want to be done, for accesses that hang meanwhile."""

import math
from collections.abc import Iterator, Sequence

from mboxio._base.gate import Gate
from mboxio._base.request import Request
from mboxio._base.states import FOREVER, NEW, SENDING
from mboxio._queue.queue import Queue

__all__ = ["Hurry"]

FORGOTTEN_NS = 10_000_000_000
"""Who is so late has been forgotten here: no access lasts so long."""


class Hurry:
    """The deadlines of one connection; an `Awaited`.

    Those of requests in flight and in line, and of callers who cannot even hand theirs in, because
    an access is being made under the lock.

    Args:
        gate: of the connection.
        queues: of the connection; the list itself, to which more are added.
    """

    def __init__(self, gate: Gate, queues: Sequence[Queue]) -> None:
        self.gate = gate
        self.queues = queues
        self.coming: dict[Request, int] = {}  # and since when

    def comes(self, request: Request) -> int:
        """Note that a request is to be handed in; returns since when. Without the lock."""
        return self.coming.setdefault(request, self.gate.clock.now_ns())

    def came(self, request: Request) -> None:
        """It was handed in or refused, or nobody wants it any more. Idempotent."""
        self.coming.pop(request, None)

    def concerned(self) -> bool:
        """See `Awaited.concerned`."""
        return self.gate.lock.mine()

    def left_s(self, lasted_s: float) -> float:
        """See `Awaited.left_s`; the lock is held, by whom the caller of this waits for or is."""
        now_ns = self.gate.clock.now_ns()
        first_ns = min(self.deadlines_ns(now_ns - int(lasted_s * 1e9)), default=FOREVER)
        return math.inf if first_ns >= FOREVER else (first_ns - now_ns) / 1e9

    def deadlines_ns(self, began_ns: int) -> Iterator[int]:
        """Yield until when each request has time, `FOREVER` if that has no end."""
        for queue in self.queues:
            for request in queue.in_flight():
                if request._state == SENDING:  # its time begins with the access that is under way
                    yield began_ns + request._timeout_ns
                elif not request.over:
                    yield request._deadline_ns
            for client in queue.line:
                yield from (request._deadline_ns for request in client._backlog.line)
        for request, came_ns in list(self.coming.items()):  # others add to it without the lock
            until_ns = came_ns + max(request._timeout_ns, request._queue_timeout_ns)
            if until_ns < began_ns - FORGOTTEN_NS:
                self.came(request)
            elif request._state == NEW:
                yield until_ns
