"""How a message ended: when it was recorded, and now."""

import errno
from dataclasses import dataclass

from mboxio._base.texts import remote_text
from mboxio.capture.event import Kind
from mboxio.driver.correlate import Correlator
from mboxio.errors import ClosedError, MailboxError, RemoteError, RequestCancelled, RequestTimeout
from mboxio.see.replay.conversation import Exchange
from mboxio.see.replay.wire import untagged

__all__ = ["Outcome", "received", "recorded"]

COMPARED = frozenset({"done", "failed", "timed out"})
"""Ends that are the remote's doing; a host that cancels or closes says nothing about it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a message ended.

    Args:
        end: ``done``, ``failed``, ``timed out``, and so on.
        reply: the bytes of a reply, without a tag; None if none came.
        status: the remote's error number; None if it is not an error of the remote.
        why: more, in words.
    """

    end: str
    reply: bytes | None = None
    status: int | None = None
    why: str = ""

    def __str__(self) -> str:
        if self.reply is not None:
            count = len(self.reply)
            return f"a reply of {count} byte{'' if count == 1 else 's'}"
        if self.status is not None:
            name = errno.errorcode.get(abs(self.status), "?")
            text = f"error {self.status} ({name})"
        else:
            text = "taken" if self.end == "done" else self.end
        return f"{text}: {remote_text(self.why)}" if self.why else text

    def is_like(self, other: "Outcome") -> bool:
        """Return whether both are the same, apart from words."""
        mine = (self.end, self.reply, self.status)
        return mine == (other.end, other.reply, other.status)


def recorded(exchange: Exchange, correlator: Correlator) -> Outcome | None:
    """Return how a message ended when it was recorded; None: that is not compared."""
    if exchange.end not in COMPARED:
        return None
    if exchange.kind is not Kind.REQUEST:
        return Outcome(exchange.end, why=exchange.why)
    if exchange.reply is None:
        return None if exchange.end == "done" else Outcome(exchange.end, why=exchange.why)
    if exchange.status:
        return Outcome("failed", None, exchange.status, exchange.reply.decode(errors="replace"))
    return Outcome("done", untagged(exchange.reply, correlator))


def received(reply: bytes | None, error: MailboxError | None) -> Outcome:
    """Return how it ended now.

    Args:
        reply: without a tag; None if none was awaited, or none came.
        error: why not.
    """
    if error is None:
        return Outcome("done", reply)
    if isinstance(error, RequestTimeout):
        return Outcome("timed out", why=str(error))
    if isinstance(error, RequestCancelled | ClosedError):
        return Outcome("cancelled", why=str(error))
    status = error.status if isinstance(error, RemoteError) else None
    return Outcome("failed", None, status, str(error))
