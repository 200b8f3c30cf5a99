"""Errors on their way to another machine: which, at which stage, and whether the message left.

The body of a ``FAILED`` frame: u8 class, u8 stage, u8 handed over, then one line of text in UTF-8;
its status is the errno, or for an error of the remote itself the number that this answered with.
"""

from mboxio._base.texts import remote_text
from mboxio.errors import (
    AccessDenied,
    AddressError,
    ClosedError,
    DriverError,
    MailboxError,
    MessageTooLong,
    OutOfStep,
    QueueFull,
    RemoteError,
    RemoteGone,
    ReplyUnsure,
    RequestCancelled,
    RequestTimeout,
    WrongMessage,
)
from mboxio.far.frames import BadFrame

__all__ = ["TEXT_BYTES_MAX", "body_of", "error_of"]

KINDS: tuple[type[MailboxError], ...] = (
    MailboxError,
    QueueFull,
    RequestTimeout,
    RequestCancelled,
    RemoteGone,
    RemoteError,
    DriverError,
    OutOfStep,
    ReplyUnsure,
    WrongMessage,
    MessageTooLong,
    AddressError,
    AccessDenied,
)
"""By number; others travel as their nearest base."""
STAGES = (None, "queue", "tx_done", "reply")
HANDED = ("no", "yes", "unknown")
TEXT_BYTES_MAX = 400
STATUS_MAX = (1 << 31) - 1


def body_of(error: MailboxError) -> tuple[int, bytes]:
    """Return the status and the body of the frame that says how a request ended."""
    # The far gateway's own end of a session is not the user's: for him the mailbox is gone.
    kind = RemoteGone if isinstance(error, ClosedError) else type(error)
    number = next(KINDS.index(base) for base in kind.__mro__ if base in KINDS)
    stage = STAGES.index(error.stage) if error.stage in STAGES else 0
    handed = HANDED.index(error.handed_over) if error.handed_over in HANDED else 2
    status = getattr(error, "status", None)
    if status is None:
        status = error.errno or 0
    status = max(min(status, STATUS_MAX), -STATUS_MAX)
    return status, bytes((number, stage, handed)) + str(error).encode(errors="replace")[
        :TEXT_BYTES_MAX
    ]


def error_of(status: int, body: bytes, channel: str) -> MailboxError:
    """Return the error that the body of a ``FAILED`` frame tells of.

    Raises:
        BadFrame: it tells of none.
    """
    if len(body) < 3 or body[0] >= len(KINDS) or body[1] >= len(STAGES) or body[2] >= len(HANDED):
        raise BadFrame("a failure of no known kind")
    kind, stage, handed = KINDS[body[0]], STAGES[body[1]], HANDED[body[2]]
    text = remote_text(body[3:]) or "no reason given"
    details = {"status": status} if kind is RemoteError else {}
    return kind(
        text,
        errno=abs(status) or None,
        stage=stage,
        handed_over=handed,
        channel=channel,
        **details,
    )
