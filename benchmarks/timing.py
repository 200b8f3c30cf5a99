"""Timing bursts: warm up, find out how many fill a round, measure some rounds."""

import gc
from collections.abc import Awaitable, Callable
from time import perf_counter

from benchmarks.setting import Setting

__all__ = ["time_rounds", "time_rounds_async"]


def time_rounds(setting: Setting, run: Callable[[int], object]) -> list[float]:
    """Return the time of a request in each round, in µs.

    Args:
        setting: rounds, their length, and how many requests are in a burst.
        run: does so many bursts.
    """
    bursts, spent_s = 1, 0.0
    while spent_s < setting.round_s:
        bursts *= 2
        began_s = perf_counter()
        run(bursts)
        spent_s = perf_counter() - began_s
    found: list[float] = []
    for _ in range(setting.rounds):
        gc.collect()
        began_s = perf_counter()
        run(bursts)
        found.append((perf_counter() - began_s) * 1e6 / bursts / setting.in_flight)
    return found


async def time_rounds_async(
    setting: Setting, run: Callable[[int], Awaitable[object]]
) -> list[float]:
    """As `time_rounds`, on an event loop."""
    bursts, spent_s = 1, 0.0
    while spent_s < setting.round_s:
        bursts *= 2
        began_s = perf_counter()
        await run(bursts)
        spent_s = perf_counter() - began_s
    found: list[float] = []
    for _ in range(setting.rounds):
        gc.collect()
        began_s = perf_counter()
        await run(bursts)
        found.append((perf_counter() - began_s) * 1e6 / bursts / setting.in_flight)
    return found
