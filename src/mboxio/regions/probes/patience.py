"""For how long an exchange with a probe may go on while somebody waits for its end."""

from collections.abc import Iterable

from mboxio._limits.awaited import Awaited

__all__ = ["GRACE_S", "SLICE_S", "Patience"]

GRACE_S = 0.04
"""How late a deadline may become before an exchange that hangs is given up for it. It is within 50
ms with a slice and with what it takes to end a connection."""
SLICE_S = 0.005
"""How long an exchange waits before it asks who waits for it."""
PUNCTUAL_S = 0.002
"""Whoever is woken no later than this is woken in time."""
SLOWER = 10
"""An exchange that takes no more than so many times what others have taken may still be alive."""
FADES = 0.99
"""What the longest exchange counts for after each other one: a few hundred later, nothing."""


class Patience:
    """What exchanges over one connection take, and when one of them has hung.

    Attributes:
        usual_s: the longest of late, for each thing that was asked, in seconds; 0: nothing is known
            yet, so that nothing is given up.
    """

    def __init__(self) -> None:
        self.usual_s = 0.0
        self.began_s = 0.0
        self.asked = 1
        self.lag_s = 0.0

    def begin(self, asked: int, now_s: float) -> None:
        """An exchange begins, in which so many things are asked."""
        self.began_s = now_s
        self.asked = asked
        self.lag_s = 0.0

    def learn(self, now_s: float) -> None:
        """The exchange was answered."""
        self.usual_s = max((now_s - self.began_s) / self.asked, self.usual_s * FADES)

    def woke(self, asked_s: float, took_s: float) -> None:
        """A sleep has ended: later than asked where the machine is busy, the other side's, too."""
        self.lag_s += max(0.0, took_s - asked_s - PUNCTUAL_S)

    def has_hung(self, parties: Iterable[Awaited], now_s: float) -> bool:
        """Return whether the exchange is to be given up, so that somebody gets done in time."""
        lasted_s = now_s - self.began_s - self.lag_s
        if not self.usual_s or lasted_s < max(GRACE_S, SLOWER * self.usual_s * self.asked):
            return False
        left_s = min((party.left_s(now_s - self.began_s) for party in parties), default=1.0)
        return left_s + self.lag_s + GRACE_S <= 0
