"""Options of a seed: names with numbers, drawn from it or written as a command takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any, ClassVar, Self, TypeVar

__all__ = ["Options", "choice"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Numbers that have names, one field each; a class says what they are."""

    MOST: ClassVar[Mapping[str, float]]
    """All names, with the number of one that is given alone, a whole one for a count."""
    WHAT: ClassVar[str]
    """What a name is, for complaints."""

    def numbers(self) -> dict[str, Any]:
        """Return each number by its name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __str__(self) -> str:
        """Return them as `parse` takes them, those that are 0 left out."""
        written = (f"{name}={number}" for name, number in self.numbers().items() if number)
        return ",".join(written) or "none"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the numbers of a text: ``none``, ``all``, or ``lost=0.02,busy``.

        A name without a number has the highest that is drawn.

        Raises:
            ValueError: there is no such name, or its number is none or out of range.
        """
        if text == "all":
            return cls(**cls.MOST)
        numbers: dict[str, Any] = {}
        for each in text.split(",") if text and text != "none" else ():
            name, equals, value = each.strip().partition("=")
            if name not in cls.MOST:
                raise ValueError(f"no {cls.WHAT} {name!r}; there are: {', '.join(cls.MOST)}")
            most = cls.MOST[name]
            try:
                numbers[name] = type(most)(value) if equals else most
            except ValueError:
                is_no = "no whole number" if isinstance(most, int) else "no rate, 0 to 1"
                raise ValueError(f"{each.strip()}: {value!r} is {is_no}") from None
        return cls(**numbers)


def choice(random: Random, among: Sequence[T]) -> T:
    """Return one of them, as likely as any other; ``random.choice`` draws in another way."""
    return among[int(random.random() * len(among))]
