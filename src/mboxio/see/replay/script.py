"""Which recorded exchange a message is: the same bytes, and of several the next in order."""

from collections import deque
from collections.abc import Iterable

from mboxio.driver.correlate import Correlator
from mboxio.see.replay.conversation import Exchange
from mboxio.see.replay.wire import untagged

__all__ = ["Script"]


class Script:
    """The recorded exchanges of one channel, found by their messages.

    Each is given once, in the recorded order; after the last with its message, that one again.

    Args:
        exchanges: those that one side began.
        correlator: how their messages were stamped.
    """

    def __init__(self, exchanges: Iterable[Exchange], correlator: Correlator) -> None:
        self.repeated = 0
        self._by_message: dict[bytes, deque[Exchange]] = {}
        self._last: dict[bytes, Exchange] = {}
        for each in exchanges:
            payload = untagged(each.message, correlator)
            self._by_message.setdefault(payload, deque()).append(each)

    def take(self, payload: bytes) -> tuple[Exchange, bool] | None:
        """Return the exchange that a message is, and whether for the first time; None: unknown."""
        waiting = self._by_message.get(payload)
        if waiting is None:
            return None
        if not waiting:
            self.repeated += 1
            return self._last[payload], False
        found = self._last[payload] = waiting.popleft()
        return found, True

    def left(self) -> list[Exchange]:
        """Return what no message asked for, in the recorded order."""
        left = [each for waiting in self._by_message.values() for each in waiting]
        return sorted(left, key=lambda each: each.at_ns)
