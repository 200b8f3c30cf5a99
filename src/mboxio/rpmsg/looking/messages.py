"""The last messages in a ring, as far as their buffers still hold them."""

from collections.abc import Iterator
from dataclasses import dataclass

from mboxio.rpmsg.looking.dump import Dump
from mboxio.rpmsg.looking.ring_state import RingState
from mboxio.rpmsg.message import HEADER, HEADER_BYTES, NAME_SERVICE, Announcement

__all__ = ["GIVEN_BACK", "TAKEN", "WAITS", "SeenMessage", "last_messages"]

WAITS, TAKEN, GIVEN_BACK = "waits", "taken", "given back"
"""Nobody took it; the host took it; the remote gave its buffer back."""
SHOWN_BYTES = 64
"""Of a message at most."""


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A message in a buffer.

    Args:
        queue: 0: from the remote; 1: to it.
        position: the index at which it was handed over.
        head: of its buffer.
        state: `WAITS`, `TAKEN` or `GIVEN_BACK`.
        source, destination: the addresses in its header.
        length: of the message, as its header says.
        first_bytes: what it begins with, 64 bytes at most.
        announcement: what it announces; None: it is an ordinary message.
        problem: why it cannot be true; "": it can.
    """

    queue: int
    position: int
    head: int
    state: str
    source: int
    destination: int
    length: int
    first_bytes: bytes
    announcement: Announcement | None = None
    problem: str = ""


def last_messages(dump: Dump, ring: RingState, count: int) -> list[SeenMessage]:
    """Return the last messages of a ring, oldest first; those that were overwritten are left out.

    Args:
        dump: the memory.
        ring: the ring.
        count: how many at most.
    """
    found: list[SeenMessage] = []
    seen: set[int] = set()
    for position, head, filled, state in _handed_over(ring):
        if len(found) >= count:
            break
        if head >= ring.num or ring.descriptors[head][0] in seen:
            continue
        seen.add(ring.descriptors[head][0])  # an older message in this buffer was overwritten
        message = _read(dump, ring, (position, head, filled, state))
        if message is not None:
            found.append(message)
    return found[::-1]


def _handed_over(ring: RingState) -> Iterator[tuple[int, int, int, str]]:
    """Yield position, head, bytes filled and state of messages, the latest first."""
    if ring.number == 0:
        for place, (position, head, filled) in enumerate(reversed(ring.returns())):
            yield position, head, filled, WAITS if place < ring.back else TAKEN
        return
    waiting = len(ring.untouched())
    for place, (position, head) in enumerate(reversed(ring.offers())):
        filled = ring.descriptors[head][1] if head < ring.num else 0
        yield position, head, filled, WAITS if place < waiting else GIVEN_BACK


def _read(dump: Dump, ring: RingState, entry: tuple[int, int, int, str]) -> SeenMessage | None:
    position, head, filled, state = entry
    address, room, _, _ = ring.descriptors[head]
    header = dump.copy(address, HEADER_BYTES)
    if header is None or room < HEADER_BYTES:
        return None
    source, destination, _, length, _ = HEADER.unpack(header)
    limit = max(0, min(filled, room) - HEADER_BYTES)
    problem = ""
    if length > limit:
        problem = f"the message in buffer {head} claims {length} bytes, where {limit} were filled"
    body = dump.copy(address + HEADER_BYTES, min(length, limit)) or b""
    announcement = Announcement.parse(body) if destination == NAME_SERVICE else None
    return SeenMessage(
        ring.number,
        position,
        head,
        state,
        source,
        destination,
        length,
        body[:SHOWN_BYTES],
        announcement,
        problem,
    )
