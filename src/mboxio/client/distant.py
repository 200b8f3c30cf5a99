"""Blocking clients of a controller whose accesses take long, for example behind a debug probe."""

from typing import TYPE_CHECKING, Any

from mboxio._base.gate import surely
from mboxio._base.request import Lent, Request
from mboxio._base.states import QUEUED
from mboxio._base.timeouts import DEFAULT
from mboxio.client.blocking import Client
from mboxio.client.verbs import Verbs

if TYPE_CHECKING:
    from typing_extensions import Buffer

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

    if not TYPE_CHECKING:  # the types are those of `Verbs`

        def submit(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = DEFAULT,
            queue_timeout_s: float | None = DEFAULT,
            into: "Buffer | None" = None,
            lent: Lent | None = None,
        ) -> Request:
            """See `Sender.submit`, which takes a shorter way."""
            request = self._draft(data, True, timeout_s, queue_timeout_s, into, lent)
            self._hand_in(request, False)
            return request

        def post(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = DEFAULT,
            queue_timeout_s: float | None = DEFAULT,
            lent: Lent | None = None,
        ) -> Request:
            """See `Sender.post`, which takes a shorter way."""
            request = self._draft(data, False, timeout_s, queue_timeout_s, None, lent)
            self._hand_in(request, False)
            return request


class PatientClient(Announced, Client):
    """A blocking client of a controller whose accesses take long."""

    if not TYPE_CHECKING:

        def request(
            self,
            data: "Buffer",
            *,
            timeout_s: float | None = DEFAULT,
            queue_timeout_s: float | None = DEFAULT,
            into: "Buffer | None" = None,
        ) -> Any:
            """See `Sender.request`."""
            return self._carry_out(data, True, timeout_s, queue_timeout_s, into)
