"""Blocking clients of a controller whose accesses take long, for example behind a debug probe."""

from mboxio._base.gate import surely
from mboxio._base.request import Request
from mboxio._base.states import QUEUED
from mboxio.client.blocking import Client
from mboxio.client.verbs import Verbs

__all__ = ["Announced", "PatientClient"]

WAITED_NS = 1_000_000
"""Who waited no longer for the lock than this has not waited."""


class Announced(Verbs):
    """A client that says when it wants to be done before it waits for the lock.

    An access may be under way that hangs, and would keep it waiting.
    """

    def _hand_in(self, request: Request, waits: bool) -> None:
        """See `Endpoint._hand_in`."""
        hurry = self._host.hurry
        try:
            came_ns = hurry.comes(request)
            super()._hand_in(request, waits)
        finally:
            surely(hurry.came, request)
        if request._state == QUEUED:
            self._gate.call(self._count_waiting, request, came_ns)

    def _count_waiting(self, request: Request, came_ns: int) -> None:
        """Have the time for which it waited for the lock count as time in line. Under the lock."""
        due_ns = came_ns + request._queue_timeout_ns
        if request._state == QUEUED and due_ns < request._deadline_ns - WAITED_NS:
            request._deadline_ns = due_ns
            self._queue.next_deadline_ns = min(self._queue.next_deadline_ns, due_ns)
            self._pump.kick()


class PatientClient(Announced, Client):
    """A blocking client of a controller whose accesses take long."""
