"""A tap that calls a function at every point, for tests that strike or look just there."""

from collections.abc import Callable

from mboxio._base import tap
from mboxio._base.gate import complain, is_foreign
from mboxio._base.request import Request
from mboxio._host.host import Host

__all__ = ["POINTS", "PUMP_SLEEPING", "Tracer"]

REQUEST_SENT = "request.sent"
PUMP_SLEEPING = "pump.sleeping"

_NAMES = {
    tap.SEEN_QUEUED: "request.queued",
    tap.SEEN_SENDING: "request.sending",
    tap.SEEN_REQUEST: REQUEST_SENT,
    tap.SEEN_MESSAGE: REQUEST_SENT,
    tap.SEEN_ANSWER: REQUEST_SENT,
    tap.SEEN_COPYING: "request.copying",
    tap.SEEN_ENDED: "request.ended",
    tap.SEEN_SLEEPING: PUMP_SLEEPING,
    tap.SEEN_LEFT: "request.left",
    tap.SEEN_TX_DONE: "request.tx_done",
    tap.SEEN_REPLY: "request.reply",
}

POINTS = ("request.queued", "request.sending", REQUEST_SENT, "request.copying", "request.ended")
"""What every request passes that waits for its place and gets its reply into its buffer."""


class Tracer(tap.Tap):
    """Calls a function, mostly under the lock; what it raises disturbs nobody.

    Args:
        listener: called as ``listener(point, request)``, with the point's name, or the number of a
            kind that has none; the request is None where there is none.
    """

    def __init__(self, listener: Callable[[str, Request | None], object]) -> None:
        self.listener = listener

    def join(self, place: tap.Place) -> None:
        """See `Tap.join`."""
        assert isinstance(place, Host)
        self.gate = place.gate

    def see(
        self,
        kind: int,
        channel: int,
        request: Request | None,
        message: bytes | None,
        status: int,
        at_ns: int,
    ) -> None:
        """Tell the function; what it raises is logged, or raised when the state is whole."""
        point = _NAMES.get(kind, str(kind))
        try:
            self.listener(point, request)
        except BaseException as error:
            if not self.gate.lock.mine():
                if is_foreign(error):
                    raise
                complain("the tracer raised at %r", point, error)
            elif not self.gate.defer(error):
                self.gate.post(complain, "the tracer raised at %r", point, error)
