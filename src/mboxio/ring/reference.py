"""The ring in Python, over any region: the reference for the compiled one, and the pure build.

On x86 stores are seen in the order in which they are made and loads likewise, so data before index
needs no fence there; `mboxio.ring.require_ordered_memory` keeps other machines away.
"""

import struct
from typing import TYPE_CHECKING

from mboxio.errors import MessageTooLong
from mboxio.regions.region import Kind, Region
from mboxio.ring.contract import (
    ERROR,
    FRONT_LIES,
    KIND_LIES,
    LENGTH_LIES,
    MESSAGE,
    REAR_LIES,
    Armed,
    Consumer,
    Producer,
)
from mboxio.ring.layout import LENGTH_MAX, SLOT_HEADER_BYTES, RingLayout

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["ReferenceArmed", "ReferenceConsumer", "ReferenceProducer"]

U32_MAX = 0xFFFFFFFF


class _Slots:
    """The words and slots of one ring in its region."""

    def __init__(self, region: Region, layout: RingLayout) -> None:
        if wrong := layout.problem(region.size_bytes):
            raise ValueError(f"the ring cannot be used: {wrong}")
        self.region = region
        self.layout = layout
        self.blocks = region.kind is Kind.NORMAL  # other memory takes whole words only

    def load(self, offset: int) -> int:
        return self.region.read(offset, 4)

    def store(self, offset: int, index: int) -> None:
        self.region.write(offset, index, 4)

    def next(self, index: int) -> int:
        return (index + 1) % self.layout.slots

    def steps(self, start: int, end: int) -> int:
        return (end - start) % self.layout.slots

    def offset(self, index: int) -> int:
        return self.layout.base + index * self.layout.slot_bytes

    def fill(self, index: int, kind: int, tag: int, message: bytes) -> None:
        offset = self.offset(index)
        if self.layout.framed:
            self.region.write_words(offset, (kind << 24 | len(message), tag))
            offset += SLOT_HEADER_BYTES
        else:
            message = message.ljust(self.layout.slot_bytes, b"\0")
        if self.blocks:
            self.region.write_block(offset, message)
        else:
            words = -(-len(message) // 4)
            padded = message.ljust(4 * words, b"\0")
            self.region.write_words(offset, struct.unpack(f"<{words}I", padded))

    def header(self, index: int) -> tuple[int, int, int]:
        """Return kind, tag and length of a slot."""
        if not self.layout.framed:
            return MESSAGE, 0, self.layout.slot_bytes
        word, tag = self.region.read_words(self.offset(index), 2)
        return word >> 24, tag, word & LENGTH_MAX

    def payload(self, index: int, length: int) -> bytes:
        offset = self.offset(index) + (SLOT_HEADER_BYTES if self.layout.framed else 0)
        if self.blocks:
            return self.region.read_block(offset, length)
        words = self.region.read_words(offset, -(-length // 4))
        return struct.pack(f"<{len(words)}I", *words)[:length]


class ReferenceProducer(Producer):
    """The sending side of a ring in any region.

    Args:
        region: where the ring lies.
        layout: where in it.
        armed: the armed words of mboxio's own memory; None: the doorbell is always needed.

    Raises:
        ValueError: the ring does not fit the region.
        RemoteError: an index in memory is impossible.
    """

    def __init__(self, region: Region, layout: RingLayout, armed: Armed | None = None) -> None:
        super().__init__(layout.slots, layout.message_bytes, armed)
        self._slots = _Slots(region, layout)
        self._lie: tuple[int, int] | None = None
        self.reset()

    def reset(self) -> None:
        layout = self._slots.layout
        self._mine = self._slots.load(layout.front)
        self._seen = self._slots.load(layout.rear)
        self._consumed = 0
        self._lie = None
        if self._mine >= self.slots:
            self._break(FRONT_LIES, self._mine)
        if self._seen >= self.slots:
            self._break(REAR_LIES, self._seen)
        self.broken = False

    def push(self, kind: int, tag: int, message: "ReadableBuffer") -> bool:
        if not (0 <= kind <= U32_MAX and 0 <= tag <= U32_MAX):
            raise OverflowError(f"kind {kind} or tag {tag} is not a 32-bit number")
        data = bytes(memoryview(message))
        self._check()
        if len(data) > self.message_bytes:
            raise MessageTooLong(
                f"the message has {len(data)} bytes, the ring takes {self.message_bytes}"
            )
        if not MESSAGE <= kind <= ERROR and self._slots.layout.framed:
            raise ValueError(f"{kind} is no kind of message")
        following = self._slots.next(self._mine)
        if following == self._seen:
            self._see_rear()
            if following == self._seen:
                return False
        self._slots.fill(self._mine, kind, tag, data)
        self._mine = following
        self._slots.store(self._slots.layout.front, following)
        return True

    def free(self) -> int:
        self._see_rear()
        return self.slots - 1 - self._slots.steps(self._seen, self._mine)

    def consumed(self) -> int:
        self._see_rear()
        consumed, self._consumed = self._consumed, 0
        return consumed

    def _see_rear(self) -> None:
        self._check()
        rear = self._slots.load(self._slots.layout.rear)
        steps = self._slots.steps(self._seen, rear)
        if rear >= self.slots or steps > self._slots.steps(self._seen, self._mine):
            self._break(REAR_LIES, rear)
        self._seen = rear
        self._consumed += steps

    def _break(self, lie: int, value: int) -> None:
        self._lie = (lie, value)
        self._check()

    def _check(self) -> None:
        if self._lie is not None:
            raise self.lied(*self._lie)


class ReferenceConsumer(Consumer):
    """The receiving side of a ring in any region.

    Args:
        region: where the ring lies.
        layout: where in it.

    Raises:
        ValueError: the ring does not fit the region.
        RemoteError: an index in memory is impossible.
    """

    def __init__(self, region: Region, layout: RingLayout) -> None:
        super().__init__(layout.slots, layout.message_bytes)
        self._slots = _Slots(region, layout)
        self._lie: tuple[int, int] | None = None
        self._here = False
        self._published = self._mine = self._slots.load(layout.rear)
        if self._mine >= self.slots:
            self._break(REAR_LIES, self._mine)
        self._seen = self._load_front()

    def reset(self) -> None:
        self._lie = None
        self._here = False
        self._mine = self._published = self._seen = self._load_front()
        self._slots.store(self._slots.layout.rear, self._mine)
        self.broken = False

    def peek(self) -> bool:
        self._here = False
        self._check()
        if self._mine == self._seen:
            self._see_front()
            if self._mine == self._seen:
                return False
        self.kind, self.tag, self.length = self._slots.header(self._mine)
        if not MESSAGE <= self.kind <= ERROR:
            self._break(KIND_LIES, self.kind)
        if self.length > self.message_bytes:
            self._break(LENGTH_LIES, self.length)
        self._here = True
        return True

    def payload(self) -> bytes:
        self._check_here()
        return self._slots.payload(self._mine, self.length)

    def copy_into(self, buffer: "WriteableBuffer") -> int:
        self._check_here()
        target = memoryview(buffer).cast("B")
        if len(target) < self.length:
            raise ValueError(f"{self.length} bytes do not fit a buffer of {len(target)} bytes")
        target[: self.length] = self.payload()
        return self.length

    def advance(self) -> None:
        self._check_here()
        self._here = False
        self._mine = self._slots.next(self._mine)

    def release(self) -> None:
        if self._published != self._mine:
            self._published = self._mine
            self._slots.store(self._slots.layout.rear, self._mine)

    def pending(self) -> int:
        self._see_front()
        return self._slots.steps(self._mine, self._seen)

    def extents(self) -> list[tuple[int, int]]:
        """Return where the messages that wait lie: offsets and sizes in bytes, one or two pieces.

        Raises:
            RemoteError: the peer lied, now or before.
        """
        waiting = self.pending()
        first = min(waiting, self.slots - self._mine)
        size_bytes = self._slots.layout.slot_bytes
        pieces = [(self._slots.offset(self._mine), first * size_bytes)] if first else []
        if waiting > first:
            pieces.append((self._slots.offset(0), (waiting - first) * size_bytes))
        return pieces

    def _see_front(self) -> None:
        self._check()
        front = self._load_front()
        # Counted from the published rear: an index behind it that we already took would look new.
        seen = self._slots.steps(self._published, self._seen)
        if self._slots.steps(self._published, front) < seen:
            self._break(FRONT_LIES, front)
        self._seen = front

    def _load_front(self) -> int:
        front = self._slots.load(self._slots.layout.front)
        if front >= self.slots:
            self._break(FRONT_LIES, front)
        return front

    def _break(self, lie: int, value: int) -> None:
        self._lie = (lie, value)
        self._check()

    def _check(self) -> None:
        if self._lie is not None:
            raise self.lied(*self._lie)

    def _check_here(self) -> None:
        if not self._here:
            raise RuntimeError("there is no message under peek")


class ReferenceArmed(Armed):
    """Armed words without fences: this side always asks for the doorbell and always rings it.

    Args:
        region: mboxio's own memory.
        own: offset of this side's word, in bytes.
        peer: offset of the other side's word; not used, without a fence it says nothing.
    """

    def __init__(self, region: Region, own: int, peer: int) -> None:
        # Set for good: a store before the last look at the rings could still be under way then.
        region.write(own, 1, 4)

    def arm(self) -> bool:
        return True

    def disarm(self) -> None:
        pass

    def peer_armed(self) -> bool:
        return True
