"""The two rings of an RPMsg device as one link: messages with addresses, in both directions.

The host has all buffers. It lends those of queue 0 to the remote, which sends in them, and sends in
those of queue 1. All endpoints share them. A message is no longer than its buffer less the header;
its length stands in the header alone, and is believed as far as the buffer goes.

A link has no endpoints and knows no names; it is used under one lock, and nothing here waits.
Source: Linux, drivers/rpmsg/virtio_rpmsg_bus.c; OpenAMP, lib/rpmsg (facts only).
"""

from mboxio.errors import MessageTooLong, RemoteError
from mboxio.rpmsg.message import HEADER_BYTES
from mboxio.virtio.layout import WRITABLE
from mboxio.virtio.ring import HostRing, RemoteRing, SplitRing
from mboxio.virtio.words import Header, Window, Windows, Words

__all__ = ["HostLink", "Pool", "RemoteLink", "RpmsgLink"]

WORD = 0xFFFF_FFFF


class Pool:
    """Where the host's buffers lie.

    Args:
        words: access to their memory.
        offset: where the first one begins there, in bytes; those to receive in come first.
        address: what the remote calls that place.
        buffer_bytes: size of each, header included.
    """

    __slots__ = ("address", "buffer_bytes", "offset", "words")

    def __init__(self, words: Words, offset: int, address: int, buffer_bytes: int) -> None:
        self.words = words
        self.offset = offset
        self.address = address
        self.buffer_bytes = buffer_bytes


class RpmsgLink:
    """What both sides have.

    Attributes:
        message_bytes: the longest message that can be sent; 0: not known before one is.
        slots: how many buffers there are to send in.
        source, destination: after `receive`: the addresses in the header of that message.
    """

    def __init__(self) -> None:
        self.message_bytes = 0
        self.slots = 0
        self.header = Header()
        """Of the message that was received last."""
        self.source = 0
        self.destination = 0

    def send(self, source: int, destination: int, message: bytes) -> int:
        """Put a message into the next buffer and hand it over.

        Returns:
            What `sent` returns when the other side is finished with it; -1: no buffer is free.

        Raises:
            MessageTooLong: longer than a buffer; nothing was sent.
            RemoteError: the other side lied, now or before.
        """
        raise NotImplementedError

    def sent(self) -> int:
        """Return which message the other side is finished with; -1: no other one.

        Raises:
            RemoteError: the other side lied, now or before.
        """
        return -1

    def free(self) -> int:
        """Return in how many buffers can be sent now; raises RemoteError."""
        raise NotImplementedError

    def pending(self) -> int:
        """Return how many messages wait; raises RemoteError."""
        raise NotImplementedError

    def receive(self) -> bytes | None:
        """Take the next message; None: there is none. Its buffer goes back at `release`.

        Raises:
            RemoteError: the other side lied, now or before.
        """
        raise NotImplementedError

    def release(self) -> int:
        """Give back the buffers of all messages taken, and return how many there were."""
        raise NotImplementedError

    def news(self) -> bool:
        """Return whether messages may wait. Believes nothing; any thread."""
        raise NotImplementedError

    def room(self) -> bool:
        """Return whether buffers to send in may have come. Believes nothing; any thread."""
        raise NotImplementedError

    def silenced(self, queue: int) -> bool:
        """Return whether the other side asks not to be rung for queue 0 or 1."""
        raise NotImplementedError

    def was_reset(self) -> bool:
        """Return whether the host began another life of the rings, and we are not part of it."""
        return False


def take(ring: SplitRing, words: Words, offset: int, filled: int, header: Header) -> bytes:
    """Return the message of a buffer with so many bytes filled.

    Args:
        header: becomes a copy of that of the message, which may change under our eyes.
    """
    message = words.take_framed(offset, filled - HEADER_BYTES, header)
    if message is None:
        length = header.fourth & 0xFFFF
        ring.lied("length", length, f"a message of {length} bytes in {filled - HEADER_BYTES}")
        message = b""  # not reached
    return message


def too_long(message: bytes, room: int) -> MessageTooLong:
    """Return the error for a message that fits no buffer."""
    return MessageTooLong(f"the message has {len(message)} bytes, a buffer takes {room}")


