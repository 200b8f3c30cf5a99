"""Flushes: waiting until everything that a client sent has left the hardware's slots."""

from mboxio._base.completion import Flush
from mboxio._base.gate import Gate
from mboxio._base.request import Owner, Request
from mboxio._base.states import HOLDS_SLOT

__all__ = ["Flushes"]


class Flushes:
    """The flushes of one client that are not over. Everything here runs under the lock.

    Args:
        gate: of the connection.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.open: list[Flush] = []

    def start(self, client: Owner, waiting: list[Request]) -> Flush:
        """Return what is over when all that ``client`` has in slots or ``waiting`` is TX done."""
        in_slots: list[Request] = [
            request
            for request in client._queue.in_flight()
            if request._owner is client and request._holds & HOLDS_SLOT
        ]
        flush = Flush(client, in_slots + waiting)
        if flush._waiting_for:
            self.open.append(flush)
        else:
            flush._finish(self.gate)
        return flush

    def stop(self, flush: Flush) -> None:
        """Forget a flush that has no waiter any more."""
        if flush in self.open:
            self.open.remove(flush)

    def slot_freed(self, request: Request) -> None:
        """A message left its slot, or never had one."""
        for flush in list(self.open):
            if request in flush._waiting_for:
                flush._waiting_for.remove(request)
            if not flush._waiting_for:
                self.open.remove(flush)
                flush._finish(self.gate)

    def close(self) -> None:
        """The client is closed: nothing of it is in a slot that anybody waits for."""
        while self.open:
            self.open.pop()._finish(self.gate)
