"""asyncio's streams over a Unix socket, with a length and a tag before each message.

That is what it takes to have many requests in flight there: a task reads the answers and completes
the future of each tag.
"""

import asyncio
import os
import struct
from collections.abc import Coroutine
from typing import Any

from benchmarks.processes import python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds_async

HEAD = struct.Struct("<II")


def serve(setting: Setting, where: str) -> None:
    """Send everything back."""
    on_loop(setting, serve_for_ever(where))


def near(setting: Setting, where: str) -> list[float]:
    """Measure on the loop that the setting names."""
    with python_far_side(setting, where):
        found: list[float] = on_loop(setting, ask(setting, where))
        return found


def on_loop(setting: Setting, work: Coroutine[Any, Any, Any]) -> Any:
    """Run on the loop that the setting names."""
    if setting.way == "uvloop":
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


async def serve_for_ever(where: str) -> None:
    """Send everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(HEAD.size)
                writer.write(head + await reader.readexactly(HEAD.unpack(head)[0]))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_unix_server(echo, os.path.join(where, "streams"))
    print("ready", flush=True)
    await server.serve_forever()


async def ask(setting: Setting, where: str) -> list[float]:
    """Send bursts and await the answers."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_unix_connection(os.path.join(where, "streams"))
    message = bytes(setting.size_bytes)
    pending: dict[int, asyncio.Future[bytes]] = {}
    numbers = range(setting.in_flight)
    sent = 0

    async def take() -> None:
        while True:
            length, tag = HEAD.unpack(await reader.readexactly(HEAD.size))
            pending.pop(tag).set_result(await reader.readexactly(length))

    def submit() -> "asyncio.Future[bytes]":
        nonlocal sent
        sent = (sent + 1) & 0xFFFFFFFF
        future = pending[sent] = loop.create_future()
        writer.write(HEAD.pack(len(message), sent) + message)
        return future

    async def run(bursts: int) -> None:
        for _ in range(bursts):
            for future in [submit() for _ in numbers]:
                await future

    taking = asyncio.create_task(take())
    try:
        return await time_rounds_async(setting, run)
    finally:
        taking.cancel()
        writer.close()
