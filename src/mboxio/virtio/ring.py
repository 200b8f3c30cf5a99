"""Both sides of a split virtqueue, in which each buffer is one descriptor.

The host owns the descriptors and offers buffers; the remote takes them and gives them back. Which
way messages go is the business of whoever fills the buffers. An index counts up and wraps at 16
bits; each side writes its own and keeps it in private memory. The other side is not trusted: its
index is read once for each look and may move no further than what it can have; the host never
reads a descriptor back, the remote reads each once. A lie breaks the ring until it is made again.

All methods are called by one thread at a time; none of them waits.
Source: virtio 1.2, sections 2.7.13 and 2.7.14.
"""

from mboxio.errors import RemoteError
from mboxio.virtio.layout import NEXT, SILENT, WRITABLE, SplitLayout
from mboxio.virtio.words import Header, Words

__all__ = ["HostRing", "RemoteRing", "SplitRing"]

WRAP = 0xFFFF


class SplitRing:
    """What both sides have.

    Args:
        words: access to its memory.
        layout: where it lies there.

    Raises:
        ValueError: it cannot lie there.

    Attributes:
        made: our index: how many buffers we handed to the other side.
        seen: how many we took from it.
        known: how many more it had handed to us when its index was last read, and could be true.
        lie: what the other side did that cannot be; "": nothing.
    """

    def __init__(self, words: Words, layout: SplitLayout) -> None:
        if wrong := layout.problem(words.size_bytes):
            raise ValueError(f"the ring cannot be used: {wrong}")
        self.words = words
        self.layout = layout
        self.num = layout.num
        self.mask = layout.num - 1  # a power of two
        self.base = layout.base
        self.available = layout.available
        self.used = layout.used
        self.made = 0
        self.seen = 0
        self.known = 0
        self.lie = ""
        self.lie_field = ""
        self.lie_value = 0

    def lied(self, field: str, value: int, what: str) -> None:
        """Break the ring: raise RemoteError now and whenever it is used again."""
        self.lie = f"the remote lied: {what} in a ring of {self.num} descriptors"
        self.lie_field = field
        self.lie_value = value
        self.known = 0  # nothing more is taken without a look at the index, which raises
        self.check()

    def check(self) -> None:
        """Raise RemoteError if the other side lied before."""
        if self.lie:
            raise RemoteError(self.lie, field=self.lie_field, value=self.lie_value)

    def __repr__(self) -> str:
        broken = ", broken" if self.lie else ""
        return f"<{type(self).__name__} {self.num} descriptors at {self.base:#x}{broken}>"


class HostRing(SplitRing):
    """The side that owns the descriptors.

    Attributes:
        filled: after `reap`: how many bytes the remote says that it wrote.
    """

    def __init__(self, words: Words, layout: SplitLayout) -> None:
        super().__init__(words, layout)
        self.lent = bytearray(layout.num)  # heads that the remote has
        self.filled = 0

    def start(self) -> None:
        """Begin a life: nothing is offered, and nothing was used."""
        for offset in range(self.base, self.base + self.layout.size_bytes - 3, 4):
            self.words.store32(offset, 0)
        end = self.base + self.layout.size_bytes
        self.words.store16(end - 2, 0)
        self.made = self.seen = self.known = 0
        self.lent = bytearray(self.num)
        self.lie = ""

    def describe(self, head: int, address: int, length: int, flags: int) -> None:
        """Say where the buffer of a head is; it must not be lent."""
        offset = self.base + 16 * head
        self.words.store64(offset, address)
        self.words.store32(offset + 8, length)
        self.words.store16(offset + 12, flags)
        self.words.store16(offset + 14, 0)

    def set_length(self, head: int, length: int) -> None:
        """Say how many bytes of a buffer are meant."""
        self.words.store32(self.base + 16 * head + 8, length)

    def offer(self, head: int) -> None:
        """Lend a buffer to the remote."""
        self.words.store16(self.available + 4 + 2 * (self.made & self.mask), head)
        self.made = (self.made + 1) & WRAP
        self.lent[head] = 1
        self.words.store16(self.available + 2, self.made)

    def waiting(self) -> int:
        """Return how many buffers came back; raises RemoteError."""
        self.check()
        index = self.words.load16(self.used + 2)
        step = (index - self.seen) & WRAP
        if step > ((self.made - self.seen) & WRAP):
            self.lied("used index", index, f"its used index moved by {step}")
        self.known = step
        return step

    def reap(self) -> int:
        """Take back the next buffer and return its head; -1: none. Raises RemoteError."""
        if not self.known and not self.waiting():
            return -1
        words = self.words
        offset = self.used + 4 + 8 * (self.seen & self.mask)
        head = words.load32(offset)
        self.filled = words.load32(offset + 4)
        if head >= self.num or not self.lent[head]:
            self.lied("used head", head, f"it gave back buffer {head}, which it has not")
        self.lent[head] = 0
        self.seen = (self.seen + 1) & WRAP
        self.known -= 1
        return head

    def news(self) -> bool:
        """Return whether buffers may have come back. Believes nothing; any thread."""
        return self.words.load16(self.used + 2) != self.seen

    def silenced(self) -> bool:
        """Return whether the remote asks not to be rung for what was offered before."""
        self.words.fence()
        return (self.words.load16(self.used) & SILENT) != 0

    def silence(self, silent: bool) -> None:
        """Ask the remote not to ring for what it gives back, or to ring again."""
        self.words.store16(self.available, SILENT if silent else 0)
        if not silent:
            self.words.fence()


