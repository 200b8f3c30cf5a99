"""The door of the far side: `Remote`."""

import errno
import os
from collections.abc import Callable, Mapping
from random import Random
from threading import Event, get_ident
from typing import TYPE_CHECKING

from mboxio._base.texts import remote_text
from mboxio._queue.handlers import require_plain
from mboxio.errors import (
    RemoteError,
    RemoteGone,
    RequestTimeout,
    WouldDeadlock,
)
from mboxio.local.sockets import socket_path
from mboxio.remote.connection import Connection
from mboxio.remote.declared import Declared
from mboxio.remote.faults import Faults, Greeting
from mboxio.remote.questions import Answered
from mboxio.remote.serving.handshake import Peer
from mboxio.remote.serving.server import Link
from mboxio.remote.serving.shm import ShmServer
from mboxio.remote.serving.thread import Serving

if TYPE_CHECKING:
    from mboxio.remote.spawning.program import Firmware
    from mboxio.remote.spawning.spawned import RemoteProcess

__all__ = ["Remote"]


class Remote(Serving[ShmServer], Declared):
    """The far side of ``shm:`` addresses in Python: firmware to develop and test against.

    ::

        remote = Remote("demo")

        @remote.handler("pmic")
        def pmic(message: bytes) -> bytes:
            return message[::-1]

        with remote:
            ...

    One thread serves all connections and runs all handlers and callbacks; they compute and return.
    How long firmware takes is simulated without blocking, see `handler`. All methods may be called
    by any thread.

    Args:
        name: where hosts find it, ``demo`` or ``shm:demo``.
        spin_s: longest time to look at the rings before sleeping, in seconds. Left out,
            it is 50 µs, and 0 on a single CPU.

    Raises:
        AddressError: no such name is possible.
    """

    def __init__(self, name: str, *, spin_s: float | None = None) -> None:
        Declared.__init__(self)
        self.name = name.removeprefix("shm:")
        socket_path(self.name)  # raises
        super().__init__(f"shm:{self.name}", self._lock, spin_s)
        self._greeting = Greeting.GOOD
        self._silent = False
        self._draining = True

    @property
    def address(self) -> str:
        """What hosts connect to."""
        return f"shm:{self.name}"

    def __repr__(self) -> str:
        state = "stopped" if self._server is None else f"connections: {len(self.connections)}"
        return f"<Remote {self.address}, {state}>"

    @property
    def connections(self) -> tuple[Peer, ...]:
        """The hosts that are connected, the oldest first."""
        return tuple(link.peer for _, link in self._links())

    @classmethod
    def spawn(
        cls,
        firmware: "Firmware",
        *,
        address: str | None = None,
        wait_s: float = 30.0,
        faults: Faults | None = None,
        env: Mapping[str, str] | None = None,
        log: "str | os.PathLike[str] | None" = None,
    ) -> "RemoteProcess":
        """Start firmware in a process of its own and wait until it serves.

        ::

            with Remote.spawn("firmware.py") as firmware:
                with mboxio.open(f"{firmware.address}/pmic") as client:
                    ...
                    firmware.kill()

        The process ends with this one, however that ends.

        Args:
            firmware: a Python file that defines ``remote = Remote(...)`` or a function
                ``firmware(remote)``; such a function, or ``"module:function"``; a dict of handlers
                by channel; a program, which gets the name that it serves as its argument; or a
                command, in which ``{name}`` and ``{address}`` stand for those. Functions have to
                be at the top level of a module, from which the process imports them.
            address: what it serves; left out, it is ``shm:`` with a name that no other has.
            wait_s: how long it may take to serve, in seconds.
            faults: how its replies go wrong.
            env: environment variables that it gets besides those of this process.
            log: a file for what it prints; left out, it is only kept for `RemoteProcess.log`.

        Raises:
            TypeError: a function that another process cannot import, or nothing of the above.
            ValueError: what is to be served cannot be loaded.
            FileNotFoundError: there is no such file or program.
            AddressError: no such address is possible, or somebody serves it already.
            RemoteGone: it ended, or does not serve in time; a note has the end of its log.
        """
        from mboxio.remote.spawning.spawned import RemoteProcess  # a host's side, which takes long

        return RemoteProcess(
            firmware, address=address, wait_s=wait_s, faults=faults, env=env, log=log
        )

    # -- of the remote's own accord

    def notify(self, channel: str, message: bytes) -> int:
        """Send an unsolicited message to all hosts and return how many took it; never waits.

        Where the ring is full, the message is dropped and counted.

        Raises:
            AddressError: there is no such channel.
            ValueError: the host never listens on it.
            MessageTooLong: longer than the channel carries.
        """
        if not self._find(channel).host_receives:
            raise ValueError(f"the host never receives on channel {channel!r}")
        took = 0
        # Under the lock, a host that has seen the hello is among the connections.
        with self._lock:
            for server, link in self._links():
                try:
                    pushed = link.connection.notify(channel, message)
                except RemoteError as error:
                    server.lied(link, error)
                    continue
                took += pushed
                self._stats.notifications_lost += not pushed
            self._stats.notifications += took
        return took

    def ask(self, channel: str, message: bytes, answered: Answered) -> None:
        """Send a request to the host that is connected longest.

        Args:
            channel: where.
            message: what.
            answered: called on the serving thread with the reply and status 0, or with the text of
                an error and its status; EPIPE if the host went away.

        Raises:
            AddressError: there is no such channel.
            ValueError: the host never sends or never receives on it.
            TypeError: `answered` cannot be called, or is a coroutine function.
            RemoteGone: no host is connected.
            QueueFull: the ring is full, or the host owes too many answers.
            MessageTooLong: longer than the channel carries.
        """
        require_plain(answered, f"channel {channel!r}", role="callback", does="")
        self._ask(channel, message, answered)

    def ask_wait(self, channel: str, message: bytes, timeout_s: float | None = 1.0) -> bytes:
        """Send a request as `ask` does and return the reply.

        Raises:
            RequestTimeout: none came within `timeout_s`.
            RemoteError: the host answered with an error; see ``status``.
            RemoteGone: no host is connected, or it went away.
            WouldDeadlock: called by a handler or callback, on which the reply would wait.
        """
        server = self._server
        if server is not None and server.thread == get_ident():
            raise WouldDeadlock("a handler cannot wait for an answer: use ask()")
        over = Event()
        answers: list[tuple[bytes, int]] = []

        def answered(reply: bytes, status: int) -> None:
            answers.append((reply, status))
            over.set()

        forget = self._ask(channel, message, answered)
        if not over.wait(timeout_s):
            forget()
            raise RequestTimeout(
                f"the host did not answer on channel {channel} within {timeout_s} s",
                stage="reply",
                handed_over="yes",
                channel=channel,
            )
        reply, status = answers[0]
        if status == errno.EPIPE:
            raise RemoteGone("the host went away", stage="reply", handed_over="yes")
        if status:
            raise RemoteError(remote_text(reply), status=status, channel=channel)
        return reply

    # -- misbehaving

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
            for server, link in self._links():
                server.hang_up(link)

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
        return sum(link.connection.lie(channel, field, value) for _, link in self._links())

    def scribble(self, random: Random) -> list[tuple[int, int]]:
        """Write a random word somewhere into every memory; return the offsets and values."""
        return [link.connection.scribble(random) for _, link in self._links()]

    # -- inside

    def _links(self) -> list[tuple[ShmServer, Link[Connection]]]:
        server = self._server
        return [] if server is None else [(server, link) for link in server.live()]

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

    def _ask(self, channel: str, message: bytes, answered: Answered) -> Callable[[], object]:
        found = self._find(channel)
        if not (found.host_sends and found.host_receives):
            raise ValueError(f"channel {channel!r} goes one way only")
        with self._lock:
            for server, link in self._links():
                if not link.connection.has(channel):
                    continue
                try:
                    forget = link.connection.ask(channel, message, answered)
                except RemoteError as error:
                    server.lied(link, error)
                    continue
                self._stats.asked += 1
                return forget
        raise RemoteGone(f"no host is connected to {self.address}", channel=channel)
