"""Who gets a place at a remote, and who loses it again because it never took what it came for."""

import fcntl
import socket
import struct
import termios
from collections import Counter
from collections.abc import Iterable
from typing import Protocol, TypeVar

from mboxio._os.whose import user
from mboxio.local.sockets import ring_doorbell
from mboxio.remote.serving.handshake import Peer
from mboxio.remote.serving.rounds import RemoteEnd

__all__ = ["Admission"]

CONNECTIONS_MAX = 64
SHARE_KEPT = 4
"""One part in this many is kept from the hosts of any one user, for those of others and of root."""
HELLO_NS = 10_000_000_000
"""How long a host may leave the hello unread."""
UNASKED_NS = 10_000_000_000
"""How long a host has its place at least, if it asks nothing."""
GREEDY = 2
"""With so many places more than another one, a process has no such time for them."""
MADE_ROOM = "it asked nothing, and another host needed the place"


class Present(Protocol):
    """A host that has a place."""

    @property
    def peer(self) -> Peer: ...
    @property
    def end(self) -> RemoteEnd: ...
    @property
    def since_ns(self) -> int: ...


Place = TypeVar("Place", bound=Present)


class Admission:
    """The places of a remote."""

    def __init__(self) -> None:
        self.unread: dict[socket.socket, int] = {}  # hellos, and when their time is up

    def makes_room(self, uid: int, pid: int, present: Iterable[Place], now_ns: int) -> Place | None:
        """Return which connection has to go for a host of a user; None: none need, or none can.

        It is one of the same user, and has never asked or sent anything: of the process with the
        most places if this one has far fewer, else one that had its time.

        Args:
            uid, pid: of the host.
            present: the connections that are there, the oldest first.
            now_ns: the clock that they are `since_ns` of.
        """
        places = list(present)
        if not _why_full(uid, [each.peer.uid for each in places]):
            return None
        mine = [each for each in places if each.peer.uid == uid]
        idle = [each for each in mine if not each.end.asked]
        held = Counter(each.peer.pid for each in mine)
        for each in sorted(idle, key=lambda each: -held[each.peer.pid]):
            greedy = held[each.peer.pid] >= held[pid] + GREEDY
            if greedy or now_ns - each.since_ns >= UNASKED_NS:
                return each
        return None

    def check(self, uid: int, present: Iterable[int]) -> None:
        """Refuse a host of a user if there is no place.

        Args:
            uid: of the host.
            present: the users of the hosts that are there.

        Raises:
            OSError: there is none; the text says why.
        """
        if why := _why_full(uid, list(present)):
            raise OSError(why)

    def greeted(self, link: socket.socket, now_ns: int) -> None:
        """Note that a hello was sent."""
        self.unread[link] = now_ns + HELLO_NS

    def ring(self, link: socket.socket) -> None:
        """Ring for a host that wants to be woken, so it has read the hello."""
        if self.unread:
            self.unread.pop(link, None)
        ring_doorbell(link)

    def forget(self, link: socket.socket) -> None:
        """The connection ends."""
        self.unread.pop(link, None)

    def next_ns(self) -> int | None:
        """Return when the time of the first unread hello is up; None: there is none."""
        return next(iter(self.unread.values())) if self.unread else None

    def overdue(self, now_ns: int) -> list[socket.socket]:
        """Return the connections whose hosts have left the hello unread for too long."""
        found: list[socket.socket] = []
        for link, due_ns in tuple(self.unread.items()):
            if now_ns < due_ns:
                break  # they come in order
            if self.unread.pop(link, None) is not None and _unread(link):
                found.append(link)
        return found


def _why_full(uid: int, users: list[int]) -> str:
    """Return why there is no place for another host of a user; empty: there is one."""
    if len(users) >= CONNECTIONS_MAX:
        return f"there are {CONNECTIONS_MAX} connections already"
    share = CONNECTIONS_MAX - CONNECTIONS_MAX // SHARE_KEPT
    if users.count(uid) >= share:
        return f"there are {share} connections of {user(uid)} already"
    return ""


def _unread(link: socket.socket) -> bool:
    """Return whether the host has not read all that was sent."""
    waiting: tuple[int] = struct.unpack("i", fcntl.ioctl(link, termios.TIOCOUTQ, bytes(4)))
    return waiting[0] > 0
