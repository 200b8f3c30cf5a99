"""Functions by name, for a process that has to find them again."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Reference", "reference_to"]

NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""``module:function``."""


@dataclass(frozen=True)
class Reference:
    """A function of a module.

    Args:
        module: its dotted name.
        file: of the module, where it has one; it may lie where no import finds it.
        name: of the function in the module.
    """

    module: str
    file: str | None
    name: str

    @property
    def text(self) -> str:
        """What people call it."""
        return f"{self.module}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "Reference | None":
        """Take ``module:function`` apart; None: it is something else."""
        if not NAMED.fullmatch(text):
            return None
        module, _, name = text.partition(":")
        return cls(module, None, name)


def reference_to(function: Callable[..., Any], what: str) -> Reference:
    """Return how another process finds a function again.

    Args:
        function: of a module.
        what: it is, for errors.

    Raises:
        TypeError: it cannot be called, or has no name in a module; the text says what to do.
    """
    if not callable(function):
        raise TypeError(f"{what}: {function!r} is not a function")
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError(f"{what}: {function!r} has no name by which another process finds it")
    if "<" in name:
        kind = "a lambda" if name.endswith("<lambda>") else "a function inside another one"
        raise TypeError(
            f"{what}: {name} is {kind}, which another process cannot import: "
            "write it at the top level of its module"
        )
    home = sys.modules.get(module)
    if getattr(function, "__self__", None) not in (None, home):
        raise TypeError(
            f"{what}: {name} is a method of an object, which another process does not have: "
            "write a function"
        )
    file = getattr(home, "__file__", None)
    if module == "__main__" and file is None:
        raise TypeError(
            f"{what}: {name} was typed into an interpreter, where another process cannot find it: "
            "write it into a file"
        )
    return Reference(module, None if file is None else os.path.abspath(file), name)
