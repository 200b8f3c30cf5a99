"""Replies that come in the order of their requests, where the wire carries no tag."""

from mboxio._base.request import Request

__all__ = ["Order"]

GAP_MAX = 64
"""How many places of answered requests are taken out at once."""


class Order:
    """Whose reply comes next on one channel. Everything runs under the lock.

    A lost reply shows late: the next reply is taken for it, and only a reply that stays away tells.
    From then on no reply can be tied to a request: the channel is out of step until a proof that
    none is under way.
    """

    __slots__ = ("_first", "_line", "out_of_step")

    def __init__(self) -> None:
        self._line: list[Request | None] = []  # in the order of their replies
        self._first = 0  # where the oldest stands there; those before it were answered
        self.out_of_step = False

    @property
    def expected(self) -> list[Request]:
        """The requests whose replies are to come, the oldest first."""
        return [each for each in self._line if each is not None]

    def expect(self, request: Request) -> None:
        """A request leaves: its reply comes after all that are expected."""
        self._line.append(request)

    def drop(self, request: Request) -> None:
        """The reply of this request will not come."""
        expected = self.expected
        if request in expected:
            expected.remove(request)
            self._line[:] = expected
            self._first = 0

    def next_one(self) -> Request | None:
        """Return the request that the next reply answers."""
        return self._line[self._first] if self._first < len(self._line) else None

    def answered(self, request: Request) -> bool:
        """Forget a request that was answered, if it is the oldest; False: it is not."""
        if self.next_one() is not request:
            return False
        self._line[self._first] = None
        self._first += 1
        if self._first == len(self._line) or self._first >= GAP_MAX:
            del self._line[: self._first]
            self._first = 0
        return True

    def older_than(self, request: Request) -> list[Request]:
        """A request was answered: forget it, and the older ones, whose replies are lost.

        Returns:
            the older ones.
        """
        older: list[Request] = []
        while (oldest := self.next_one()) is not None:
            self.answered(oldest)
            if oldest is request:
                break
            older.append(oldest)
        return older

    def fall_out(self) -> list[Request]:
        """A reply is lost: return the requests in flight, whose replies cannot be told apart."""
        self.out_of_step = True
        return self.expected  # a copy, as each end may take its request out

    def start_afresh(self) -> None:
        """No reply is under way any more."""
        self._line.clear()
        self._first = 0
        self.out_of_step = False
