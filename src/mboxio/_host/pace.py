"""When a lost remote is looked for: at once, and then less and less often until one lives."""

from collections.abc import Mapping
from typing import Protocol

from mboxio._base.counts import Counts
from mboxio._base.gate import Gate
from mboxio._base.states import FOREVER

__all__ = ["RetryPace"]

PAUSE_MIN_NS, PAUSE_MAX_NS = 10_000_000, 1_000_000_000
PROVEN_NS = 1_000_000_000
"""A remote that dies earlier, and never said a word, is as one that was not there.

Some do nothing but start and die.
"""


class Counted(Protocol):
    """A channel."""

    counts: Counts


class Seeking(Protocol):
    """The connection whose remote is looked for."""

    gate: Gate

    @property
    def channels(self) -> Mapping[str, Counted]:
        """All channels, by name."""
        ...


class RetryPace:
    """Chooses the times of the tries of one connection.

    The pauses lie between the beginnings of tries, and start again at the shortest one after a life
    that counts. All is called under the lock of the ``host``.
    """

    def __init__(self) -> None:
        self.pause_ns = PAUSE_MIN_NS
        self.next_ns = 0  # no try before
        self.came_ns = -PROVEN_NS
        self.heard = 0

    def lost(self, host: Seeking) -> int:
        """A life is over: return when to try first."""
        now_ns = host.gate.clock.now_ns()
        # A long life starts afresh at once. A short one that said something waits the first pause
        # from its beginning. One that only came and died goes on with the growing pauses.
        if now_ns - self.came_ns >= PROVEN_NS:
            self.pause_ns, self.next_ns = PAUSE_MIN_NS, now_ns
        elif heard(host) != self.heard:
            self.pause_ns, self.next_ns = PAUSE_MIN_NS, self.came_ns + PAUSE_MIN_NS
        return max(now_ns, self.next_ns)

    def tried(self, host: Seeking) -> int:
        """A try begins: return when the next one does."""
        self.next_ns = host.gate.clock.now_ns() + self.pause_ns
        self.pause_ns = min(2 * self.pause_ns, PAUSE_MAX_NS)
        return self.next_ns

    def found(self, host: Seeking) -> int:
        """A life begins: return when to try next, which is never."""
        self.came_ns, self.heard = host.gate.clock.now_ns(), heard(host)
        return FOREVER


def heard(host: Seeking) -> int:
    """Count what the remote has done for us so far."""
    counts = [each.counts for each in host.channels.values()]
    return sum(each.done + each.notifications + each.remote_requests for each in counts)
