"""mboxio: a host in Python, and a remote in C or in Python."""

import asyncio
import subprocess
from contextlib import AbstractContextManager

import mboxio
from benchmarks.processes import FIRMWARE, far_side, python_far_side
from benchmarks.setting import Setting
from benchmarks.timing import time_rounds, time_rounds_async
from mboxio.remote import Remote

SPIN_S = 1.0
SHORT_LOOKS = 10_000
"""How often the firmware in C looks where a Python remote would look for its usual 50 µs."""


def serve(setting: Setting, where: str) -> None:
    """Echo, as the example in C does."""
    spin_s = {"spin": SPIN_S, "sleep": 0.0}.get(setting.way)
    remote = Remote("bench", spin_s=spin_s)
    for number in range(setting.channels):
        name = f"echo{number or ''}"
        remote.channel(name, depth=setting.depth, message_bytes=max(setting.size_bytes, 32))
        remote.handler(name)(bytes)
    with remote:
        print("ready", flush=True)
        remote._thread.join()  # type: ignore[union-attr]


def near(setting: Setting, where: str) -> list[float]:
    """Measure with a blocking client or on an event loop."""
    with far(setting, where):
        if setting.way == "asyncio":
            return asyncio.run(on_loop(setting))
        if setting.way == "uvloop":
            import uvloop

            found: list[float] = uvloop.run(on_loop(setting))
            return found
        return blocking(setting)


def far(setting: Setting, where: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """Start the remote."""
    if setting.remote == "python":
        return python_far_side(setting, where)
    way = setting.way if setting.way in ("spin", "sleep") else SHORT_LOOKS
    sizes = (setting.channels, setting.depth, max(setting.size_bytes, 32))
    return far_side(setting, FIRMWARE, "bench", way, *sizes)


def address(setting: Setting) -> str:
    """Return where to connect."""
    usual = "shm:bench?timeout_s=30&connect_timeout_s=10"
    if setting.way == "usual":
        return usual
    return f"{usual}&spin_s={SPIN_S if setting.way == 'spin' else 0}"


def blocking(setting: Setting) -> list[float]:
    """Bursts by blocking clients."""
    with mboxio.connect(address(setting)) as connection:
        clients = [
            connection.client(name, backlog=setting.in_flight)
            for name in connection._host.channels
            for _ in range(setting.clients)
        ]
        return time_clients(setting, clients)


def time_clients(setting: Setting, clients: list[mboxio.Client]) -> list[float]:
    """Time bursts for which several channels or clients take turns."""
    message = bytes(setting.size_bytes)

    def one_by_one(bursts: int) -> None:
        request = clients[0].request
        for _ in range(bursts):
            request(message)

    def many(bursts: int) -> None:
        verbs = [clients[i % len(clients)].submit for i in range(setting.in_flight)]
        for _ in range(bursts):
            for request in [submit(message) for submit in verbs]:
                request.result()

    def mapped(bursts: int) -> None:
        messages = [message] * (setting.in_flight * bursts)
        for _ in clients[0].map(messages, window=setting.in_flight):
            pass

    if setting.mapped:
        return time_rounds(setting, mapped)
    return time_rounds(setting, one_by_one if setting.in_flight == 1 else many)


async def on_loop(setting: Setting) -> list[float]:
    """Bursts on an event loop."""
    message = bytes(setting.size_bytes)
    async with mboxio.open_async(address(setting), backlog=setting.in_flight) as client:

        async def one_by_one(bursts: int) -> None:
            request = client.request
            for _ in range(bursts):
                await request(message)

        async def many(bursts: int) -> None:
            submit, numbers = client.submit, range(setting.in_flight)
            for _ in range(bursts):
                for request in [submit(message) for _ in numbers]:
                    await request

        return await time_rounds_async(setting, one_by_one if setting.in_flight == 1 else many)
