"""Bounded memory between connections, which tell what happens, and the one who writes it down.

Whoever tells must not wait: where the ring is full, the newest event is dropped and counted, and
the next one that finds room says how many are missing. One ring takes the events of many
connections, in the order in which they happened; each has a `RingTap` of its own. The compiled
build has ring.pyx in place of this: there a packet is ready when it is put, here it is made when it
is taken.
"""

import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mboxio._base import tap as kinds
from mboxio._base.clock import Clock
from mboxio._base.request import Request
from mboxio._base.states import AWAITING, DONE, SENT
from mboxio._base.tap import NO_TAG, Place, Tap, number_of
from mboxio.capture.blocks import packet_block
from mboxio.capture.event import Kind
from mboxio.capture.layout import (
    AT_REMOTE,
    EXPECTS_REPLY,
    HANDED_OVER_SHIFT,
    HEAD,
    HEAD_BYTES,
    PREFIX,
    VERSION,
)
from mboxio.capture.packets import BEFORE_MESSAGE, INBOUND, OUTBOUND, direction

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DIRECTIONS", "UNWANTED", "EventRing", "RingTap", "Watcher"]

OVERHEAD_BYTES = 32 + BEFORE_MESSAGE + 8 + 12 + 4
"""How much longer a packet is than its message, with all options."""

_BY_KIND = {int(kind): direction(kind, False) for kind in Kind}
DIRECTIONS = bytes(_BY_KIND.get(kind, 0) for kind in range(kinds.SEEN_SENDING))
"""By kind: whether a message crosses the wire, and which way, as the host sees it."""

TAGGED = frozenset(kind for kind, way in _BY_KIND.items() if way) - {kinds.SEEN_NOTIFICATION}
"""Kinds whose ``status`` is `tagged` where there is no request."""

UNWANTED = -1
"""The interface of a channel that is not recorded."""

Watcher = Callable[[Place, int], int]
"""Called with a place and a channel that is new; returns its interface or `UNWANTED`."""


class EventRing:
    """See the module's text.

    Args:
        size_bytes: how much may wait to be taken.
        snap_bytes: how much of a message is kept.
        offset_ns: what the clocks lack to the time since 1970.
    """

    def __init__(self, size_bytes: int, snap_bytes: int, offset_ns: int) -> None:
        if size_bytes < 1 or snap_bytes < 0:
            raise ValueError("a ring has room, and keeps 0 bytes of a message or more")
        self.size_bytes = size_bytes
        self.snap_bytes = snap_bytes
        self.offset_ns = offset_ns
        self.events = 0
        self.lost = 0
        """In all; ``untold`` of them no packet has told yet."""
        self.untold = 0
        self.waiting = 0
        self.entries: deque[tuple[Any, ...]] = deque()

    def put(self, entry: tuple[Any, ...], kept_bytes: int) -> None:
        """Add an event, or count it as lost."""
        room = OVERHEAD_BYTES + kept_bytes
        if self.waiting + room > self.size_bytes:
            self.lost += 1
            self.untold += 1
            return
        untold, self.untold = self.untold, 0
        self.events += 1
        self.waiting += room
        self.entries.append((untold, room, *entry))

    def tell_lost(self, at_ns: int) -> None:
        """Say how many events were lost, if no packet has told yet; the ring is empty."""
        if self.untold:
            head = (VERSION, kinds.SEEN_LOST, 0, 0, 0, 0, NO_TAG, 0, HEAD_BYTES, 0)
            self.put((0, at_ns, head, b"", 0, 0), 0)

    def take(self, write: "Callable[[Buffer], object]", most_bytes: int) -> bool:
        """Write whole blocks, oldest first, about as many as asked for; one thread at a time.

        Args:
            write: called once, with blocks that are gone when it returns or raises.
            most_bytes: about how many.

        Returns:
            False if there are none, and nothing was written.
        """
        taken: list[bytes] = []
        size = 0
        while self.entries and size < most_bytes:
            entry = self.entries.popleft()
            self.waiting -= entry[1]
            taken.append(self._packet(*entry))
            size += len(taken[-1])
        if taken:
            write(b"".join(taken))
        return bool(taken)

    def _packet(
        self, lost: int, _room: int, interface: int, at_ns: int, head: tuple[int, ...],
        kept: bytes, length: int, way: int,
    ) -> bytes:  # fmt: skip
        time_ns = (at_ns + self.offset_ns) & (1 << 64) - 1
        data = PREFIX + HEAD.pack(*head) + kept
        return packet_block(interface, time_ns, data, BEFORE_MESSAGE + length, way, lost)


