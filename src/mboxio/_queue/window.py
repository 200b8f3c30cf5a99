"""The window of a queue: every message that was handed over and of which something is held."""

from os import urandom

from mboxio._base.request import Lent, Request
from mboxio._base.states import HOLDS_MEMORY

# With 16 bits of the number and the lowest one they fill the 32-bit tag of a ring.
NONCE_BITS = 15
NONCES_DRAWN_BYTES = 512
"""Drawn for many messages at once: a call costs as much as a few messages."""


class Window:
    """Requests by their handles, in a table that never grows with what was sent.

    A handle is the number of the message in the order of sending, times two, plus one if a reply
    is expected. After `conceal` there are random bits between the two. A request that is held for
    longer than a table's length of messages moves aside.

    Args:
        size: how many messages are expected to be held at once.
    """

    __slots__ = ("aside", "drawn", "loans", "mask", "next_seq", "random", "shift", "table", "used")

    def __init__(self, size: int) -> None:
        # Twice the size: up to `depth` messages hold slots and as many others only credits. A power
        # of two, so that the place of a number is a mask and not a division.
        slots = 2
        while slots < 2 * size:
            slots *= 2
        self.mask = slots - 1
        self.table: list[Request | None] = [None] * slots
        self.aside: dict[int, Request] = {}  # by number
        self.loans: dict[int, Lent] = {}  # memory that the driver lent, by handle
        self.next_seq = 0
        self.shift = 1  # how many bits of a handle stand below the number
        self.random = b""
        self.drawn = 0  # how much of it was used
        self.used = 0  # how many requests stand here

    def conceal(self) -> None:
        """Put random bits into each handle: a remote that names one has to have seen it.

        Called before anything is handed over.
        """
        self.shift = 1 + NONCE_BITS

    def nonce(self) -> int:
        """Return random bits at their place in a handle."""
        if self.drawn == len(self.random):
            self.draw()
        low, high = self.random[self.drawn], self.random[self.drawn + 1]
        self.drawn += 2
        return (high << 8 | low) & ~1  # the lowest bit says whether a reply is expected

    def draw(self) -> None:
        """Draw random bits for the next handles."""
        self.random = urandom(NONCES_DRAWN_BYTES)
        self.drawn = 0

    def find(self, handle: int) -> Request | None:
        """Return the request with this handle while anything of it is held, else None."""
        request = self.table[(handle >> self.shift) & self.mask]
        # The whole handle, with its random bits: a number alone can be foretold.
        if request is not None and request.handle == handle:
            return request
        if self.aside:
            request = self.aside.get(handle >> self.shift)
            if request is not None and request.handle == handle:
                return request
        return None

    def find_end(self, end: int, mask: int) -> Request | None:
        """Return a request that moved aside and whose handle ends like this, else None."""
        for request in self.aside.values():
            if request.handle & mask == end:
                return request
        return None

    def find_seq(self, seq: int) -> Request | None:
        """Return the request with this number while anything of it is held, else None."""
        request = self.table[seq & self.mask]
        if request is not None and request.handle >> self.shift == seq:
            return request
        return self.aside.get(seq) if self.aside else None

    def add(self, request: Request) -> None:
        """Take a request in and give it the next handle."""
        position = self.next_seq & self.mask
        old = self.table[position]
        if old is not None:  # held for a table's length: rare enough for a dictionary
            self.aside[old.handle >> self.shift] = old
        self.table[position] = request
        request.handle = (self.next_seq << self.shift) | (1 if request._tied else 0)
        if self.shift > 1:
            request.handle |= self.nonce()
        self.next_seq += 1
        self.used += 1

    def undo(self, request: Request) -> None:
        """Take the latest request out again: it was never handed over."""
        if self.loans:
            self.end_loan(request.handle)
        self.next_seq -= 1  # the next message gets the same number: the remote never saw it
        self.used -= 1
        self.table[self.next_seq & self.mask] = None
        request.handle = -1

    def remove(self, request: Request) -> None:
        """Forget a request of which nothing is held any more."""
        if self.loans:
            self.end_loan(request.handle)
        position = (request.handle >> self.shift) & self.mask
        if self.table[position] is request:
            self.table[position] = None
            self.used -= 1
        elif self.aside.pop(request.handle >> self.shift, None) is not None:
            self.used -= 1

    def lend(self, handle: int, memory: Lent) -> None:
        """The message that is being sent lends memory of the driver to the remote."""
        request = self.find(handle)
        if request is None or handle in self.loans:
            raise ValueError(f"message {handle} is not being sent, or has lent memory already")
        self.loans[handle] = memory
        request._holds |= HOLDS_MEMORY

    def end_loan(self, handle: int) -> None:
        """Give the driver's memory back at once: the next message may need it."""
        memory = self.loans.pop(handle, None)
        if memory is not None:
            memory.give_back()

    def live(self) -> list[Request]:
        """Return every request that holds something, oldest first."""
        found = list(self.aside.values())  # they moved there in their order, before all others
        for seq in range(self.next_seq, self.next_seq + self.mask + 1):  # the oldest place first
            if len(found) == self.used:
                break
            request = self.table[seq & self.mask]
            if request is not None:
                found.append(request)
        return found
