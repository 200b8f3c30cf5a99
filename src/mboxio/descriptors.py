"""Descriptors as everything here needs them, and what to say where there are none."""

import os
import sys

__all__ = ["eventfd", "require"]


def require(*names: str) -> None:
    """Check that this Python has functions of `os` that not every Python has.

    Raises:
        RuntimeError: it has not; the text says which, and what to use.
    """
    missing = [f"os.{name}" for name in names if not hasattr(os, name)]
    if missing:
        raise RuntimeError(
            f"mboxio needs {' and '.join(missing)} here, which this {sys.implementation.name}"
            f" {sys.version.split()[0]} does not have: use CPython on Linux"
        )


def eventfd() -> int:
    """Return a new eventfd, which does not block and is closed on exec; raises as `require`."""
    require("eventfd")
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
