"""The thread that serves: accepts hosts, looks at their rings, and sleeps in between."""

import os
import socket
import weakref
from collections.abc import Callable, Sequence
from threading import RLock, get_ident
from time import monotonic_ns
from typing import Any, Generic, NamedTuple, TypeVar

from mboxio.errors import RemoteError
from mboxio.local.doorbells import let_go, take_doorbell
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.failures import go_on, log, refused, surprised
from mboxio.remote.serving.admission import MADE_ROOM, Admission
from mboxio.remote.serving.door import Door
from mboxio.remote.serving.floods import Floods
from mboxio.remote.serving.handshake import Peer, check_peer, send_away
from mboxio.remote.serving.rounds import Rounds, Served
from mboxio.remote.serving.slow import SlowHandlers
from mboxio.remote.serving.waiter import Waiter
from mboxio.remote.stats import RemoteStats

__all__ = ["Link", "Server"]

CHUNK_NS = 50_000
"""How long the rings are looked at before the sockets are."""
# A sleeping thread wakes about this late.
SLACK_NS = 60_000
UNDRAINED_NS = 1_000_000
SLOW_DROP_NS = 1_000_000
"""The end of a connection in which something slow lies takes longer."""
COME_MAX = 16
"""So many who have gone already are taken from the door between two looks at the rings."""

End = TypeVar("End", bound=Served)


class Link(NamedTuple, Generic[End]):
    """One connection and its socket."""

    peer: Peer
    socket: socket.socket
    connection: End
    since_ns: int


