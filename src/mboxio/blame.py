"""The errors with which requests end: what was stuck, what had left, on which channel."""

import errno
from typing import Any

from mboxio.errors import MailboxError, QueueFull, RemoteError
from mboxio.states import HANDED_OVER_NAMES, STAGES

_STUCK = {"queue": "a slot", "tx_done": "TX done", "reply": "the reply"}

OUT_OF_STEP = "out of step: a reply was lost; a restart of the remote or resync() mends it"


def ending(name: str, kind: type[MailboxError], request: Any, text: str, **more: Any) -> Any:
    """Make the error with which a request ends.

    Args:
        name: the channel's name.
        kind: class of the error.
        text: what happened.
        more: attributes of that class.
    """
    state: int = request.state
    left: int = request.handed
    stage = STAGES.get(state)
    handed = HANDED_OVER_NAMES[left]
    where = "" if request.handle < 0 else f", request {request.handle}"
    waiting = f" (waiting for {_STUCK[stage]}; handed over: {handed})" if stage else ""
    return kind(
        f"channel {name!r}{where}: {text}{waiting}",
        stage=stage,
        handed_over=handed,
        channel=name,
        request=request.handle if request.handle >= 0 else None,
        **more,
    )


def driver_raised(name: str, request: Any, error: BaseException) -> MailboxError:
    """Turn what a driver or port raised on the way out into the request's error."""
    left: int = request.handed
    if not isinstance(error, MailboxError):
        error = RemoteError(f"the driver could not send: {error!r}")
    error.channel = name
    error.request = request.handle
    error.stage = "tx_done"
    error.handed_over = HANDED_OVER_NAMES[left]
    return error


def queue_full(channel: Any, backlog_limit: int, reason: str) -> QueueFull:
    """Return the error that refuses a message, with what is held named. Under the lock.

    Args:
        channel: the channel that has no place.
        backlog_limit: how many requests the client's backlog takes; it is full.
        reason: what the queue lacks.
    """
    queue = channel.queue
    held = channel.held_tags()
    named = f"held after their requests ended: {held or 'none'}"
    if backlog_limit:
        reason = "backlog"
    detail = {
        "slots": f"all {queue.depth} slots are in use",
        "credits": f"all {queue.credits} reply credits are in use; {named}",
        "tags": f"all tags are in use; {named}",
        "hardware": "the hardware takes no message now",
        "backlog": f"the queue and the backlog of {backlog_limit} are full",
    }[reason]
    return QueueFull(
        f"channel {channel.name!r}: {detail}",
        errno=errno.ENOBUFS if reason == "backlog" else errno.ENOSPC,
        channel=channel.name,
        stage="queue",
        handed_over="no",
        reason=reason,
        held_tags=held,
    )
