"""Waiting for a remote that is not there yet: which errors say that, and when to try again."""

from mboxio._base.clock import SYSTEM, Clock, Parker
from mboxio.errors import MailboxError

__all__ = ["WAIT_MAX_S", "Patience", "is_not_yet"]

PAUSE_MIN_NS, PAUSE_MAX_NS = 1_000_000, 250_000_000
WAIT_MAX_S = 1e6
"""Eleven days: longer than anybody waits for a board."""


def is_not_yet(error: BaseException) -> bool:
    """Return whether what was asked for may be there later, with nothing changed by the user."""
    if isinstance(error, MailboxError):
        return error.not_yet
    return isinstance(error, (ConnectionError, FileNotFoundError))  # of a driver that says no more


class Patience:
    """How long one opening still waits, and in which steps.

    Args:
        wait_s: how long the remote may take to come up, in seconds; None or 0: it is there or not.
        clock: what the time is told by.
        what: is waited for, for errors.

    Raises:
        ValueError: ``wait_s`` is negative, or not finite.
        TypeError: it is no number.
    """

    def __init__(self, wait_s: float | None, clock: Clock = SYSTEM, what: str = "") -> None:
        if wait_s is None:
            wait_s = 0
        if isinstance(wait_s, bool) or not isinstance(wait_s, (int, float)):
            raise TypeError(f"wait_s is a number of seconds, not {wait_s!r}")
        if not 0 <= wait_s <= WAIT_MAX_S:
            raise ValueError(f"wait_s is 0 to {WAIT_MAX_S:.0f} seconds, not {wait_s!r}")
        self.clock = clock
        self.what = what
        self.began_ns = clock.now_ns()
        self.wait_ns = int(wait_s * 1e9)
        self.next_ns = PAUSE_MIN_NS

    def pause_ns(self, error: BaseException) -> int:
        """Return how long to pause before the next try; 0: there is none, so raise this error.

        Where patience has ended the error says so.
        """
        if not self.wait_ns or not is_not_yet(error):
            return 0
        waited_ns = self.clock.now_ns() - self.began_ns
        if waited_ns >= self.wait_ns:
            _add(error, f"waited {waited_ns / 1e9:.3g} s for it")
            return 0
        pause_ns = min(self.next_ns, self.wait_ns - waited_ns)
        self.next_ns = min(2 * self.next_ns, PAUSE_MAX_NS)
        return pause_ns

    def sleep(self, pause_ns: int) -> None:
        """Let a pause pass; Ctrl-C ends it."""
        self.clock.park(Parker(), self.clock.now_ns() + pause_ns)


def _add(error: BaseException, text: str) -> None:
    """Say one thing more, in the line that people get to see."""
    if isinstance(error, MailboxError):
        error.args = (f"{error}; {text}", *error.args[1:])
    else:
        error.add_note(text)
