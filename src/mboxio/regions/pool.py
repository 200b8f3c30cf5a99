"""Memory that the remote can address, in slots that are lent to it until it is finished.

A driver takes a slot in ``send``, fills it, declares the loan with `Controller.lend`, and then
tells the remote the slot's bus address. The slot comes back with the reply or another proof that
the remote is finished with it; until then it counts as ``held_memory`` and nobody else gets it.
"""

import struct
from collections import deque

from mboxio.regions.region import Kind, Region

__all__ = ["Pool", "Slot"]


class Slot:
    """A piece of a pool; `Pool.take` lends it."""

    __slots__ = ("bus_address", "handle", "offset", "pool", "size_bytes")

    def __init__(self, pool: "Pool", offset: int) -> None:
        self.pool = pool
        self.offset = offset
        self.size_bytes = pool.slot_bytes
        self.bus_address = pool.bus_address + offset
        self.handle = -1

    def lend_to(self, handle: int) -> "Slot":
        """Lend this slot, which is free, to a message that the remote has already; see `Pool.take`.

        For memory that an earlier user of the hardware left with the remote.
        """
        self.pool.free.remove(self)
        self.handle = handle
        self.pool.lent[self.bus_address] = self
        return self

    def write(self, data: bytes) -> None:
        """Copy ``data`` to the beginning of the slot; its last word is filled up with zeros.

        Raises:
            IndexError: it is longer than the slot.
        """
        if len(data) > self.size_bytes:
            raise IndexError(f"{len(data)} bytes are more than a slot of {self.size_bytes} bytes")
        put_bytes(self.pool.region, self.offset, data + bytes(-len(data) % 4))

    def read(self, size_bytes: int) -> bytes:
        """Copy bytes out of the beginning of the slot.

        Raises:
            IndexError: it has not so many.
        """
        if not 0 <= size_bytes <= self.size_bytes:
            raise IndexError(f"{size_bytes} bytes are more than a slot of {self.size_bytes} bytes")
        return get_bytes(self.pool.region, self.offset, size_bytes)

    def give_back(self) -> None:
        """The remote is finished with this slot. A second call does nothing."""
        if self.pool.lent.pop(self.bus_address, None) is not None:
            self.handle = -1
            self.pool.free.append(self)

    def __repr__(self) -> str:
        whose = f"lent to {self.handle}" if self.handle >= 0 else "free"
        return f"<Slot at {self.bus_address:#x}, {whose}>"


class Pool:
    """Slots of memory that the remote can address.

    Used under the controller's lock, from its ops. The memory must not be cached by this side
    unless the hardware keeps both views the same, as it is for mapped devices and remote regions.

    Args:
        region: the memory.
        bus_address: where the remote finds the beginning of the region.
        slot_bytes: size of a slot in bytes; it is rounded up to the alignment.
        alignment: what every slot's bus address is a multiple of, in bytes; at least 4.
        count: how many slots; None: as many as the region has room for.

    Raises:
        ValueError: not even one slot fits, or not so many, or the region is not aligned.
    """

    def __init__(
        self,
        region: Region,
        bus_address: int,
        *,
        slot_bytes: int,
        alignment: int = 16,
        count: int | None = None,
    ) -> None:
        if alignment < 4 or alignment & alignment - 1:
            raise ValueError(f"an alignment of {alignment} bytes is no power of two from 4 on")
        if slot_bytes < 1:
            raise ValueError("a slot has at least one byte")
        self.region = region
        self.bus_address = bus_address
        self.slot_bytes = -(-slot_bytes // alignment) * alignment
        first = -bus_address % alignment
        room = max(0, region.size_bytes - first) // self.slot_bytes
        if count is not None and count < 1:
            raise ValueError(f"a pool has at least one slot, not {count}")
        if first % 4 or (count or 1) > room:
            raise ValueError(
                f"{region.size_bytes} bytes at bus address {bus_address:#x} have no room for"
                f" {count or 1} slots of {self.slot_bytes} bytes at multiples of {alignment}"
            )
        self.slots = room if count is None else count
        self.free = deque(
            Slot(self, first + number * self.slot_bytes) for number in range(self.slots)
        )
        self.lent: dict[int, Slot] = {}

    def take(self, handle: int) -> Slot | None:
        """Lend a slot for a message, or None if all are lent.

        The one that was free the longest is taken: it shows late writes of the remote best.
        """
        if not self.free:
            return None
        return self.free[0].lend_to(handle)

    def find(self, bus_address: int) -> Slot | None:
        """Return the lent slot at this address, or None: then the remote names what it has not."""
        return self.lent.get(bus_address)

    def __repr__(self) -> str:
        return f"<Pool at {self.bus_address:#x}, {len(self.lent)} of {self.slots} slots lent>"


def put_bytes(region: Region, offset: int, data: bytes) -> None:
    """Copy bytes into a region; into anything but normal memory whole words, each once.

    Raises:
        ValueError: offset or length is no multiple of 4 where only words are possible.
    """
    if region.kind is Kind.NORMAL:
        region.write_block(offset, data)
        return
    if len(data) % 4:
        raise ValueError(f"{len(data)} bytes are not a number of words")
    region.write_words(offset, struct.unpack(f"<{len(data) // 4}I", data))


def get_bytes(region: Region, offset: int, size_bytes: int) -> bytes:
    """Copy bytes out of a region; out of anything but normal memory whole words, each once."""
    if region.kind is Kind.NORMAL:
        return region.read_block(offset, size_bytes)
    words = region.read_words(offset, -(-size_bytes // 4))
    return struct.pack(f"<{len(words)}I", *words)[:size_bytes]
