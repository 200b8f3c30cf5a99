"""What goes to one user: frames that wait, written by one task, as many at a time as wait."""

import asyncio
from collections import deque
from typing import Any

from mboxio.far.batch import batch

__all__ = ["Outlet"]

FULL_BYTES = 4 << 20
"""With so much waiting for a user who reads slowly, nothing more is taken from him."""


class Outlet:
    """The way to one user. Everything runs on one loop.

    Args:
        write: sends one message of the stream, and waits while the user's machine takes no more.
    """

    def __init__(self, write: Any) -> None:
        self.write = write
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.idle: asyncio.Future[None] | None = None
        self.full: list[asyncio.Future[None]] = []
        self.ended = False

    def put(self, *frames: bytes) -> None:
        """Add frames; it never waits."""
        self.waiting.extend(frames)
        self.waiting_bytes += sum(map(len, frames))
        if frames and self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    def end(self) -> None:
        """Write no further message than the one under way."""
        self.ended = True
        if self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    async def room(self) -> None:
        """Wait until the user has read enough for more."""
        while self.waiting_bytes > FULL_BYTES:
            future = asyncio.get_running_loop().create_future()
            self.full.append(future)
            await future

    async def run(self) -> None:
        """Write what is put, until `end` or cancelled. There is one writer for each stream."""
        loop = asyncio.get_running_loop()
        while not self.ended:
            if not self.waiting:
                self.idle = loop.create_future()
                await self.idle
                self.idle = None
                continue
            message = batch(self.waiting)
            await self.write(message)
            self.waiting_bytes -= len(message)
            if self.full and self.waiting_bytes <= FULL_BYTES:
                waiters, self.full = self.full, []
                for each in waiters:
                    if not each.done():
                        each.set_result(None)
