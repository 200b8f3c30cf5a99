"""The ways in which a `Remote` misbehaves as a whole; single replies are a matter of `faults`."""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from mboxio.local.sockets import socket_path
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.declared import Declared
from mboxio.remote.faults import Greeting
from mboxio.remote.serving.server import ConnectedHost
from mboxio.remote.serving.shm import ShmServer
from mboxio.remote.serving.thread import Serving
from mboxio.remote.shm_end import ShmEnd

if TYPE_CHECKING:
    pass

__all__ = ["Misbehaving"]


class Misbehaving(Serving[ShmServer], Declared):
    """The server of a `Remote`, and what it may be told to do wrong.

    Args:
        name: where hosts find it.
        spin_s: see `Remote`.

    Raises:
        AddressError: no such name is possible.
    """

    def __init__(self, name: str, spin_s: float | None) -> None:
        Declared.__init__(self)
        self.name = name
        socket_path(self.name)  # raises
        super().__init__(f"shm:{self.name}", self._lock, spin_s)
        self._greeting = Greeting.GOOD
        self._silent = False
        self._draining = True

    def _numbered(self) -> Sequence[RemoteChannel]:
        return list(self._channels.values())

    @property
    def greeting(self) -> Greeting:
        """How hosts are received from now on."""
        return self._greeting

    @greeting.setter
    def greeting(self, greeting: Greeting) -> None:
        self._greeting = greeting
        self._misbehave()

    def silence(self, silent: bool = True) -> None:
        """Take nothing and answer nothing, but stay connected; False: go on."""
        self._silent = silent
        self._misbehave()

    def stop_draining_socket(self, stopped: bool = True) -> None:
        """Leave doorbells in the sockets, until they are full; False: take them again."""
        self._draining = not stopped
        self._misbehave()

    def restart(self) -> None:
        """Drop all connections and what is under way, as a crash would; go on listening."""
        with self._lock:
            for channel in self._channels.values():
                channel.simulate(channel.latency_ns / 1e9, channel.workers)
            for server, host in self._hosts():
                server.hang_up(host)

    def lie(self, channel: str, field: str, value: int) -> int:
        """Write a wrong number into the memory of every host; return how many have it now.

        Args:
            channel: where.
            field: ``front`` or ``rear`` for an index of the remote's; ``length``, ``kind`` or
                ``tag`` for a new message with this number in its header.
            value: the lie.

        Raises:
            AddressError: there is no such channel.
            ValueError: there is no such field, or it cannot hold the value.
        """
        self._find(channel)
        return sum(host.end.lie(channel, field, value) for _, host in self._hosts())

    def scribble(self, random: Random) -> list[tuple[int, int]]:
        """Write a random word somewhere into every memory; return the offsets and values."""
        return [host.end.scribble(random) for _, host in self._hosts()]

    # -- inside

    def _hosts(self) -> list[tuple[ShmServer, ConnectedHost[ShmEnd]]]:
        server = self._server
        return [] if server is None else [(server, host) for host in server.live()]

    def _make_server(self) -> ShmServer:
        if not self._channels:
            raise ValueError(f"{self.address} has no channel: declare one with handler()")
        return ShmServer(
            self.name, lambda: [*self._channels.values()], self._stats, self._lock, self._spin_ns
        )

    def _listen(self) -> ShmServer:
        server = super()._listen()
        self._misbehave()
        return server

    def _misbehave(self) -> None:
        with self._lock:
            if self._server is not None:
                self._server.greeting = self._greeting
                self._server.silent = self._silent
                self._server.drain(self._draining)
