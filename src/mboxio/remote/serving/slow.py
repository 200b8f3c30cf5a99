"""Handlers that keep everybody waiting: said once, with their names."""

from collections.abc import Callable, Sequence
from time import monotonic_ns

from mboxio._queue.handlers import named
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.failures import log

__all__ = ["SlowHandlers"]

SLOW_NS = 1_000_000_000
NAMED_MAX = 3


class SlowHandlers:
    """Warns of them.

    The clock is read once for many messages, so it is not known which handler it was if there are
    several.

    Args:
        address: what is served.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.warned = False

    def check(self, began_ns: int, served: Callable[[], Sequence[RemoteChannel]]) -> None:
        """Warn, once, if what was served since then took too long. On the serving thread.

        Args:
            began_ns: the monotonic clock, a moment before.
            served: returns the channels that were.
        """
        if self.warned or (took_ns := monotonic_ns() - began_ns) < SLOW_NS:
            return
        self.warned = True
        names = [f"{named(each.handler)} ({each.name})" for each in served() if each.answers]
        if len(names) > NAMED_MAX:
            names[NAMED_MAX:] = [f"one of {len(names) - NAMED_MAX} more"]
        log.warning(
            "%s served nobody for %.1f s, because a handler did not return: %s. Handlers only "
            "compute; latency_s= simulates slow firmware",
            *(self.address, took_ns / 1e9, " or ".join(names)),
        )
