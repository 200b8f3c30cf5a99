"""The counts of a simulation while it runs."""

from array import array
from collections import Counter

from mboxio._base.states import STATE_NAMES

__all__ = ["Tally"]


class Tally:
    """Counts requests and their latencies.

    Args:
        clients: how many clients there are.
    """

    def __init__(self, clients: int) -> None:
        self.from_ns = 0
        self.begun = 0  # all of them: their numbers
        self.accepted = 0
        self.ends = [0] * len(STATE_NAMES)  # of all that were accepted, by their states
        self.requests = self.timed_out = self.failed = self.wrong = 0
        self.refused: Counter[str] = Counter()  # by their exceptions
        self.live = self.live_max = 0
        self.latencies_ns = array("q")
        self.done_by = [0] * clients

    def restart(self, now_ns: int) -> None:
        """Count from now on. Who got a wrong reply before is not forgotten."""
        self.from_ns = now_ns
        self.requests = self.timed_out = self.failed = 0
        self.refused.clear()
        self.live_max = self.live
        self.latencies_ns = array("q")
        self.done_by = [0] * len(self.done_by)

    def begin(self) -> int:
        """Return the number of the next request."""
        self.begun += 1
        self.requests += 1
        return self.begun

    def accept(self) -> None:
        """A request was accepted."""
        self.accepted += 1
        self.live += 1
        if self.live > self.live_max:
            self.live_max = self.live

    def end(self, state: int) -> None:
        """It is over."""
        self.live -= 1
        self.ends[state] += 1

    def answer(self, client: int, latency_ns: int, right: bool) -> None:
        """It was answered."""
        if not right:
            self.wrong += 1
        self.latencies_ns.append(latency_ns)
        self.done_by[client] += 1
