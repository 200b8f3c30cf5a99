"""Sizes as people write them: 4096, 64k, 10M, 2G."""

import re
from typing import Any

import click

__all__ = ["SIZE"]

UNITS = {"": 0, "k": 10, "m": 20, "g": 30}
SIZES = re.compile(r"(\d{1,12})([kmg]?)(?:i?b)?", re.IGNORECASE)


class Size(click.ParamType[int]):
    """A number of bytes; k, M and G are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`."""
        found = SIZES.fullmatch(str(value).strip())
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no size: write 4096, 64k, 10M or 2G")
        return int(found[1]) << UNITS[found[2].lower()]


SIZE = Size()
