"""When a fault happens: how many times it does not is drawn at once."""

from math import log
from random import Random

__all__ = ["Chance"]

NEVER = 1 << 62


class Chance:
    """Happens at a rate.

    The gaps between its times are drawn from the geometric distribution: a time without a fault
    costs a comparison and no random number.

    Args:
        rate: 0 to 1.
        random: what it draws from; only ``random.random()`` is asked.
    """

    __slots__ = ("gap", "random", "scale")

    def __init__(self, rate: float, random: Random) -> None:
        self.random = random.random
        self.scale = 1 / log(1.0 - rate) if 0 < rate < 1 else 0.0
        self.gap = self.drawn() if rate else NEVER

    def happens(self) -> bool:
        """Return whether it happens this time."""
        if self.gap:
            self.gap -= 1
            return False
        self.gap = self.drawn()
        return True

    def drawn(self) -> int:
        """Return how many times it does not happen before it does."""
        return int(log(1.0 - self.random()) * self.scale)

    def stop(self) -> None:
        """Never happen again."""
        self.gap = NEVER
