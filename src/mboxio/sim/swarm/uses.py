"""What the clients of a seed do besides asking."""

from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from mboxio.sim.swarm.options import parsed, spelled

__all__ = ["USES_MAX", "Uses"]

USES_MAX: dict[str, float] = {"one_way": 0.2, "into": 0.3, "waiters": 4, "mappers": 3}
"""The most that is drawn of each."""


@dataclass(frozen=True, kw_only=True)
class Uses:
    """What clients do besides asking.

    Args:
        one_way: the part of the messages that expects no reply, 0 to 1.
        into: the part of the others whose reply goes into memory of the client, 0 to 1.
        waiters: clients that block a thread until each request is over.
        mappers: clients that block a thread in ``map``.

    Raises:
        ValueError: a part is not 0 to 1, or a number is negative.
    """

    one_way: float = 0.0
    into: float = 0.0
    waiters: int = 0
    mappers: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.one_way <= 1 and 0 <= self.into <= 1):
            raise ValueError(f"{self}: one_way and into are parts, 0 to 1")
        if self.waiters < 0 or self.mappers < 0:
            raise ValueError(f"{self}: there are 0 waiters and mappers at least")

    def numbers(self) -> dict[str, Any]:
        """Return each use by its name."""
        return asdict(self)

    def __str__(self) -> str:
        """Return them as `parse` takes them: ``into=0.3,waiters=2``, or ``none``."""
        return spelled(self.numbers())

    @classmethod
    def parse(cls, text: str) -> "Uses":
        """Return the uses of a text: ``none``, ``all``, or ``into=0.3,waiters``.

        A name without a number has the highest that is drawn.

        Raises:
            ValueError: there is no such use, or its number is out of range.
        """
        numbers: dict[str, Any] = dict(parsed(text, USES_MAX, "use"))
        return cls(**numbers)

    @classmethod
    def drawn(cls, random: Random) -> "Uses":
        """Return uses of which most seeds have few: a thread that blocks takes its time."""

        def choice(*among: Any) -> Any:
            return among[int(random.random() * len(among))]

        return cls(
            one_way=choice(0.0, 0.0, 0.2),
            into=choice(0.0, 0.0, 0.3),
            waiters=choice(*[0] * 27, 1, 2, 4),
            mappers=choice(*[0] * 28, 1, 3),
        )
