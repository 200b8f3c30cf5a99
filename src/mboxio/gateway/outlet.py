"""What goes to one user: frames that wait, written by one task, as many at a time as wait."""

import asyncio
from collections import deque
from typing import Any

from mboxio.far.batch import batch

__all__ = ["Outlet"]

FULL_BYTES = 4 << 20
"""With so much waiting for a user who reads slowly, nothing more is taken from him."""
FINISH_S = 0.2
"""How long a user whose stream ends may take to read what waits for him."""


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
        self.writing: asyncio.Task[None] | None = None
        self.ended = False

    def start(self) -> None:
        """Write from now on what is put."""
        self.writing = asyncio.ensure_future(self.run())
        self.writing.add_done_callback(_take_note)

    async def finish(self) -> None:
        """Write what waits, unless that takes long, and then nothing more.

        A write that is cut off would keep gRPC from telling the user how his stream ended.
        """
        self.ended = True
        self.rouse()
        writing = self.writing
        if writing is None:
            return
        try:
            await asyncio.wait([writing], timeout=FINISH_S)
        finally:  # also if this is cancelled: the stream is lost, or the gateway stops
            writing.cancel()

    def rouse(self) -> None:
        """Have `run` look again."""
        if self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    def put(self, *frames: bytes) -> None:
        """Add frames; it never waits."""
        self.waiting.extend(frames)
        self.waiting_bytes += sum(map(len, frames))
        if frames:
            self.rouse()

    async def room(self) -> None:
        """Wait until the user has read enough for more."""
        while self.waiting_bytes > FULL_BYTES:
            future = asyncio.get_running_loop().create_future()
            self.full.append(future)
            await future

    async def run(self) -> None:
        """Write what is put, until the end. There is one writer for each stream."""
        loop = asyncio.get_running_loop()
        while self.waiting or not self.ended:
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


def _take_note(writing: "asyncio.Task[None]") -> None:
    """Take note of a broken stream, so that asyncio does not: reading tells of it."""
    if not writing.cancelled():
        writing.exception()
