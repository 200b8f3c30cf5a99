"""Firmware that serves a region: a memory for each connection, or one in a file."""

import functools
import os
import socket
from collections.abc import Callable, Sequence
from threading import RLock, get_ident
from time import monotonic_ns
from typing import Any, Generic, Protocol, TypeVar

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.errors import AddressError, RemoteError
from mboxio.local.peer import HOST_ARMED, PAGE_BYTES, PEER_HELLO, REMOTE_ARMED, prepare
from mboxio.regions import Memory
from mboxio.regions.files import MappedFile
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.failures import go_on, log
from mboxio.remote.serving.handshake import mapped, memfd, seal
from mboxio.remote.serving.rounds import RegionEnd
from mboxio.remote.serving.server import Server
from mboxio.remote.serving.slow import SlowHandlers
from mboxio.remote.serving.waiter import Waiter
from mboxio.remote.stats import RemoteStats
from mboxio.ring import Armed, armed

__all__ = ["FileServer", "PeerServer"]

POLL_NS = 50_000
IDLE_POLL_NS = 500_000
BUSY_NS = 1_000_000_000
"""How long after the last message a file is looked at more often."""


class RegionLayout(Protocol):
    """What lies in a region."""

    @property
    def size_bytes(self) -> int:
        """How long the region has to be."""
        ...


End = TypeVar("End", bound=RegionEnd)
Made = TypeVar("Made", bound=RegionEnd, covariant=True)


class RegionFirmware(Protocol[Made]):
    """The firmware, as those see it who bring hosts to it."""

    name: str
    boot: int

    @property
    def address(self) -> str:
        """Where it is served."""
        ...

    @property
    def channels(self) -> Sequence[RemoteChannel]:
        """Its channels."""
        ...

    def describe(self) -> RegionLayout:
        """Lay out the region of a new life."""
        ...

    def begin(
        self,
        memory: Memory,
        layout: Any,
        interrupt: Callable[[], object] | None = None,
        words: Armed | None = None,
    ) -> Made:
        """Start a life in a memory that has room for it.

        Args:
            memory: the region.
            layout: what `describe` returned.
            interrupt: wakes the host; it does not block.
            words: with which both sides announce sleep, where the access path has some.
        """
        ...


class PeerServer(Server[End]):
    """Serves ``peer:NAME``."""

    def __init__(
        self, remote: RegionFirmware[End], stats: RemoteStats, lock: RLock, spin_ns: int
    ) -> None:
        self._remote = remote
        self.served = lambda: remote.channels
        super().__init__("peer", remote.name, stats, lock, spin_ns)

    def welcome(self, link: socket.socket) -> tuple[End, int]:
        """See `Server.welcome`."""
        layout = self._remote.describe()
        descriptor = memfd(PAGE_BYTES + layout.size_bytes)
        try:
            mapping = mapped(descriptor, PAGE_BYTES + layout.size_bytes)
            whole = Memory(mapping)
            prepare(whole)
            memory = Memory(memoryview(mapping)[PAGE_BYTES:])
            # No bound method of ours: a cycle would keep the memory until it is collected.
            interrupt = functools.partial(self._admission.ring, link)
            words = armed(whole, REMOTE_ARMED, HOST_ARMED)
            if self._spin_ns:
                words.promise_fences()  # it seldom sleeps
            end = self._remote.begin(memory, layout, interrupt, words)
            seal(descriptor)
            socket.send_fds(link, [PEER_HELLO], [descriptor], socket.MSG_NOSIGNAL)
            return end, self._remote.boot
        finally:
            os.close(descriptor)

    def ends(self) -> list[End]:
        """Return what is served now."""
        return [host.end for host in self.live()]

    def restart(self) -> None:
        """Drop all hosts; they knock again."""
        for host in self.live():
            self.hang_up(host)


class FileServer(Generic[End]):
    """Serves ``file:PATH``: looks at it again and again, because nothing tells."""

    def __init__(
        self, remote: RegionFirmware[End], stats: RemoteStats, lock: RLock, spin_ns: int
    ) -> None:
        self.stopping = False
        self.thread: int | None = None
        self.left_behind = False
        self._remote = remote
        self._stats = stats
        self._lock = lock
        layout = remote.describe()
        try:
            with open(remote.name, "ab") as file:
                if file.tell() < layout.size_bytes:
                    file.truncate(layout.size_bytes)
        except OSError as error:
            refuse_exhausted(error, remote.address)
            raise AddressError(f"{remote.address}: {why(error, remote.name)}") from None
        self._memory = MappedFile(remote.name)
        try:
            self._waiter = Waiter()
        except BaseException:
            self._memory.close()
            raise
        self._slow = SlowHandlers(remote.address)
        self._end = remote.begin(self._memory, layout)

    def ends(self) -> list[End]:
        """Return what is served now."""
        return [self._end]

    def wake(self) -> None:
        """Have the serving thread look."""
        with self._lock:
            if self.thread is not None:
                self._waiter.wake()

    def stop(self) -> None:
        """Have `run` return soon."""
        self.stopping = True
        self.wake()

    def restart(self) -> None:
        """Describe the region again, as starting firmware does."""
        with self._lock:
            self._end.close()
            self._end = self._remote.begin(self._memory, self._remote.describe())

    def run(self) -> None:
        """Serve until `stop`; then close everything."""
        self.thread = get_ident()
        try:
            go_on(self._remote.address, self._loop, lambda: self.stopping)
        finally:
            self.close()

    def _loop(self) -> None:
        busy_ns = monotonic_ns()
        while not self.stopping:
            now_ns = monotonic_ns()
            with self._lock:
                worked = self._serve(now_ns)
                next_ns = self._end.next_ns()
            if worked:
                busy_ns = now_ns
                self._slow.check(now_ns, lambda: self._remote.channels)
                continue
            pause_ns = POLL_NS if now_ns - busy_ns < BUSY_NS else IDLE_POLL_NS
            if next_ns is not None:
                pause_ns = min(pause_ns, max(next_ns - now_ns, 0))
            self._waiter.wait(pause_ns)

    def close(self) -> None:
        """Close everything that is open."""
        with self._lock:
            self.thread = None
            self._waiter.close()
            self._end.close()
            del self._end
            self._memory.close()

    def _serve(self, now_ns: int) -> bool:
        try:
            return self._end.serve(now_ns)
        except RemoteError as error:
            self._stats.lies += 1
            log.warning("%s: %s", self._remote.address, str(error))
            self._end.broken()
            return False
