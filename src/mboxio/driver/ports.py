"""Driver-level hooks of a client."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Driver-level hooks of a client, called inline in the order of events; none may block.

    They are for layers that are drivers themselves: a controller stacked on a channel, or code
    that keeps the classic one-active-message style. Ordinary programs use requests.

    Args:
        tx_prepare: called with the message right before each attempt to hand it over, under the
            controller's lock.
        tx_done: called with a one-way message that is over and a status: 0 or an errno. Only 0
            is TX done; a time-out, cancel or close of ours proves nothing about the remote.
        received: called with every unsolicited message.
        link: called with True when the remote is back and with False when it is lost.
    """

    tx_prepare: Callable[[bytes], object] | None = None
    tx_done: Callable[[bytes, int], object] | None = None
    received: Callable[[bytes], object] | None = None
    link: Callable[[bool], object] | None = None
