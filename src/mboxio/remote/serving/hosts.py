"""The hosts of a remote: who comes, who is let in, who goes."""

import socket
from threading import RLock
from time import monotonic_ns
from typing import Generic, NamedTuple, TypeVar

from mboxio.errors import RemoteError
from mboxio.local.doorbells import let_go, take_doorbell
from mboxio.remote.failures import log, refused
from mboxio.remote.serving.admission import MADE_ROOM, Admission
from mboxio.remote.serving.door import Door
from mboxio.remote.serving.floods import Floods
from mboxio.remote.serving.handshake import Peer, check_peer, send_away
from mboxio.remote.serving.rounds import RemoteEnd, Rounds
from mboxio.remote.serving.waiter import Waiter
from mboxio.remote.stats import RemoteStats

__all__ = ["ConnectedHost", "Hosts"]

COME_MAX = 16
"""So many who have gone already are taken from the door between two looks at the rings."""

End = TypeVar("End", bound=RemoteEnd)


class ConnectedHost(NamedTuple, Generic[End]):
    """A host, by its socket, and our end of its connection."""

    peer: Peer
    socket: socket.socket
    end: End
    since_ns: int


class Hosts(Generic[End]):
    """The connections of one name, on the serving thread unless it says otherwise.

    A subclass says what a connection is, by `welcome`.

    Args:
        scheme: how the address begins that hosts connect to.
        name: of the socket.
        stats: where to count.
        lock: guards `connected`.

    Raises:
        AddressError: the name is taken, or as `listen`.
    """

    def __init__(self, scheme: str, name: str, stats: RemoteStats, lock: RLock) -> None:
        self.address = f"{scheme}:{name}"
        self.connected: dict[int, ConnectedHost[End]] = {}
        self.draining = True
        self._stats = stats
        self._lock = lock
        self._rounds = Rounds()
        self._admission = Admission()
        self._waiter = Waiter()
        self._floods = Floods(self._waiter)
        try:
            self._door = Door(scheme, name)
        except BaseException:
            self._waiter.close()
            raise

    # -- any thread

    def wake(self) -> None:
        """Have the serving thread look at what changed."""
        raise NotImplementedError

    def drain(self, draining: bool) -> None:
        """Take doorbells from the sockets, or leave them there until they block the hosts."""
        with self._lock:
            self.draining = draining
            for descriptor in self.connected:
                self._waiter.mute(descriptor, not draining)
        self.wake()

    def live(self) -> list[ConnectedHost[End]]:
        """Return the connections that are not about to go, the oldest first."""
        with self._lock:
            return [host for host in self.connected.values() if not host.end.closed]

    def hang_up(self, host: ConnectedHost[End]) -> None:
        """End a connection at once: nothing is sent on it from now on."""
        host.end.close()
        with self._lock:
            try:
                # Only the serving thread closes descriptors, for it may be waiting for them; this
                # tells the host, and that thread.
                host.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def lied(self, host: ConnectedHost[End], error: RemoteError) -> None:
        """Count and log a lie of the host; end its connection."""
        self._stats.lies += 1
        # Its text only: whoever keeps the record would keep the memory, by way of the traceback.
        log.warning("%s drops %r: %s", self.address, host.peer, str(error))
        self.hang_up(host)

    # -- who comes

    def _accept(self) -> None:
        """Let one host in, after those that have gone already."""
        began_ns, others = monotonic_ns(), bool(self.connected)
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
        idle = self._admission.makes_room(uid, pid, self.connected.values(), now_ns)
        if idle is not None:
            log.warning("%s drops %r: %s", self.address, idle.peer, MADE_ROOM)
            send_away(idle.socket, MADE_ROOM)
            self._drop(idle)
        self._admission.check(uid, (each.peer.uid for each in self.connected.values()))
        # What is sent from now on reaches whoever has seen the hello.
        with self._lock:
            end, epoch = self.welcome(link)
            self._admission.greeted(link, now_ns)
            self._waiter.add(link.fileno())
            if not self.draining:
                self._waiter.mute(link.fileno(), True)
            self.connected[link.fileno()] = ConnectedHost(Peer(pid, uid, epoch), link, end, now_ns)
            self._rounds.ends.append(end)
            self._stats.connections += 1

    def welcome(self, link: socket.socket) -> tuple[End, int]:
        """Make our end of a connection, and greet the host; return it and its epoch.

        Raises:
            OSError, ValueError: it cannot be had.
        """
        raise NotImplementedError(f"{type(self).__name__} welcomes nobody")

    # -- who goes

    def _drain(self, link: socket.socket) -> bool:
        """Take a doorbell; False: the host is gone. It rings once for a sleep; more come again."""
        try:
            return bool(take_doorbell(link, self._door.sure))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def _drop_silent(self) -> None:
        """Give up hosts that never took their memory; others need the place."""
        if self._admission.unread:
            for silent in self._admission.overdue(monotonic_ns()):
                host = self.connected[silent.fileno()]
                log.warning("%s drops %r: it leaves the hello unread", self.address, host.peer)
                self._drop(host)

    def _drop(self, host: ConnectedHost[End]) -> None:
        with self._lock:
            host.end.close()
            self._waiter.remove(host.socket.fileno())
            self._admission.forget(host.socket)
            self._floods.forget(host.socket.fileno())
            del self.connected[host.socket.fileno()]
            self._rounds.ends.remove(host.end)
            self._rounds.current = None  # otherwise it would keep the memory
            let_go(host.socket)
        host.end.abandon()  # without the lock: it runs callbacks
