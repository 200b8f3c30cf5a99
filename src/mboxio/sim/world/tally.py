"""The counts of a simulation while it runs."""

from array import array

from mboxio._base.clock import Waitable
from mboxio.errors import MailboxError

__all__ = ["Tally"]


class Tally:
    """Counts requests and their latencies.

    Args:
        clients: how many clients there are.
    """

    def __init__(self, clients: int) -> None:
        self.from_ns = 0
        self.begun = 0  # all of them: their numbers
        self.requests = self.timed_out = self.failed = self.refused = self.wrong = 0
        self.live = self.live_max = 0
        self.latencies_ns = array("q")
        self.done_by = [0] * clients

    def restart(self, now_ns: int) -> None:
        """Count from now on. Who got a wrong reply before is not forgotten."""
        self.from_ns = now_ns
        self.requests = self.timed_out = self.failed = self.refused = 0
        self.live_max = self.live
        self.latencies_ns = array("q")
        self.done_by = [0] * len(self.done_by)

    def begin(self, begun_ns: int) -> bytes:
        """Return the number of the next request."""
        self.begun += 1
        self.requests += 1
        return self.begun.to_bytes(8, "little")

    def end(self, client: int, begun_ns: int, now_ns: int, right: bool) -> None:
        """A request is done."""
        if not right:
            self.wrong += 1
        self.latencies_ns.append(now_ns - begun_ns)
        self.done_by[client] += 1

    def refuse(self, begun_ns: int, error: MailboxError) -> None:
        """A request was not accepted."""
        self.refused += 1

    def time_out(self, begun_ns: int) -> None:
        """A request was not answered in time."""
        self.timed_out += 1

    def fail(self, begun_ns: int, request: Waitable) -> None:
        """A request ended in another way."""
        self.failed += 1
