"""What happens to messages, told to whoever listens.

A gate has one tap, or None: then a point costs a comparison. Taps are called with what has just
happened, mostly under the controller's lock, so they must not wait, raise or call back; one that
records copies what it is told into bounded memory and returns. `mboxio.recording` has that one.
"""

from itertools import count
from typing import TYPE_CHECKING, Protocol

from mboxio._base.native import COMPILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mboxio._base.request import Request


class Place(Protocol):
    """A connection or a remote, as those see it who listen there."""

    @property
    def address(self) -> str:
        """How its user calls it."""
        ...

    def facts_of(self, channel: int) -> tuple[str, int, int]:
        """Return name, depth and message_bytes of a channel."""
        ...


SEEN_REQUEST, SEEN_MESSAGE, SEEN_REPLY, SEEN_ANSWER = range(1, 5)
SEEN_REMOTE_REQUEST, SEEN_NOTIFICATION, SEEN_QUEUED, SEEN_TX_DONE, SEEN_ENDED = range(5, 10)
SEEN_LINK, SEEN_LATE, SEEN_UNKNOWN, SEEN_REFUSED, SEEN_BUSY, SEEN_FREED = range(10, 16)
SEEN_LOST, SEEN_LEFT, SEEN_STOPPED, SEEN_OUT_OF_STEP, SEEN_DOORBELL, SEEN_OVERFLOW = range(16, 22)
"""What happened, by the numbers of `mboxio.capture.event.Kind`, which says what each means."""

SEEN_SENDING, SEEN_COPYING, SEEN_SLEEPING = range(64, 67)
"""Steps that are of no interest to a capture: the driver's ``send`` comes next; a reply is about to
be copied into the caller's memory; the leader is about to sleep, without the lock."""

NO_TAG = 0xFFFFFFFF

RECORD_VARIABLE = "MBOXIO_RECORD"
"""See `mboxio.recording.program`, which is imported only where this is set or a file is given."""

_numbers = count(1)
_born = 0


class Tap:
    """A listener at one connection, or at a remote."""

    __slots__ = ()

    def join(self, place: "Place") -> None:
        """Know where it listens, before the first event."""

    def is_quick(self, channel: int) -> bool:
        """Return whether `see` runs no Python code and makes no object for this channel."""
        return False

    def leave(self) -> None:
        """The connection is closed: no event follows. Without the lock."""

    def see(
        self,
        kind: int,
        channel: int,
        request: "Request | None",
        message: bytes | None,
        status: int,
        at_ns: int,
    ) -> None:
        """Something happened.

        Args:
            kind: what; see above.
            channel: its number; -1: it concerns none.
            request: whose message it is.
            message: the bytes on the wire, or a text.
            status: an error number, or what the kind says; see `tagged` if there is no request.
            at_ns: when, by the clock of the connection; 0: now.
        """


class Several(Tap):
    """Many listeners at one tap.

    Args:
        taps: who is told, in this order.
    """

    __slots__ = ("taps",)

    def __init__(self, taps: list[Tap]) -> None:
        self.taps = taps

    def join(self, place: Place) -> None:
        """See `Tap.join`."""
        for tap in self.taps:
            tap.join(place)

    def leave(self) -> None:
        """See `Tap.leave`."""
        for tap in self.taps:
            tap.leave()

    def is_quick(self, channel: int) -> bool:
        """See `Tap.is_quick`."""
        for tap in self.taps:  # noqa: SIM110  # `all` would make a generator
            if not tap.is_quick(channel):
                return False
        return True

    def see(
        self,
        kind: int,
        channel: int,
        request: "Request | None",
        message: bytes | None,
        status: int,
        at_ns: int,
    ) -> None:
        """See `Tap.see`."""
        for tap in self.taps:
            tap.see(kind, channel, request, message, status, at_ns)


def tagged(tag: int, status: int = 0) -> int:
    """Return the ``status`` of a message without a request that has a tag."""
    return status << 32 | tag & NO_TAG


def together(taps: "Sequence[Tap | None]") -> Tap | None:
    """Return one tap that tells all of these; None if there is none."""
    there = [tap for tap in taps if tap is not None]
    if not there:
        return None
    return there[0] if len(there) == 1 else Several(there)


def number_of(request: "Request") -> int:
    """Return the number of a request, which it gets when a listener first sees it."""
    if request._number == 0:
        request._number = _next()
    return request._number


def _next() -> int:
    global _born
    if COMPILED:  # one step for all threads
        _born += 1
        return _born
    return next(_numbers)
