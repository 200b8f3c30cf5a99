"""The window of a queue: every message that was handed over and of which something is held."""

from typing import Any

from mboxio.states import HOLDS_MEMORY


class Window:
    """Requests by their handles, in a table that never grows with what was sent.

    A handle is the number of the message in the order of sending, times two, plus one if a reply
    is expected. A request that is held for longer than a table's length of messages moves aside.

    Args:
        size: how many messages are expected to be held at once.
    """

    __slots__ = ("aside", "leapt", "loans", "mask", "next_seq", "table", "used")

    def __init__(self, size: int) -> None:
        slots = 2
        while slots < 2 * size:
            slots *= 2
        self.mask = slots - 1
        self.table: list[Any] = [None] * slots
        self.aside: dict[int, Any] = {}
        self.loans: dict[int, Any] = {}  # memory that the driver lent, by handle
        self.next_seq = 0
        self.leapt = 0  # how many numbers were left out, so that nobody could guess the next ones
        self.used = 0  # how many requests stand here

    def find(self, handle: int) -> Any:
        """Return the request with this handle while anything of it is held, else None."""
        request = self.table[(handle >> 1) & self.mask]
        if request is not None and request.handle == handle:
            return request
        return self.aside.get(handle) if self.aside else None

    def find_seq(self, seq: int) -> Any:
        """Return the request with this number while anything of it is held, else None."""
        request = self.table[seq & self.mask]
        if request is not None and request.handle >> 1 == seq:
            return request
        if self.aside:
            return self.aside.get(seq << 1) or self.aside.get((seq << 1) | 1)
        return None

    def add(self, request: Any) -> None:
        """Take a request in and give it the next handle."""
        position = self.next_seq & self.mask
        old = self.table[position]
        if old is not None:
            self.aside[old.handle] = old
        self.table[position] = request
        request.handle = (self.next_seq << 1) | (1 if request.tied else 0)
        self.next_seq += 1
        self.used += 1

    def leap(self, count: int) -> None:
        """Leave so many numbers out."""
        self.leapt += count
        self.next_seq += count

    def undo(self, request: Any) -> None:
        """Take the latest request out again: it was never handed over."""
        if self.loans:
            self.end_loan(request.handle)
        self.next_seq -= 1
        self.used -= 1
        self.table[self.next_seq & self.mask] = None
        request.handle = -1

    def remove(self, request: Any) -> None:
        """Forget a request of which nothing is held any more."""
        if self.loans:
            self.end_loan(request.handle)
        position = (request.handle >> 1) & self.mask
        if self.table[position] is request:
            self.table[position] = None
            self.used -= 1
        elif self.aside.pop(request.handle, None) is not None:
            self.used -= 1

    def lend(self, handle: int, memory: Any) -> None:
        """The message that is being sent lends memory of the driver to the remote."""
        request = self.find(handle)
        if request is None or handle in self.loans:
            raise ValueError(f"message {handle} is not being sent, or has lent memory already")
        self.loans[handle] = memory
        request.holds |= HOLDS_MEMORY

    def end_loan(self, handle: int) -> None:
        """Give the driver's memory back at once: the next message may need it."""
        memory = self.loans.pop(handle, None)
        if memory is not None:
            memory.give_back()

    def live(self) -> list[Any]:
        """Return every request that holds something, oldest first."""
        found = [request for request in self.table if request is not None]
        found.extend(self.aside.values())
        found.sort(key=_by_handle)
        return found


def _by_handle(request: Any) -> int:
    handle: int = request.handle
    return handle
