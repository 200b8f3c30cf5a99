"""Options of a seed as text, as a command takes and prints them: names with numbers."""

from collections.abc import Mapping

__all__ = ["parsed", "spelled"]


def parsed(text: str, most: Mapping[str, float], what: str) -> dict[str, float]:
    """Return the numbers of a text: ``none``, ``all``, or ``lost=0.02,busy``.

    Args:
        text: the text.
        most: all names, with the number of one that is given alone, a whole one for a count.
        what: what they name, for complaints.

    Raises:
        ValueError: there is no such name, or it is no number.
    """
    if text == "all":
        return dict(most)
    numbers: dict[str, float] = {}
    for each in text.split(",") if text and text != "none" else ():
        name, equals, value = each.strip().partition("=")
        if name not in most:
            raise ValueError(f"no {what} {name!r}; there are: {', '.join(most)}")
        kind = type(most[name])
        try:
            numbers[name] = kind(value) if equals else most[name]
        except ValueError:
            is_no = "no whole number" if isinstance(most[name], int) else "no rate, 0 to 1"
            raise ValueError(f"{each.strip()}: {value!r} is {is_no}") from None
    return numbers


def spelled(numbers: Mapping[str, float]) -> str:
    """Return numbers as `parsed` takes them, those that are 0 left out."""
    return ",".join(f"{name}={number}" for name, number in numbers.items() if number) or "none"