class RemoteRing(SplitRing):
    """The side that takes buffers and gives them back. It joins rings that are in use already.

    Attributes:
        address, length, flags: after `take`: those of the buffer, as the host described it.
    """

    def __init__(self, words: Words, layout: SplitLayout) -> None:
        super().__init__(words, layout)
        self.taken = bytearray(layout.num)  # heads that we have
        self.described = Header()  # the descriptor that was taken last
        self.address = 0
        self.length = 0
        self.flags = 0
        self.join()

    def join(self) -> None:
        """Go on where the rings stand: all that was offered and not given back is to be taken.

        A host may have filled the used part itself to say that all buffers are free: there it runs
        ahead of what was offered (rpmsg-lite's does so).
        """
        self.made = self.words.load16(self.used + 2)
        ahead = (self.made - self.words.load16(self.available + 2)) & WRAP
        self.seen = (self.made - self.num if 0 < ahead <= self.num else self.made) & WRAP
        self.known = 0
        self.taken = bytearray(self.num)
        self.lie = ""

    def is_writable(self, head: int) -> bool:
        """Return whether the host describes this buffer as one that we write into."""
        return (self.words.load16(self.base + 16 * head + 12) & WRITABLE) != 0

    def join_filled(self) -> None:
        """Go on where such a host filled the used part: all that it may have lent is to be taken.

        Where as much was offered as was given back, nothing else tells that from an idle ring.
        """
        if self.words.load16(self.available + 2) == self.made:
            self.seen = (self.made - self.num) & WRAP

    def was_reset(self) -> bool:
        """Return whether our own index is not what we wrote: the host began a life without us."""
        return self.words.load16(self.used + 2) != self.made

    def waiting(self) -> int:
        """Return how many buffers are offered; raises RemoteError."""
        self.check()
        index = self.words.load16(self.available + 2)
        step = (index - self.seen) & WRAP
        if step > self.num:
            self.lied("available index", index, f"its available index moved by {step}")
        self.known = step
        return step

    def take(self) -> int:
        """Take the next buffer offered and return its head; -1: none. Raises RemoteError."""
        if not self.known and not self.waiting():
            return -1
        words = self.words
        head = words.load16(self.available + 4 + 2 * (self.seen & self.mask))
        if head >= self.num or self.taken[head]:
            self.lied("available head", head, f"it offered buffer {head}, which it has not")
        described = self.described
        words.take_header(self.base + 16 * head, described)
        high = described.second  # of 64 bits: in C, a shift of 32 would be 0
        self.address = high << 32 | described.first
        self.length = described.third
        self.flags = described.fourth & WRAP
        if self.flags & NEXT:
            self.lied("flags", self.flags, f"buffer {head} is chained to another one")
        self.taken[head] = 1
        self.seen = (self.seen + 1) & WRAP
        self.known -= 1
        return head

    def give(self, head: int, length: int) -> None:
        """Give a buffer back, of which so many bytes were written."""
        offset = self.used + 4 + 8 * (self.made & self.mask)
        self.made = (self.made + 1) & WRAP
        self.taken[head] = 0
        self.words.put_used(offset, head, length, self.used + 2, self.made)

    def news(self) -> bool:
        """Return whether buffers may be offered. Believes nothing; any thread."""
        return self.words.load16(self.available + 2) != self.seen

    def silenced(self) -> bool:
        """Return whether the host asks not to be rung for what was given back before."""
        self.words.fence()
        return (self.words.load16(self.available) & SILENT) != 0

    def silence(self, silent: bool) -> None:
        """Ask the host not to ring for what it offers, or to ring again."""
        self.words.store16(self.used, SILENT if silent else 0)
        if not silent:
            self.words.fence()
