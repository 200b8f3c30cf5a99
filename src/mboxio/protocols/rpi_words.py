"""Values of properties as people write them, and as JSON has them."""

import enum
from collections.abc import Callable
from typing import Any

from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_property import UNKNOWN

__all__ = ["flags", "in_json", "in_words"]

UNITS: dict[str, Callable[[float], str]] = {
    "clock": lambda value: f"{value / 1e6:g} MHz",
    "temperature": lambda value: f"{value:.1f} °C",
    "voltage": lambda value: f"{value:.4g} V",
}


def in_words(name: str, value: object) -> str:
    """Return a value as people write it."""
    if value is UNKNOWN:
        return str(UNKNOWN.value)
    if isinstance(value, enum.IntFlag):
        return " + ".join(flags(value)) or ("off" if isinstance(value, tags.Power) else "no")
    for word, unit in UNITS.items():
        if word in name and isinstance(value, int | float):
            return unit(value)
    if isinstance(value, bytes):
        return value.hex(" ")
    return f"{value:#x}" if isinstance(value, int) else str(value)


def flags(value: enum.IntFlag) -> list[str]:
    """Return the names of the flags that are set; a flag without a name by its number."""
    known = [each for each in type(value) if each in value]
    rest = int(value) & ~sum(known)
    names = [str(each.name).lower().replace("_", " ") for each in known]
    return names + ([f"{rest:#x}"] if rest else [])


def in_json(value: object) -> Any:
    """Return a value as JSON has it."""
    if value is UNKNOWN:
        return None
    if isinstance(value, enum.IntFlag):
        return flags(value)
    if isinstance(value, tags.Memory):
        return value._asdict()
    return value.hex() if isinstance(value, bytes) else value
