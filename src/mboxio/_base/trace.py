"""Named points on the way of a message, for tests and for a look at what happens.

A tracer is called as ``trace(point, subject)``, mostly under the controller's lock, so it must not
wait; what it calls on the same controller is deferred or raises `WouldDeadlock`. Give it to
`mboxio.connect` as ``trace=``. Without one a point costs a comparison.
"""

from collections import deque

REQUEST_QUEUED = "request.queued"
"""It waits for a slot, in the backlog or with its caller."""
REQUEST_SENDING = "request.sending"
"""It has slot, credit and tag; the driver's ``send`` comes next."""
REQUEST_SENT = "request.sent"
"""It was handed over."""
REQUEST_COPYING = "request.copying"
"""Its reply is about to be copied into the caller's memory."""
REQUEST_ENDED = "request.ended"
"""It is over; its watchers will be told next."""
PUMP_SLEEPING = "pump.sleeping"
"""The leader is about to sleep; without the lock."""

POINTS = (
    REQUEST_QUEUED,
    REQUEST_SENDING,
    REQUEST_SENT,
    REQUEST_COPYING,
    REQUEST_ENDED,
    PUMP_SLEEPING,
)


class Recorder:
    """A tracer that keeps the last points passed, with the request's handle and status.

    Args:
        limit: how many points to keep.
    """

    def __init__(self, limit: int = 1000) -> None:
        self.passed: deque[tuple[str, int, str]] = deque(maxlen=limit)

    def __call__(self, point: str, subject: object) -> None:
        """Note that a point was passed."""
        handle = getattr(subject, "handle", -1)
        self.passed.append((point, handle, getattr(subject, "status", "")))
