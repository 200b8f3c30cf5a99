"""The door of the far side: `Remote`."""

import errno
import os
from collections.abc import Callable, Mapping
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
from mboxio.remote.faults import Faults
from mboxio.remote.misbehaving import Misbehaving
from mboxio.remote.questions import Answered
from mboxio.remote.serving.handshake import Peer

if TYPE_CHECKING:
    from mboxio.remote.spawning.program import Firmware
    from mboxio.remote.spawning.spawned import RemoteProcess

__all__ = ["Remote"]


class Remote(Misbehaving):
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
        super().__init__(name.removeprefix("shm:"), spin_s)

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
        return tuple(host.peer for _, host in self._hosts())

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
            for server, host in self._hosts():
                try:
                    pushed = host.end.notify(channel, message)
                except RemoteError as error:
                    server.lied(host, error)
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

    # -- inside

    def _ask(self, channel: str, message: bytes, answered: Answered) -> Callable[[], object]:
        found = self._find(channel)
        if not (found.host_sends and found.host_receives):
            raise ValueError(f"channel {channel!r} goes one way only")
        with self._lock:
            for server, host in self._hosts():
                if not host.end.has(channel):
                    continue
                try:
                    forget = host.end.ask(channel, message, answered)
                except RemoteError as error:
                    server.lied(host, error)
                    continue
                self._stats.asked += 1
                return forget
        raise RemoteGone(f"no host is connected to {self.address}", channel=channel)
