"""Replies that come in the order of their requests, where the wire carries no tag."""

from collections import deque

from mboxio._base.request import Request

__all__ = ["Order"]


class Order:
    """Whose reply comes next on one channel. Everything runs under the lock.

    A lost reply shows late: the next reply is taken for it, and only a reply that stays away tells.
    From then on no reply can be tied to a request: the channel is out of step until a proof that
    none is under way.
    """

    __slots__ = ("expected", "out_of_step")

    def __init__(self) -> None:
        self.expected: deque[Request] = deque()
        self.out_of_step = False

    def expect(self, request: Request) -> None:
        """A request leaves: its reply comes after all that are expected."""
        self.expected.append(request)

    def drop(self, request: Request) -> None:
        """The reply of this request will not come."""
        if request in self.expected:
            self.expected.remove(request)

    def next_one(self) -> Request | None:
        """Return the request that the next reply answers."""
        return self.expected[0] if self.expected else None

    def older_than(self, request: Request) -> list[Request]:
        """A request was answered: forget it, and the older ones, whose replies are lost.

        Returns:
            the older ones.
        """
        older: list[Request] = []
        while self.expected:
            oldest = self.expected.popleft()
            if oldest is request:
                break
            older.append(oldest)
        return older

    def fall_out(self) -> list[Request]:
        """A reply is lost: return the requests in flight, whose replies cannot be told apart."""
        self.out_of_step = True
        return list(self.expected)  # a copy, as each end may take its request out

    def start_afresh(self) -> None:
        """No reply is under way any more."""
        self.expected.clear()
        self.out_of_step = False
