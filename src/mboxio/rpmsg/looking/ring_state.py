"""One ring as it lies in memory: its indices, its entries, and whose its buffers are.

Only the two indices are in memory; how far each side has looked is not. So what is told here
follows from them: what was offered and did not come back, and whether it comes back in order.
"""

import struct
from dataclasses import dataclass, field

from mboxio.rpmsg.looking.dump import Dump
from mboxio.virtio.layout import DESCRIPTOR_BYTES, SILENT, USED_BYTES, SplitLayout

__all__ = ["Descriptor", "RingState", "read_ring"]

WRAP = 0xFFFF
COMPARED = 8
"""Entries that tell how far the order is shifted."""

Descriptor = tuple[int, int, int, int]
"""Address, length, flags, next."""


@dataclass(slots=True)
class RingState:
    """What was read of a ring, and what follows from it.

    Args:
        number: 0: from the remote to the host; 1: back.
        layout: where it is, in the remote's addresses.
        available, used: the indices of host and remote.
        host_silent, remote_silent: who asks not to be rung.
        moved: the indices changed while the ring was read.
        descriptors, offered, returned: the entries of its three parts; a returned one is the head
            and the length.
        out: how many buffers were offered and did not come back; -1: the indices contradict each
            other.
        held: how many of those the remote passed over, as it gave back later ones; -1: buffers come
            back in another order than they were offered.
        behind: how many entries of the used part come before the first buffer that was offered:
            some hosts fill it themselves to say that all buffers are free.
        described: how many descriptors lead to a buffer.
    """

    number: int
    layout: SplitLayout
    available: int
    used: int
    host_silent: bool
    remote_silent: bool
    moved: bool
    descriptors: list[Descriptor] = field(repr=False)
    offered: list[int] = field(repr=False)
    returned: list[tuple[int, int]] = field(repr=False)
    out: int = 0
    held: int = 0
    behind: int = 0
    described: int = 0

    @property
    def num(self) -> int:
        """How many descriptors there are."""
        return self.layout.num

    @property
    def back(self) -> int:
        """How many buffers are with the host, of those that were ever offered."""
        return max(0, self.described - self.out) if self.out >= 0 else 0

    def offers(self) -> list[tuple[int, int]]:
        """Return position and head of what the host offered, oldest first, as far as it is left."""
        num, count = self.num, _left(self.available, self.offered)
        return [
            (each & WRAP, self.offered[each % num])
            for each in range(self.available - count, self.available)
        ]

    def returns(self) -> list[tuple[int, int, int]]:
        """Return position, head and length of what the remote gave back, oldest first."""
        num, count = self.num, _left(self.used, self.returned)
        if self.behind:
            count = min(count, (self.used - self.behind) & WRAP)
        return [
            (each & WRAP, *self.returned[each % num])
            for each in range(self.used - count, self.used)
        ]

    def untouched(self) -> list[int]:
        """Return the heads that wait for the remote, oldest first, as far as that can be told."""
        count = max(0, self.out - max(0, self.held))
        heads = [head for _, head in self.offers()]
        return heads[len(heads) - min(count, len(heads)) :]


def _left(index: int, entries: "list[int] | list[tuple[int, int]]") -> int:
    """Return how many entries before an index are still there: a ring that never went round has
    nothing after it."""
    blank = (0, (0, 0))
    if index < len(entries) and all(each in blank for each in entries[index:]):
        return index
    return len(entries)


def read_ring(dump: Dump, number: int, layout: SplitLayout) -> RingState | None:
    """Read a ring; None: it is not in this memory."""
    num = layout.num
    table = dump.copy(layout.base, DESCRIPTOR_BYTES * num)
    first = dump.copy(layout.available, 4 + 2 * num)
    second = dump.copy(layout.used, 4 + USED_BYTES * num)
    if table is None or first is None or second is None:
        return None
    host_flags, available, *offered = struct.unpack(f"<{num + 2}H", first)
    remote_flags, used = struct.unpack_from("<2H", second)
    again = [dump.copy(each, 4) for each in (layout.available, layout.used)]
    ring = RingState(
        number,
        layout,
        available,
        used,
        bool(host_flags & SILENT),
        bool(remote_flags & SILENT),
        [each and each[2:4] for each in again] != [first[2:4], second[2:4]],
        list(struct.iter_unpack("<QIHH", table)),
        offered,
        list(struct.iter_unpack("<2I", second[4:])),
    )
    _measure(ring)
    return ring


def _measure(ring: RingState) -> None:
    """Find out whose the buffers are."""
    ring.described = sum(1 for address, length, _, _ in ring.descriptors if address or length)
    ring.out = (ring.available - ring.used) & WRAP
    if ring.out > ring.num:
        ahead = (ring.used - ring.available) & WRAP
        if ring.number == 0 or ahead > ring.num:
            ring.out = -1
            return
        ring.behind = ring.num
        ring.out = ring.num - ahead
    ring.held = _passed_over(ring)


def _passed_over(ring: RingState) -> int:
    """Return by how many places the used entries lie behind the available ones; -1: no order.

    Where no used entry can be compared any more, a buffer that seems to be lent twice tells: its
    earlier offer was taken.
    """
    offers = dict(ring.offers())
    recent = [((place - ring.behind) & WRAP, head) for place, head, _ in ring.returns()[-COMPARED:]]
    fitting = [
        shift
        for shift in range(ring.out + 1)
        if all(offers.get((place + shift) & WRAP, head) == head for place, head in recent)
    ]
    distinct: set[int] = set()
    for head in reversed(offers.values()):
        if head in distinct or len(distinct) == ring.out:
            break
        distinct.add(head)
    least = ring.out - len(distinct)
    return next((each for each in fitting if each >= least), fitting[0] if fitting else -1)
