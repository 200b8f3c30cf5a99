"""The errors of messages that can never be sent, and so are not accepted."""

import errno

from mboxio._queue.reasons import OUT_OF_STEP
from mboxio.driver.base_channel import BaseChannel
from mboxio.errors import (
    AccessDenied,
    AddressError,
    ClosedError,
    MailboxError,
    OutOfStep,
    RemoteGone,
)

__all__ = ["HOW", "closed", "gone", "listen_only", "out_of_step", "untied"]

HOW: dict[type[MailboxError], str] = {
    RemoteGone: "the remote is gone",
    AccessDenied: "the remote refuses this user",
}
"""What the ends of a life say, by their class."""


def closed(channel: BaseChannel) -> ClosedError:
    """The client is closed."""
    return ClosedError(
        f"channel {channel.name!r}: the client is closed",
        channel=channel.name,
        handed_over="no",
    )


def listen_only(channel: BaseChannel) -> AddressError:
    """Nothing can be sent on the channel."""
    return _unable(channel, "is listen-only")


def untied(channel: BaseChannel) -> AddressError:
    """There is no way to know which request a reply answers."""
    return _unable(
        channel,
        "cannot tie replies to requests: use send() or post(), or give the client a correlator",
    )


def out_of_step(channel: BaseChannel) -> OutOfStep:
    """A reply was lost, so no reply can be told from another."""
    return OutOfStep(
        f"channel {channel.name!r} is {OUT_OF_STEP}",
        channel=channel.name,
        handed_over="no",
    )


def gone(channel: BaseChannel, reason: str, kind: type[MailboxError]) -> MailboxError:
    """The remote is not there, and the caller does not wait for it, or would in vain."""
    return kind(
        f"channel {channel.name!r}: {HOW[kind]} ({reason})",
        channel=channel.name,
        handed_over="no",
    )


def _unable(channel: BaseChannel, unable: str) -> AddressError:
    return AddressError(
        f"channel {channel.name!r} {unable}", errno=errno.EOPNOTSUPP, channel=channel.name
    )
