"""How long something takes: constant, exponential, bimodal, bound by a copy, or stalled once."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random

__all__ = ["Bimodal", "Constant", "Copied", "Duration", "Exponential", "Stalled", "check_us"]


def check_us(described: object, *names: str) -> None:
    """Refuse times of a description that are negative or no times at all, with ValueError."""
    for name in names:
        value = getattr(described, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name}={value!r}: a number of microseconds is expected")
        if not 0 <= value < math.inf:
            raise ValueError(f"{name}={value!r}: it is 0 or more")


@dataclass(frozen=True)
class Duration:
    """A time, drawn anew for each use. Times are in microseconds, `draw` returns nanoseconds."""

    def __post_init__(self) -> None:
        check_us(self, *(each.name for each in fields(self) if each.name.endswith("us")))

    def drawn_by(self, random: Random) -> Callable[[int], int]:
        """Return what draws: a function of the number of the use, counted from 1.

        Only ``random.random()`` is asked, which gives the same numbers on every Python.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how long it takes")

    def copy_ns(self, size_bytes: int) -> int:
        """Return how long a message occupies the one bus of the firmware."""
        return 0


@dataclass(frozen=True)
class Constant(Duration):
    """Always the same.

    Args:
        us: the time.
    """

    us: float = 5.0

    def drawn_by(self, random: Random) -> Callable[[int], int]:
        """See `Duration.drawn_by`."""
        ns = round(self.us * 1000)
        return lambda number: ns


@dataclass(frozen=True)
class Exponential(Duration):
    """Without memory, as arrivals that do not know of each other and work of any length.

    Args:
        us: the mean.
    """

    us: float = 20.0

    def drawn_by(self, random: Random) -> Callable[[int], int]:
        """See `Duration.drawn_by`."""
        draw, log, mean_ns = random.random, math.log, -self.us * 1000
        return lambda number: int(mean_ns * log(1.0 - draw()))


@dataclass(frozen=True)
class Bimodal(Duration):
    """Mostly short, sometimes long: a cache that misses, or a flash page that is written.

    Args:
        us: the usual time.
        rare_us: the long one.
        rare: how often it is the long one, 0 to 1.
    """

    us: float = 20.0
    rare_us: float = 800.0
    rare: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rare <= 1:
            raise ValueError(f"rare={self.rare!r}: it is a share, 0 to 1")

    def drawn_by(self, random: Random) -> Callable[[int], int]:
        """See `Duration.drawn_by`."""
        draw, rare = random.random, self.rare
        short_ns, long_ns = round(self.us * 1000), round(self.rare_us * 1000)
        return lambda number: long_ns if draw() < rare else short_ns


@dataclass(frozen=True)
class Copied(Duration):
    """Bound by a copy out of slow memory: workers take turns at the bus, the rest is parallel.

    Args:
        us: the time after the copy.
        bytes_per_us: how much the bus carries in a microsecond.
    """

    us: float = 1.0
    bytes_per_us: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bytes_per_us > 0:
            raise ValueError(f"bytes_per_us={self.bytes_per_us!r}: it is positive")

    def drawn_by(self, random: Random) -> Callable[[int], int]:
        """See `Duration.drawn_by`."""
        ns = round(self.us * 1000)
        return lambda number: ns

    def copy_ns(self, size_bytes: int) -> int:
        """See `Duration.copy_ns`."""
        return round(size_bytes / self.bytes_per_us * 1000)


@dataclass(frozen=True)
class Stalled(Duration):
    """As usual, but a request stalls now and then and occupies its worker all the time.

    Args:
        usual: the time of all others.
        every: one in so many stalls, the first one after as many.
        stall_us: how long it takes.
    """

    usual: Duration = Constant()
    every: int = 1000
    stall_us: float = 10_000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1:
            raise ValueError(f"every={self.every!r}: it is 1 or more")

    def drawn_by(self, random: Random) -> Callable[[int], int]:
        """See `Duration.drawn_by`."""
        usual, every, stall_ns = (
            self.usual.drawn_by(random),
            self.every,
            round(self.stall_us * 1000),
        )
        return lambda number: usual(number) if number % every else stall_ns

    def copy_ns(self, size_bytes: int) -> int:
        """See `Duration.copy_ns`."""
        return self.usual.copy_ns(size_bytes)
