"""What an event loop costs by itself: a future that the loop completes, without any I/O."""

import asyncio

from benchmarks.setting import Setting
from benchmarks.timing import time_rounds_async


def near(setting: Setting, where: str) -> list[float]:
    """Measure on the loop that the setting names."""
    if setting.way == "uvloop":
        import uvloop

        found: list[float] = uvloop.run(on_loop(setting))
        return found
    return asyncio.run(on_loop(setting))


async def on_loop(setting: Setting) -> list[float]:
    """Complete bursts of futures."""
    loop = asyncio.get_running_loop()
    reply = bytes(setting.size_bytes)
    numbers = range(setting.in_flight)

    async def run(bursts: int) -> None:
        for _ in range(bursts):
            futures = [loop.create_future() for _ in numbers]
            for future in futures:
                loop.call_soon(future.set_result, reply)
            for future in futures:
                await future

    return await time_rounds_async(setting, run)
