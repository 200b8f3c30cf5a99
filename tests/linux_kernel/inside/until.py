"""Waiting for what the kernel does."""

import os
import time
from collections.abc import Callable

PATIENCE_S = 20.0


def until(true: Callable[[], object], otherwise: str) -> None:
    """Wait for what the kernel does, which nothing tells."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, otherwise
        os.sched_yield()
