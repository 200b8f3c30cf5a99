"""Hosts of ``shm:NAME``: the memory that each gets, and our end of it."""

import functools
import os
import socket
from collections.abc import Callable, Sequence
from threading import RLock

from mboxio.remote.channel import RemoteChannel
from mboxio.remote.faults import Greeting
from mboxio.remote.serving.handshake import greet, new_memory
from mboxio.remote.serving.server import Server
from mboxio.remote.shm_end import ShmEnd
from mboxio.remote.stats import RemoteStats

__all__ = ["ShmServer"]


class ShmServer(Server[ShmEnd]):
    """Serves ``shm:NAME``: each connection has a memory with rings of mboxio's own.

    Args:
        name: of the socket.
        channels: what is served; connections get those that are there when they are made.

    The others, and what is raised, are those of `Server`.
    """

    def __init__(
        self,
        name: str,
        channels: Callable[[], Sequence[RemoteChannel]],
        stats: RemoteStats,
        lock: RLock,
        spin_ns: int,
    ) -> None:
        self.greeting = Greeting.GOOD
        self.served = channels
        super().__init__("shm", name, stats, lock, spin_ns)

    def welcome(self, link: socket.socket) -> tuple[ShmEnd, int]:
        """See `Server.welcome`."""
        channels = self.served()
        memory, layout, descriptor = new_memory([channel.spec for channel in channels])
        try:
            # No bound method of ours: a cycle would keep the memory until it is collected.
            doorbell = functools.partial(self._admission.ring, link)
            end = ShmEnd(
                channels, memory, layout, doorbell, self._stats, self._lock, self._spin_ns > 0
            )
            greet(link, memory, descriptor, self.greeting)
            return end, layout.epoch
        finally:
            os.close(descriptor)
