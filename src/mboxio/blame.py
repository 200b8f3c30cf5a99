"""The errors with which requests end: what was stuck, what had left, on which channel."""

from typing import Any

from mboxio.errors import MailboxError, RemoteError
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


def driver_raised(name: str, request: Any, error: BaseException, handed_over: str) -> MailboxError:
    """Turn what a driver or port raised on the way out into the request's error."""
    if not isinstance(error, MailboxError):
        error = RemoteError(f"the driver could not send: {error!r}")
    error.channel = name
    error.request = request.handle
    error.stage = "tx_done"
    error.handed_over = handed_over
    return error
