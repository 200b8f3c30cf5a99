"""The thread that serves: accepts hosts, looks at their rings, and sleeps in between."""

import os
import weakref
from collections.abc import Callable, Sequence
from threading import RLock, get_ident
from time import monotonic_ns
from typing import Any

from mboxio.errors import RemoteError
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.failures import go_on, surprised
from mboxio.remote.serving.hosts import ConnectedHost, End, Hosts
from mboxio.remote.serving.slow import SlowHandlers
from mboxio.remote.stats import RemoteStats

__all__ = ["ConnectedHost", "Server"]

CHUNK_NS = 50_000
"""How long the rings are looked at before the sockets are."""
# A sleeping thread wakes about this late.
SLACK_NS = 60_000
UNDRAINED_NS = 1_000_000
SLOW_DROP_NS = 1_000_000
"""The end of a connection in which something slow lies takes longer."""


class Server(Hosts[End]):
    """Serves one name until it is stopped; whoever makes it must call `run`.

    Args:
        scheme: how the address begins that hosts connect to.
        name: of the socket.
        stats: where to count.
        lock: guards `connected`.
        spin_ns: longest time to look at the rings before sleeping.

    Raises:
        AddressError: the name is taken, or as `listen`.
    """

    def __init__(
        self, scheme: str, name: str, stats: RemoteStats, lock: RLock, spin_ns: int
    ) -> None:
        super().__init__(scheme, name, stats, lock)
        self.thread: int | None = None
        self.served: Callable[[], Sequence[RemoteChannel]]  # whose handlers run here
        self.left_behind: bool  # in the parent of this process, which forked
        self._spin_ns = self._budget_ns = spin_ns
        self._slow = SlowHandlers(self.address)
        self._waiter.add(self._door.socket.fileno())
        self._closed = self.left_behind = False
        _LIVE.add(self)

    # -- any thread

    def wake(self) -> None:
        """Have the serving thread look at what changed."""
        with self._lock:
            if not self._closed:
                self._waiter.wake()

    def stop(self) -> None:
        """Have `run` return soon."""
        self._rounds.stopping = True
        self.wake()

    @property
    def silent(self) -> bool:
        """Whether nothing is taken or answered."""
        return self._rounds.silent

    @silent.setter
    def silent(self, silent: bool) -> None:
        self._rounds.silent = silent

    # -- the serving thread

    def run(self) -> None:
        """Serve until `stop`; then close everything."""
        self.thread = get_ident()
        try:
            go_on(self.address, self._loop, lambda: self._rounds.stopping)
        finally:
            self.close()

    def _loop(self) -> None:
        waiter, rounds = self._waiter, self._rounds
        polled_ns = 0
        while not rounds.stopping:
            began_ns = max(rounds.now_ns, polled_ns)
            if self._serve():
                self._learn(rounds.waited_ns)
                self._slow.check(began_ns, self.served)
            now_ns = rounds.now_ns
            if now_ns - polled_ns > CHUNK_NS:
                polled_ns = now_ns
                self._events(waiter.wait(0))
                continue  # somebody may have woken us, and will not do it again
            next_ns = self._next_ns(now_ns)
            soon = self._spin_ns and next_ns is not None and next_ns - now_ns < SLACK_NS
            if soon or (rounds.idle_ns < self._budget_ns and not rounds.near):
                continue
            if rounds.silent or self._arm():
                timeout_ns = None if next_ns is None else max(next_ns - monotonic_ns(), 0)
                if timeout_ns and self._spin_ns:
                    timeout_ns = max(timeout_ns - SLACK_NS, 0)
                events = waiter.wait(timeout_ns)
                self._disarm()
                self._events(events)
                polled_ns = monotonic_ns()
            else:
                self._disarm()

    def _learn(self, waited_ns: int) -> None:
        """Spin where work comes soon after work, and spend ever less where it does not."""
        soon = waited_ns < 2 * self._spin_ns
        self._budget_ns = self._spin_ns if soon else self._budget_ns // 2

    def _serve(self) -> bool:
        """Look at everybody's rings for a while; False: there was nothing to do."""
        try:
            return self._rounds.look(self._budget_ns, CHUNK_NS)
        except BaseException as error:
            failed = [k for k in self.connected.values() if k.end is self._rounds.current]
            if not failed:
                raise
            self._failed(failed[0], error)
            return True

    def _failed(self, host: ConnectedHost[End], error: BaseException) -> None:
        """End a connection that cannot be served; the others have nothing to do with it."""
        if isinstance(error, RemoteError):
            self.lied(host, error)
        else:
            surprised(f"{self.address} drops {host.peer!r}", error)
            self.hang_up(host)
        self._drop(host)

    def _arm(self) -> bool:
        quiet = True
        for host in tuple(self.connected.values()):
            try:
                quiet = host.end.arm() and quiet
            except BaseException as error:
                self._failed(host, error)
                quiet = False
        return quiet

    def _disarm(self) -> None:
        for host in self.connected.values():
            host.end.disarm()

    def _next_ns(self, now_ns: int) -> int | None:
        """Return when there is something to do without any event."""
        rests = (self._door.resume_ns, self._admission.next_ns(), self._floods.next_ns())
        times_ns = [at for at in rests if at is not None]
        if not self._rounds.silent:
            for host in self.connected.values():
                at_ns = host.end.next_ns()
                if at_ns is not None:
                    times_ns.append(at_ns)
            if not self.draining and self.connected:
                times_ns.append(now_ns + UNDRAINED_NS)  # doorbells are not heard
        return min(times_ns, default=None)

    def _events(self, events: Sequence[tuple[int, bool]]) -> None:
        for descriptor, ended in events:
            host = self.connected.get(descriptor)
            if host is not None:
                if ended or not self._drain(host.socket):
                    began_ns = monotonic_ns()
                    self._drop(host)
                    self._charge(began_ns, bool(self.connected))
                    if monotonic_ns() - began_ns >= SLOW_DROP_NS:
                        break  # what is left shows again, after a look at who is there
                else:
                    self._floods.rang(descriptor, host.end, monotonic_ns())
            elif descriptor == self._door.socket.fileno():
                self._accept()
        self._drop_silent()
        if self._floods.muted:
            with self._lock:
                self._floods.resume(monotonic_ns(), self.draining)
        if self._door.resume_ns is not None and monotonic_ns() >= self._door.resume_ns:
            self._door.resume_ns = None
            self._waiter.mute(self._door.socket.fileno(), False)

    def close(self) -> None:
        """Close everything that is open; after `run`, or instead of it."""
        if self.left_behind:
            return  # the socket file and the name are the parent's
        connected = tuple(self.connected.values())
        for host in connected:
            self._drop(host)
        with self._lock:
            self._closed = True
            self._waiter.close()
        self._door.close()

    def forked(self) -> None:
        """In a forked child: close its copies, which would keep the name and the hosts waiting.

        A lock of flock belongs to the open file, so that a copy keeps it.
        """
        self.left_behind = True
        self._lock._at_fork_reinit()  # type: ignore[attr-defined]  # its thread stayed behind
        if self._closed:
            return
        self._closed = True
        for host in self.connected.values():
            host.socket.close()
        self._waiter.close()
        self._door.forked()


_LIVE: "weakref.WeakSet[Server[Any]]" = weakref.WeakSet()


def _after_fork() -> None:
    for server in list(_LIVE):
        server.forked()


os.register_at_fork(after_in_child=_after_fork)
