"""Whose fault an error is: the command's, or the remote's."""

from mboxio import AddressError, MailboxError, MessageTooLong, ReplyTooLong, WrongMessage
from mboxio.capture.pieces import CaptureError

__all__ = ["is_wrong"]


def is_wrong(error: MailboxError) -> bool:
    """Return whether the command or its message is wrong, and not the remote."""
    wrong = isinstance(error, AddressError | CaptureError | WrongMessage | MessageTooLong)
    return wrong and not isinstance(error, ReplyTooLong)
