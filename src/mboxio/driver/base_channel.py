"""A channel as its queue and its driver see it: what they read of it, and what they tell it."""

from collections.abc import Iterable
from typing import Any

from mboxio._base.counts import Counts
from mboxio._base.request import Request
from mboxio.driver.correlate import Correlator, Verdict
from mboxio.driver.shortcut import Shortcut
from mboxio.errors import MailboxError


class BaseChannel:
    """What lies below `Channel` and is known there. Everything runs under the lock.

    Drivers see it as a `DriverChannel`, which every `Channel` is.
    """

    __slots__ = (
        "address",
        "context",
        "correlator",
        "counts",
        "driver_ties_answers",
        "freed",
        "identifies",
        "in_sequence",
        "message_bytes",
        "name",
        "number",
        "shortcut",
        "stamps",
        "ties",
    )

    name: str
    number: int
    address: str
    context: Any
    correlator: Correlator
    counts: Counts
    freed: dict[str, int]
    """How many requests that were over were freed, by the proof."""
    message_bytes: int
    stamps: bool
    """`stamped` has something to do."""
    ties: bool
    """The correlator writes a tag into the message."""
    identifies: bool
    """The correlator or the hardware says which request a reply answers."""
    in_sequence: bool
    """Replies come in the order of the requests."""
    shortcut: Shortcut | None
    """The driver's, for ordinary requests."""
    driver_ties_answers: bool
    """The driver says who asks, so it says whom we answer."""

    # -- what the queue tells

    def stamped(self, request: Request) -> bytes:
        """Return the message as it goes out, with its tag in it."""
        raise NotImplementedError

    def error(
        self, kind: type[MailboxError], request: Request, text: str, **more: Any
    ) -> MailboxError:
        """Make the error with which a request ends."""
        raise NotImplementedError

    def fail(self, request: Request, error: MailboxError) -> None:
        """End a request with an error."""
        raise NotImplementedError

    def unexpect(self, request: Request) -> None:
        """The reply of this request will not come."""
        raise NotImplementedError

    def overdue(self, request: Request) -> None:
        """A deadline passed."""
        raise NotImplementedError

    def take_tx_done(self, request: Request, status: int) -> None:
        """The message left its slot; with a status it never reached the remote."""
        raise NotImplementedError

    def take_reply(self, request: Request, reply: bytes) -> None:
        """End a request with its reply, copied to the caller's memory if that was given."""
        raise NotImplementedError

    # -- what the driver tells

    def take_batch(self, messages: "Iterable[bytes | Verdict]") -> None:
        """Sort received messages: replies, remote requests, notifications."""
        raise NotImplementedError

    def take_message(self, message: bytes) -> None:
        """Sort one received message."""
        raise NotImplementedError

    def take_completion(self, handle: int, status: int, reply: bytes) -> None:
        """The hardware says which request is over."""
        raise NotImplementedError

    def notify(self, message: bytes) -> None:
        """Give an unsolicited message to every subscriber."""
        raise NotImplementedError
