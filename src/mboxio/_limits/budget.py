"""What strangers may cost: so much at once, and after that so much in a time."""

__all__ = ["Budget"]


class Budget:
    """A purse that fills by itself, up to its size. One thread at a time may spend.

    Args:
        most: its size, in any unit; it is full at first.
        per_s: what comes in each second.
    """

    def __init__(self, most: float, per_s: float) -> None:
        self.most = self.left = most
        self.per_ns = per_s / 1e9
        self.at_ns = 0

    def spend(self, cost: float, now_ns: int) -> int:
        """Take out what something has cost; return as `wait_ns`.

        Args:
            cost: may be more than there is; then the next ones wait the longer.
            now_ns: the monotonic clock.
        """
        self._fill(now_ns)
        self.left -= cost
        return self._empty_ns()

    def wait_ns(self, now_ns: int) -> int:
        """Return for how many ns there is nothing left; 0: there is."""
        self._fill(now_ns)
        return self._empty_ns()

    def _fill(self, now_ns: int) -> None:
        if self.at_ns:
            self.left += max(now_ns - self.at_ns, 0) * self.per_ns
        self.left = min(self.left, self.most)
        self.at_ns = now_ns

    def _empty_ns(self) -> int:
        return 0 if self.left > 0 else round(-self.left / self.per_ns) + 1