class Server(Generic[End]):
    """Serves one name until it is stopped; whoever makes it must call `run`.

    A subclass says what a connection is, by `welcome`.

    Args:
        scheme: how the address begins that hosts connect to.
        name: of the socket.
        stats: where to count.
        lock: guards `links`.
        spin_ns: longest time to look at the rings before sleeping.

    Raises:
        AddressError: the name is taken, or as `listen`.
    """

    def __init__(
        self, scheme: str, name: str, stats: RemoteStats, lock: RLock, spin_ns: int
    ) -> None:
        self.address = f"{scheme}:{name}"
        self.links: dict[int, Link[End]] = {}
        self.draining = True
        self.thread: int | None = None
        self.served: Callable[[], Sequence[RemoteChannel]]  # whose handlers run here
        self.left_behind: bool  # in the parent of this process, which forked
        self._stats = stats
        self._lock = lock
        self._spin_ns = self._budget_ns = spin_ns
        self._slow = SlowHandlers(self.address)
        self._rounds = Rounds()
        self._admission = Admission()
        self._waiter = Waiter()
        self._floods = Floods(self._waiter)
        try:
            self._door = Door(scheme, name)
        except BaseException:
            self._waiter.close()
            raise
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

    def drain(self, draining: bool) -> None:
        """Take doorbells from the sockets, or leave them there until they block the hosts."""
        with self._lock:
            self.draining = draining
            for descriptor in self.links:
                self._waiter.mute(descriptor, not draining)
        self.wake()

    def live(self) -> list[Link[End]]:
        """Return the connections that are not about to go, the oldest first."""
        with self._lock:
            return [link for link in self.links.values() if not link.connection.closed]

    def hang_up(self, link: Link[End]) -> None:
        """End a connection at once: nothing is sent on it from now on."""
        link.connection.close()
        with self._lock:
            try:
                # Only the serving thread closes descriptors, for it may be waiting for them; this
                # tells the host, and that thread.
                link.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def lied(self, link: Link[End], error: RemoteError) -> None:
        """Count and log a lie of the host; end its connection."""
        self._stats.lies += 1
        # Its text only: whoever keeps the record would keep the memory, by way of the traceback.
        log.warning("%s drops %r: %s", self.address, link.peer, str(error))
        self.hang_up(link)

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
            if soon or rounds.idle_ns < self._budget_ns:
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
            failed = [k for k in self.links.values() if k.connection is self._rounds.current]
            if not failed:
                raise
            self._failed(failed[0], error)
            return True

    def _failed(self, link: Link[End], error: BaseException) -> None:
        """End a connection that cannot be served; the others have nothing to do with it."""
        if isinstance(error, RemoteError):
            self.lied(link, error)
        else:
            surprised(f"{self.address} drops {link.peer!r}", error)
            self.hang_up(link)
        self._drop(link)

    def _arm(self) -> bool:
        quiet = True
        for link in tuple(self.links.values()):
            try:
                quiet = link.connection.arm() and quiet
            except BaseException as error:
                self._failed(link, error)
                quiet = False
        return quiet

    def _disarm(self) -> None:
        for link in self.links.values():
            link.connection.disarm()

    def _next_ns(self, now_ns: int) -> int | None:
        """Return when there is something to do without any event."""
        rests = (self._door.resume_ns, self._admission.next_ns(), self._floods.next_ns())
        times_ns = [at for at in rests if at is not None]
        if not self._rounds.silent:
            for link in self.links.values():
                at_ns = link.connection.next_ns()
                if at_ns is not None:
                    times_ns.append(at_ns)
            if not self.draining and self.links:
                times_ns.append(now_ns + UNDRAINED_NS)
        return min(times_ns, default=None)

    def _events(self, events: Sequence[tuple[int, bool]]) -> None:
        for descriptor, ended in events:
            link = self.links.get(descriptor)
            if link is not None:
                if ended or not self._drain(link.socket):
                    began_ns = monotonic_ns()
                    self._drop(link)
                    self._charge(began_ns, bool(self.links))
                    if monotonic_ns() - began_ns >= SLOW_DROP_NS:
                        break  # what is left shows again, after a look at who is there
                else:
                    self._floods.rang(descriptor, link.connection, monotonic_ns())
            elif descriptor == self._door.socket.fileno():
                self._accept()
        self._drop_silent()
        if self._floods.muted:
            with self._lock:
                self._floods.resume(monotonic_ns(), self.draining)
        if self._door.resume_ns is not None and monotonic_ns() >= self._door.resume_ns:
            self._door.resume_ns = None
            self._waiter.mute(self._door.socket.fileno(), False)

    def _drop_silent(self) -> None:
        """Give up hosts that never took their memory; others need the place."""
        if self._admission.unread:
            for silent in self._admission.overdue(monotonic_ns()):
                link = self.links[silent.fileno()]
                log.warning("%s drops %r: it leaves the hello unread", self.address, link.peer)
                self._drop(link)

    def _drain(self, link: socket.socket) -> bool:
        """Take a doorbell; False: the host is gone. It rings once for a sleep; more come again."""
        try:
            return bool(take_doorbell(link, self._door.sure))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _accept(self) -> None:
        """Let one host in, after those that have gone already."""
        began_ns, others = monotonic_ns(), bool(self.links)
        for _ in range(COME_MAX):
            link = self._door.accept()
            if link is None:
                break
            if not self._door.left(link):
                self._let_in(link)
                break
        self._charge(began_ns, others)

    def _charge(self, began_ns: int, others: bool) -> None:
        """Have the door rest if coming and going took too much of others' time."""
        self._door.charge(began_ns, others)
        if self._door.resume_ns is not None:
            self._waiter.mute(self._door.socket.fileno(), True)

    def _let_in(self, link: socket.socket) -> None:
        try:
            self._connect(link)
        except BaseException as error:
            self._admission.forget(link)
            send_away(link, str(error))
            let_go(link)
            self._stats.refused += 1
            refused(self.address, error)

    def _connect(self, link: socket.socket) -> None:
        pid, uid = check_peer(link)
        now_ns = monotonic_ns()
        idle = self._admission.makes_room(uid, pid, self.links.values(), now_ns)
        if idle is not None:
            log.warning("%s drops %r: %s", self.address, idle.peer, MADE_ROOM)
            send_away(idle.socket, MADE_ROOM)
            self._drop(idle)
        self._admission.check(uid, (each.peer.uid for each in self.links.values()))
        # What is sent from now on reaches whoever has seen the hello.
        with self._lock:
            connection, epoch = self.welcome(link)
            self._admission.greeted(link, now_ns)
            self._waiter.add(link.fileno())
            if not self.draining:
                self._waiter.mute(link.fileno(), True)
            self.links[link.fileno()] = Link(Peer(pid, uid, epoch), link, connection, now_ns)
            self._rounds.ends.append(connection)
            self._stats.connections += 1

    def welcome(self, link: socket.socket) -> tuple[End, int]:
        """Make our end of a connection, and greet the host; return it and its epoch.

        Raises:
            OSError, ValueError: it cannot be had.
        """
        raise NotImplementedError(f"{type(self).__name__} welcomes nobody")

    def _drop(self, link: Link[End]) -> None:
        with self._lock:
            link.connection.close()
            self._waiter.remove(link.socket.fileno())
            self._admission.forget(link.socket)
            self._floods.forget(link.socket.fileno())
            del self.links[link.socket.fileno()]
            self._rounds.ends.remove(link.connection)
            self._rounds.current = None
            let_go(link.socket)
        link.connection.abandon()

    def close(self) -> None:
        """Close everything that is open; after `run`, or instead of it."""
        if self.left_behind:
            return  # the socket file and the name are the parent's
        links = tuple(self.links.values())
        for link in links:
            self._drop(link)
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
        for link in self.links.values():
            link.socket.close()
        self._waiter.close()
        self._door.forked()


_LIVE: "weakref.WeakSet[Server[Any]]" = weakref.WeakSet()


def _after_fork() -> None:
    for server in list(_LIVE):
        server.forked()


os.register_at_fork(after_in_child=_after_fork)
