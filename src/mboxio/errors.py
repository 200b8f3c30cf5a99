"""Every error of mboxio, in one tree.

::

    MailboxError                      has errno, stage, handed_over, channel, request
    ├── QueueFull (BlockingIOError)   no place for another request; ``reason`` says which
    ├── RequestTimeout (TimeoutError) a deadline passed; ``stage`` says what was stuck
    ├── RequestCancelled              somebody cancelled the request
    ├── ClosedError                   this side closed the client, channel or controller
    │   └── ForkedError               the process forked; the connection belongs to the parent
    ├── RemoteGone (ConnectionError)  the remote died, restarted or cannot be reached
    ├── RemoteError                   the remote lied, or answered with an error ``status``
    ├── DriverError                   the driver of the controller failed; ``__cause__`` says how
    ├── OutOfStep                     an in-order channel lost a reply; see ``Client.resync``
    │   └── ReplyUnsure               ... and this request was in flight when that happened
    ├── WrongMessage (ValueError)     nothing that this channel can carry, or is allowed to
    ├── MessageTooLong (ValueError)   longer than the channel carries
    │   └── ReplyTooLong              the reply does not fit the buffer given with ``into=``
    ├── MessagesLost                  a subscriber was too slow; ``count`` messages are gone
    ├── AddressError (ValueError)     a wrong address, option, channel or name
    │   └── DeviceTreeError           ... or a device tree that is damaged, or does not say
    ├── AccessDenied (PermissionError) another machine knows who asks, and does not allow it
    └── WouldDeadlock (RuntimeError)  a wait where waiting can never end

``stage`` is one of ``queue`` (no slot yet), ``tx_done`` (handed over, slot not freed), ``reply``
(TX done, no answer) or None. ``handed_over`` is ``"no"`` (safe to repeat), ``"yes"`` or
``"unknown"``.
"""

import errno as _errno
from typing import Any

from mboxio._base.texts import LINE_MAX, printable

__all__ = [
    "AccessDenied",
    "AddressError",
    "ClosedError",
    "DeviceTreeError",
    "DriverError",
    "ForkedError",
    "MailboxError",
    "MessageTooLong",
    "MessagesLost",
    "OutOfStep",
    "QueueFull",
    "RemoteError",
    "RemoteGone",
    "ReplyTooLong",
    "ReplyUnsure",
    "RequestCancelled",
    "RequestTimeout",
    "WouldDeadlock",
    "WrongMessage",
]


class MailboxError(Exception):
    """Base of all errors of mboxio.

    Args:
        message: one line for people; what a terminal would obey in it is escaped.
        errno: the errno that a C caller would see; every class has its own default.
        stage: ``queue``, ``tx_done``, ``reply`` or None.
        handed_over: ``no``, ``yes``, ``unknown`` or None where no message is concerned.
        channel: name of the channel.
        request: number of the request on its queue.
        details: further attributes of the subclass.
    """

    default_errno: int = _errno.EIO
    errno: int | None
    stage: str | None
    handed_over: str | None
    channel: str | None
    request: int | None
    not_yet: bool = False
    """Whether nothing is wrong with what was asked for, and it may be there later: `connect` waits
    for that as long as its ``wait_s`` says. A driver sets it where it opens."""

    def __init__(
        self,
        message: str = "",
        *,
        errno: int | None = None,
        stage: str | None = None,
        handed_over: str | None = None,
        channel: str | None = None,
        request: int | None = None,
        **details: object,
    ) -> None:
        if len(message) > LINE_MAX or not message.isprintable():
            message = printable(message)
        super().__init__(message)
        self.errno = self.default_errno if errno is None else errno
        self.stage = stage
        self.handed_over = handed_over
        self.channel = channel
        self.request = request
        for name, value in details.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        state = {
            "errno": self.errno,
            "stage": self.stage,
            "handed_over": self.handed_over,
            "channel": self.channel,
            "request": self.request,
            **self.__dict__,
        }
        return (type(self), self.args, {k: v for k, v in state.items() if not k.startswith("__")})

    def __setstate__(self, state: dict[str, Any] | None) -> None:
        for name, value in (state or {}).items():
            setattr(self, name, value)

    def fresh(self) -> "MailboxError":
        """Return a new, unraised copy: every waiter raises an exception of its own."""
        kind, args, state = self.__reduce__()
        copy: MailboxError = kind(*args)
        copy.__setstate__(state)
        copy.__cause__ = self.__cause__
        return copy


def no_copy(what: object) -> TypeError:
    """Return the error for pickling or copying what lives in one process only."""
    return TypeError(
        f"a {type(what).__name__} cannot be copied or pickled, for it belongs to this process:"
        " hand over the address, and connect there"
    )


class QueueFull(MailboxError, BlockingIOError):
    """No place for another request, and nothing was accepted.

    ``reason`` is ``slots``, ``credits``, ``tags``, ``backlog`` or ``hardware``.
    """

    default_errno = _errno.ENOSPC
    reason: str = "slots"


class RequestTimeout(MailboxError, TimeoutError):
    """The request's deadline passed; ``stage`` tells which wait was stuck."""

    default_errno = _errno.ETIMEDOUT


class RequestCancelled(MailboxError):
    """The request was cancelled by this side. Never an ``asyncio.CancelledError``."""

    default_errno = _errno.ECANCELED


class ClosedError(MailboxError):
    """This side closed the client, the channel or the controller."""

    default_errno = _errno.ESHUTDOWN


class ForkedError(ClosedError):
    """The object was made before ``fork``; the connection belongs to the parent process."""

    default_errno = _errno.EBADF


class RemoteGone(MailboxError, ConnectionError):
    """The remote died, restarted or was never there. A new connection may work."""

    default_errno = _errno.EPIPE
    not_yet = True


class RemoteError(MailboxError):
    """The remote broke the protocol, or answered with an error; ``status`` is its number."""

    default_errno = _errno.EPROTO
    status: int | None = None


class DriverError(MailboxError):
    """The driver raised, or reported what no driver may; ``__cause__`` has what it raised.

    The mistake is in the code of the controller. The remote may be well.
    """


class OutOfStep(MailboxError):
    """A reply was lost on a channel without tags: replies can no longer be tied to requests."""

    default_errno = _errno.EILSEQ


class ReplyUnsure(OutOfStep):
    """The request was in flight when its channel fell out of step; its reply cannot be known."""


class WrongMessage(MailboxError, ValueError):
    """The message is nothing that this channel can carry, or is allowed to; nothing was sent."""

    default_errno = _errno.EBADMSG


class MessageTooLong(MailboxError, ValueError):
    """The message is longer than the channel's ``message_bytes``."""

    default_errno = _errno.EMSGSIZE


class ReplyTooLong(MessageTooLong):
    """The reply is longer than the buffer given with ``into=``; the buffer is untouched."""


class MessagesLost(MailboxError):
    """A subscriber's queue overflowed; ``count`` messages are gone. Reading goes on."""

    default_errno = _errno.ENOBUFS
    count: int = 0


class AddressError(MailboxError, ValueError):
    """An address, option, channel or name that means nothing here."""

    default_errno = _errno.EINVAL


class DeviceTreeError(AddressError):
    """A damaged device tree, or one that lacks what was asked for; ``errno`` is that of Linux."""


class AccessDenied(MailboxError, PermissionError):
    """A gateway knows who asks, and does not allow it. Trying again changes nothing."""

    default_errno = _errno.EACCES


class WouldDeadlock(MailboxError, RuntimeError):
    """A blocking call at a place where it could never return."""

    default_errno = _errno.EDEADLK
