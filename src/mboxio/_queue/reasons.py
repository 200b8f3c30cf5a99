"""The errors with which requests end: what was stuck, what had left, on which channel."""

import errno
from typing import Any, Protocol, TypeVar

from mboxio._base.request import Request
from mboxio._base.states import (
    AWAITING,
    FOREVER,
    HANDED_OVER_NAMES,
    HOLDS_TAG,
    PENDING,
    QUEUED,
    STAGES,
)
from mboxio.driver.base_channel import BaseChannel
from mboxio.driver.correlate import Correlator
from mboxio.errors import DriverError, MailboxError, MessageTooLong, QueueFull

_STUCK = {"queue": "a slot", "tx_done": "TX done", "reply": "the reply"}

OUT_OF_STEP = "out of step: a reply was lost; a restart of the remote or resync() mends it"


E = TypeVar("E", bound=MailboxError)


class Slots(Protocol):
    """A queue, as an error says what it lacks."""

    depth: int
    credits: int


class Crowded(Protocol):
    """A channel that has no place."""

    name: str
    ties: bool
    correlator: Correlator

    @property
    def queue(self) -> Slots:
        """The queue that it uses."""
        ...

    def held(self) -> list[Request]:
        """See `Ends.held`."""
        ...


def number_in_queue(request: Request) -> int | None:
    """Return which message of its queue a request is, counted from 1; None if it never was one."""
    if request.handle < 0:
        return None
    shift: int = request._owner._queue.window.shift
    return (request.handle >> shift) + 1


def place_of(channel: BaseChannel, number: int | None) -> str:
    """Say where something happened: address, channel and which message of its queue."""
    where = f"{channel.address}, channel {channel.name!r}"
    return f"{where}, request {number}" if number else where


def ending(
    channel: BaseChannel,
    kind: type[E],
    request: Request,
    text: str,
    *,
    answered: bool = False,
    **more: Any,
) -> E:
    """Make the error with which a request ends.

    Args:
        channel: where it happened.
        kind: class of the error.
        text: what happened.
        answered: its answer came, so it waited for nothing else.
        more: attributes of that class.
    """
    state = AWAITING if answered else request._state
    left = request._handed
    number = number_in_queue(request)
    stage = "queue" if left == PENDING and not answered else STAGES.get(state)
    handed = HANDED_OVER_NAMES[left]
    waiting = ""
    if stage and not answered:
        waiting = f" (waiting for {_STUCK[stage]}; handed over: {handed})"
    return kind(
        f"{place_of(channel, number)}: {text}{waiting}",
        stage=stage,
        handed_over=handed,
        channel=channel.name,
        request=number,
        **more,
    )


def after(request: Request) -> str:
    """Say how long a request that times out has waited at the stage where it is stuck."""
    early = request._state == QUEUED or request._handed == PENDING
    waited_ns = request._queue_timeout_ns if early else request._timeout_ns
    return "" if waited_ns == FOREVER else f" after {waited_ns / 1e9:.6g} s"


def driver_raised(channel: BaseChannel, request: Request, error: BaseException) -> MailboxError:
    """Turn what a driver or port raised on the way out into the request's error."""
    number = number_in_queue(request)
    if not isinstance(error, MailboxError):
        cause = error
        error = DriverError(f"{place_of(channel, number)}: the driver could not send: {cause!r}")
        error.__cause__ = cause
    error.channel = channel.name
    error.request = number
    error.stage = "tx_done"
    error.handed_over = HANDED_OVER_NAMES[request._handed]
    return error


def driver_failed(error: BaseException) -> MailboxError:
    """Turn what stops a queue into an error: a `MailboxError` needs no translation."""
    if isinstance(error, MailboxError):
        return error
    fault = DriverError(f"the driver failed: {error!r}")
    fault.__cause__ = error
    return fault


def stopped(channel: BaseChannel, fault: MailboxError) -> MailboxError:
    """Return the error that refuses a message on a queue that has stopped for ``fault``."""
    refusal = fault.fresh()
    refusal.args = (f"{channel.address}, channel {channel.name!r}: the queue stopped: {fault}",)
    refusal.channel = channel.name
    refusal.handed_over = "no"
    return refusal


def held_tags(held: list[Request], ties: bool) -> list[int]:
    """Return the tags (handles, where the hardware ties replies) of requests that are over."""
    return [
        request.tag if ties else request.handle for request in held if request._holds & HOLDS_TAG
    ]


def too_long(channel: BaseChannel, length: int) -> MessageTooLong:
    """Return the error that refuses a message of ``length`` bytes."""
    return MessageTooLong(
        f"channel {channel.name!r}: the message has {length} bytes, the channel carries "
        f"{channel.message_bytes}",
        channel=channel.name,
        handed_over="no",
    )


def queue_full(channel: Crowded, backlog_limit: int, reason: str) -> QueueFull:
    """Return the error that refuses a message, with what is held named. Under the lock.

    Args:
        channel: the channel that has no place.
        backlog_limit: how many requests the client's backlog takes; it is full.
        reason: what the queue lacks.
    """
    queue = channel.queue
    over = channel.held()
    held = held_tags(over, channel.ties) if over else []
    if backlog_limit:
        reason = "backlog"
        detail = f"the queue and the backlog of {backlog_limit} are full"
    elif reason == "slots":
        detail = f"all {queue.depth} slots are in use"
    elif reason == "hardware":
        detail = "the hardware takes no message now"
    elif channel.correlator.in_order and reason == "tags":
        detail = "replies come in order, and the one before is not there yet (see InOrder)"
    else:
        what = f"{queue.credits} reply credits" if reason == "credits" else "tags"
        named = f"held after their requests ended: {held or 'none'}"
        detail = f"all {what} are in use; {named}"
    return QueueFull(
        f"channel {channel.name!r}: {detail}",
        # Two numbers, as in the two mechanisms of the Linux kernel.
        errno=errno.ENOBUFS if reason == "backlog" else errno.ENOSPC,
        channel=channel.name,
        stage="queue",
        handed_over="no",
        reason=reason,
        held_tags=held,
    )