class RingTap(Tap):
    """Tells a ring what happens at one place.

    Args:
        ring: who takes it.
        clock: of the connection.
        watcher: knows the interfaces.
        left: called when the place is closed.
        remote: it is the remote's side.
    """

    def __init__(
        self,
        ring: EventRing,
        clock: Clock,
        watcher: Watcher,
        left: Callable[[], object],
        remote: bool = False,
    ) -> None:
        self.ring = ring
        self.clock = clock
        self.watcher = watcher
        self.left = left
        self.remote = remote
        self.place: Callable[[], Place | None] = _nowhere
        self.interfaces: dict[int, int] = {}

    def join(self, place: Place) -> None:
        """See `Tap.join`."""
        self.place = weakref.ref(place)  # a recording keeps no connection alive

    def is_quick(self, channel: int) -> bool:
        """See `Tap.is_quick`."""
        return channel in self.interfaces

    def interface_of(self, channel: int) -> int:
        """Return the interface of a channel, which is described before its first event."""
        if channel not in self.interfaces:
            place = self.place()
            self.interfaces[channel] = UNWANTED if place is None else self.watcher(place, channel)
        return self.interfaces[channel]

    def see(
        self,
        kind: int,
        channel: int,
        request: Request | None,
        message: bytes | None,
        status: int,
        at_ns: int,
    ) -> None:
        """See `Tap.see`."""
        if kind >= kinds.SEEN_SENDING:
            return
        interface = self.interface_of(channel)
        if interface == UNWANTED:
            return
        number, tag, outcome, flags = 0, NO_TAG, 0, AT_REMOTE if self.remote else 0
        if request is not None:
            state = request._state
            if kind == kinds.SEEN_ENDED and state == DONE:
                return  # its reply or its TX done says so
            number = number_of(request)
            if request._remote_tag >= 0:
                tag = request._remote_tag
            elif request.tag >= 0:
                tag = request.tag
            elif request._tied and request.handle >= 0:
                tag = request.handle & NO_TAG
            outcome = state if status else _state_after(kind, request, message)
            flags |= request._handed << HANDED_OVER_SHIFT | (EXPECTS_REPLY if request._tied else 0)
        elif kind in TAGGED:
            tag = status & NO_TAG
            status >>= 32
            flags |= EXPECTS_REPLY if kind == kinds.SEEN_REQUEST else 0
        elif kind == kinds.SEEN_LINK:
            outcome = message is None
        way = DIRECTIONS[kind]
        if self.remote and way:
            way ^= INBOUND | OUTBOUND
        message = message or b""
        head = (
            *(VERSION, kind, flags, outcome, _int32(status), number, tag),
            *(channel & 0xFFFF, HEAD_BYTES, 0),
        )
        kept = message[: self.ring.snap_bytes]  # what is cut off is not kept alive either
        at_ns = at_ns or self.clock.now_ns()
        self.ring.put((interface, at_ns, head, kept, len(message), way), len(kept))

    def leave(self) -> None:
        """See `Tap.leave`."""
        self.place = _nowhere
        self.left()


def _nowhere() -> None:
    return None


def _state_after(kind: int, request: Request, message: bytes | None) -> int:
    """Return the state of a request after what is told just before it happens."""
    state: int = request._state
    if kind == kinds.SEEN_REPLY and state in (SENT, AWAITING):
        fits = request._into is None or len(message or b"") <= len(request._into)
        return DONE if fits else state  # else it fails next
    if kind == kinds.SEEN_TX_DONE and state == SENT:
        return AWAITING if request._tied else DONE
    return state


def _int32(number: int) -> int:
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)
