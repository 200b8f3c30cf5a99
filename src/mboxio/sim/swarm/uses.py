"""What the clients of a seed do besides asking."""

from dataclasses import dataclass
from random import Random

from mboxio.sim.swarm.options import Options, choice

__all__ = ["USES_MAX", "Uses"]

USES_MAX: dict[str, float] = {"one_way": 0.2, "into": 0.3, "waiters": 4, "mappers": 3}
"""The most that is drawn of each."""


@dataclass(frozen=True, kw_only=True)
class Uses(Options):
    """What clients do besides asking.

    Args:
        one_way: the part of the messages that expects no reply, 0 to 1.
        into: the part of the others whose reply goes into memory of the client, 0 to 1.
        waiters: clients that block a thread until each request is over.
        mappers: clients that block a thread in ``map``.

    Raises:
        ValueError: a part is not 0 to 1, or a number is negative.
    """

    MOST = USES_MAX
    WHAT = "use"

    one_way: float = 0.0
    into: float = 0.0
    waiters: int = 0
    mappers: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.one_way <= 1 and 0 <= self.into <= 1):
            raise ValueError(f"{self}: one_way and into are parts, 0 to 1")
        if self.waiters < 0 or self.mappers < 0:
            raise ValueError(f"{self}: there are 0 waiters and mappers at least")

    @classmethod
    def drawn(cls, random: Random) -> "Uses":
        """Return uses of which most seeds have few: a thread that blocks takes its time."""
        return cls(
            one_way=choice(random, (0.0, 0.0, 0.2)),
            into=choice(random, (0.0, 0.0, 0.3)),
            waiters=choice(random, (*[0] * 27, 1, 2, 4)),
            mappers=choice(random, (*[0] * 28, 1, 3)),
        )