class HostLink(RpmsgLink):
    """The side that has the buffers.

    Args:
        incoming: queue 0.
        outgoing: queue 1.
        pool: the buffers, for both.

    Raises:
        ValueError: the buffers cannot lie there.
    """

    def __init__(self, incoming: HostRing, outgoing: HostRing, pool: Pool) -> None:
        super().__init__()
        count = incoming.num + outgoing.num
        if pool.buffer_bytes <= HEADER_BYTES or pool.buffer_bytes % 4 or pool.offset % 4:
            raise ValueError("buffers begin at multiples of 4 bytes and are longer than 16")
        if pool.offset < 0 or pool.offset + count * pool.buffer_bytes > pool.words.size_bytes:
            raise ValueError(
                f"{count} buffers of {pool.buffer_bytes} bytes at {pool.offset:#x} end after "
                f"{pool.words.size_bytes:#x}"
            )
        self.incoming = incoming
        self.outgoing = outgoing
        self.words = pool.words
        self.pool = pool
        self.buffer_bytes = pool.buffer_bytes
        self.receiving = pool.offset
        self.sending = pool.offset + incoming.num * pool.buffer_bytes
        self.message_bytes = pool.buffer_bytes - HEADER_BYTES
        self.slots = outgoing.num
        self.free_heads: list[int] = []
        self.held: list[int] = []

    def start(self) -> None:
        """Begin a life: empty rings, and all buffers to receive in are lent to the remote."""
        self.incoming.start()
        self.outgoing.start()
        self.held.clear()
        address = self.pool.address
        for head in range(self.incoming.num):
            self.incoming.describe(head, address, self.buffer_bytes, WRITABLE)
            self.incoming.offer(head)
            address += self.buffer_bytes
        for head in range(self.outgoing.num):
            self.outgoing.describe(head, address, self.buffer_bytes, 0)
            address += self.buffer_bytes
        self.free_heads = list(range(self.outgoing.num - 1, -1, -1))

    def send(self, source: int, destination: int, message: bytes) -> int:
        """See `RpmsgLink.send`."""
        ring = self.outgoing
        if len(message) > self.message_bytes:
            raise too_long(message, self.message_bytes)
        if ring.lie:
            ring.check()
        if not self.free_heads:
            return -1
        head = self.free_heads.pop()
        offset = self.sending + head * self.buffer_bytes
        self.words.put_framed(offset, source & WORD, destination & WORD, message)
        ring.set_length(head, HEADER_BYTES + len(message))
        ring.offer(head)
        return head

    def sent(self) -> int:
        """See `RpmsgLink.sent`."""
        head = self.outgoing.reap()
        if head >= 0:
            self.free_heads.append(head)
        return head

    def free(self) -> int:
        """See `RpmsgLink.free`: buffers that came back count when `sent` has told of them."""
        self.outgoing.check()
        return len(self.free_heads)

    def pending(self) -> int:
        """See `RpmsgLink.pending`."""
        return self.incoming.waiting()

    def receive(self) -> bytes | None:
        """See `RpmsgLink.receive`."""
        ring = self.incoming
        head = ring.reap()
        if head < 0:
            return None
        self.held.append(head)
        filled = ring.filled
        if filled > self.buffer_bytes or filled < HEADER_BYTES:
            ring.lied("used length", filled, f"it filled {filled} of {self.buffer_bytes} bytes")
        header = self.header
        message = take(ring, self.words, self.receiving + head * self.buffer_bytes, filled, header)
        self.source = header.first
        self.destination = header.second
        return message

    def release(self) -> int:
        """See `RpmsgLink.release`."""
        count = len(self.held)
        for head in self.held:
            self.incoming.offer(head)
        self.held.clear()
        return count

    def news(self) -> bool:
        """See `RpmsgLink.news`."""
        return self.incoming.news()

    def room(self) -> bool:
        """See `RpmsgLink.room`."""
        return self.outgoing.news()

    def silenced(self, queue: int) -> bool:
        """See `RpmsgLink.silenced`."""
        return (self.outgoing if queue else self.incoming).silenced()


