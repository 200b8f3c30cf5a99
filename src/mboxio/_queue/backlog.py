"""Requests that a client has accepted and the queue has no place for: ordered, bounded, opt-in."""

from collections import deque

from mboxio._base.request import Request

BY_SUBMIT, BY_WAITER, BY_HANDLER = 1, 2, 3
"""Who queued a message: `submit` (counts against the limit), a caller that waits for a slot, or the
handler of remote requests with an answer."""

PLACED, NO_SLOT, NO_CREDIT, NO_TAG, NOT_NOW = range(5)
REASONS = ("", "slots", "credits", "tags", "hardware")
"""Why a request found no place; what `QueueFull.reason` says."""


class Backlog:
    """The requests of one client that wait for the queue, first in, first out.

    Callers that wait for a slot stand in the same line as backlogged requests, so that a client's
    messages stay in order; they are bounded by their own number and do not count.

    Args:
        limit: how many requests `submit` may leave here; 0 refuses at once.
    """

    __slots__ = ("held", "limit", "line")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.line: deque[Request] = deque()

    def __len__(self) -> int:
        return len(self.line)

    def has_place(self) -> bool:
        """Return whether `submit` may leave another request here."""
        return self.held < self.limit

    def append(self, request: Request, queued_by: int) -> None:
        """Add a request at the end. Under the lock."""
        request._queued_by = queued_by
        if queued_by == BY_SUBMIT:
            self.held += 1
        self.line.append(request)

    def pop(self) -> Request:
        """Take the oldest request out. Under the lock."""
        request = self.line.popleft()
        if request._queued_by == BY_SUBMIT:
            self.held -= 1
        request._queued_by = 0
        return request

    def put_back(self, request: Request, queued_by: int) -> None:
        """Undo a `pop`: the request found no place. Under the lock."""
        request._queued_by = queued_by
        if queued_by == BY_SUBMIT:
            self.held += 1
        self.line.appendleft(request)

    def remove(self, request: Request) -> None:
        """Take out a request that ended while it waited. Under the lock."""
        if request._queued_by:
            self.line.remove(request)
            if request._queued_by == BY_SUBMIT:
                self.held -= 1
            request._queued_by = 0