class RemoteLink(RpmsgLink):
    """The side that uses the host's buffers. What it sends is handed over at once.

    Args:
        outgoing: queue 0.
        incoming: queue 1.
        windows: all memory in which the host's buffers may lie.
    """

    def __init__(self, outgoing: RemoteRing, incoming: RemoteRing, windows: Windows) -> None:
        super().__init__()
        self.outgoing = outgoing
        self.incoming = incoming
        self.windows = windows
        if incoming.is_writable(0):  # the mark of rpmsg-lite's hosts, and of no others
            incoming.join_filled()
        self.slots = outgoing.num
        self.next_head = -1  # taken, and not sent in yet: a message that was too long left it
        self.head = -1  # of the message that was taken last, and its buffer's length
        self.length = 0
        self.older: list[tuple[int, int]] = []  # of those before it which are not given back

    def send(self, source: int, destination: int, message: bytes) -> int:
        """See `RpmsgLink.send`."""
        ring = self.outgoing
        if ring.lie:
            ring.check()
        head = self.next_head
        if head < 0:
            head = ring.take()
            if head < 0:
                return -1
        window = self.require(ring, WRITABLE)
        if self.next_head < 0:
            self.next_head = head
            self.message_bytes = ring.length // 4 * 4 - HEADER_BYTES
        if len(message) > self.message_bytes:
            raise too_long(message, self.message_bytes)
        offset = ring.address - window.address
        window.words.put_framed(offset, source & WORD, destination & WORD, message)
        self.next_head = -1
        ring.give(head, HEADER_BYTES + len(message))
        return head

    def require(self, ring: RemoteRing, writable: int) -> Window:
        """Return where the buffer taken last lies; refuse one that the host described wrongly.

        Args:
            ring: from which it was just taken.
            writable: `WRITABLE` if we write into it; 0: we only read, and it may be writable all
                the same, as each buffer of rpmsg-lite's hosts is.
        """
        if ring.length < HEADER_BYTES or ring.address % 4:
            ring.lied("length", ring.length, f"a buffer of {ring.length} bytes")
        if writable & ~ring.flags:
            ring.lied("flags", ring.flags, "a buffer is for the other direction")
        window = self.windows.last
        if ring.length % 4 or window is None or not window.holds(ring.address, ring.length):
            window = self.reach(ring)
        return window

    def reach(self, ring: RemoteRing) -> Window:
        """As `require`, for an address that is not where the one before was."""
        try:
            if ring.length % 4:  # where only whole words can be read, the last one is as well
                self.windows.find(ring.address + ring.length // 4 * 4, 4)
            return self.windows.find(ring.address, ring.length)
        except RemoteError:
            where = f"a buffer of {ring.length} bytes at {ring.address:#x}, which is no memory"
            ring.lied("address", ring.address, where)
            raise

    def free(self) -> int:
        """See `RpmsgLink.free`."""
        return self.outgoing.waiting() + (self.next_head >= 0)

    def pending(self) -> int:
        """See `RpmsgLink.pending`."""
        return self.incoming.waiting()

    def receive(self) -> bytes | None:
        """See `RpmsgLink.receive`."""
        ring = self.incoming
        head = ring.take()
        if head < 0:
            return None
        if self.head >= 0:
            self.older.append((self.head, self.length))
        self.head = head
        self.length = ring.length
        window = self.require(ring, 0)
        header = self.header
        message = take(ring, window.words, ring.address - window.address, ring.length, header)
        self.source = header.first
        self.destination = header.second
        return message

    def release(self) -> int:
        """See `RpmsgLink.release`: with the length of each buffer, which OpenAMP takes for it."""
        if self.head < 0:
            return 0
        count = 1
        if self.older:
            for head, length in self.older:
                self.incoming.give(head, length)
            count += len(self.older)
            self.older.clear()
        self.incoming.give(self.head, self.length)
        self.head = -1
        return count

    def news(self) -> bool:
        """See `RpmsgLink.news`."""
        return self.incoming.news()

    def room(self) -> bool:
        """See `RpmsgLink.room`."""
        return self.outgoing.news()

    def silenced(self, queue: int) -> bool:
        """See `RpmsgLink.silenced`."""
        return (self.incoming if queue else self.outgoing).silenced()

    def was_reset(self) -> bool:
        """See `RpmsgLink.was_reset`."""
        return self.incoming.was_reset() or self.outgoing.was_reset()
