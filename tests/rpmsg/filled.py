"""A host that says that its buffers are free by filling the used part of queue 1 itself.

rpmsg-lite 5.4.0 does so as a master, as was seen in memory that a process with it shared: every
descriptor is writable, also in queue 1, has the length of the buffer for ever, and the descriptors
are linked although none is chained; both queues ask for silence.
"""

from mboxio.rpmsg.message import HEADER_BYTES
from mboxio.virtio.words import Words
from tests.rpmsg.support import ADDRESS, Pair

WRITABLE = 2
SILENT = 1
LAST = 0x8000


class FilledHost:
    """The host's side of a pair's memory, and nothing of its links.

    Args:
        pair: whose memory it takes over.
        buffer_bytes: size of a buffer.
        address: what the remote calls the first byte.
    """

    def __init__(self, pair: Pair, buffer_bytes: int, address: int = ADDRESS) -> None:
        self.words: Words = pair.words
        self.layouts = pair.layouts
        self.pool_at = pair.pool_at
        self.buffer_bytes = buffer_bytes
        self.address = address
        self.num = self.layouts[0].num
        self.back = 0  # how far it has read queue 1
        self.seen = 0  # and queue 0
        self.begin()

    def begin(self) -> None:
        """Begin a life."""
        words = self.words
        self.back = self.seen = 0
        for number, layout in enumerate(self.layouts):
            for at in range(layout.base, layout.base + layout.size_bytes - 2, 4):
                words.store32(at, 0)
            words.store16(layout.available, SILENT)
            for head in range(self.num):
                at = layout.base + 16 * head
                buffer = self.pool_at + (number * self.num + head) * self.buffer_bytes
                words.store64(at, self.address + buffer)
                words.store32(at + 8, self.buffer_bytes)
                words.store16(at + 12, WRITABLE)
                words.store16(at + 14, head + 1 if head + 1 < self.num else LAST)
                if number:
                    words.store32(layout.used + 4 + 8 * head, head)
                    words.store32(layout.used + 8 + 8 * head, self.buffer_bytes)
                    words.store16(layout.used + 2, head + 1)
                else:
                    words.store16(layout.available + 4 + 2 * head, head)
                    words.store16(layout.available + 2, head + 1)

    def age(self, by: int) -> None:
        """Make both rings older than they are, by a multiple of their size; nothing was sent."""
        for layout in self.layouts:
            for at in (layout.available + 2, layout.used + 2):
                self.words.store16(at, (self.words.load16(at) + by) & 0xFFFF)
        self.back = self.seen = by

    def send(self, source: int, destination: int, message: bytes) -> bool:
        """Send in the next buffer that came back; False: none did."""
        words, layout = self.words, self.layouts[1]
        if words.load16(layout.used + 2) == self.back:
            return False
        head = words.load32(layout.used + 4 + 8 * (self.back % self.num))
        self.back = (self.back + 1) & 0xFFFF
        at = self.pool_at + (self.num + head) * self.buffer_bytes
        for place, word in enumerate((source, destination, 0, len(message))):
            words.store32(at + 4 * place, word)
        words.copy_in(at + HEADER_BYTES, message)
        index = words.load16(layout.available + 2)
        words.store16(layout.available + 4 + 2 * (index % self.num), head)
        words.store16(layout.available + 2, (index + 1) & 0xFFFF)
        return True

    def receive(self) -> bytes | None:
        """Take the next message and lend its buffer again; None: there is none."""
        words, layout = self.words, self.layouts[0]
        if words.load16(layout.used + 2) == self.seen:
            return None
        head = words.load32(layout.used + 4 + 8 * (self.seen % self.num))
        self.seen = (self.seen + 1) & 0xFFFF
        at = self.pool_at + head * self.buffer_bytes
        message = words.copy_out(at + HEADER_BYTES, words.load32(at + 12) & 0xFFFF)
        index = words.load16(layout.available + 2)
        words.store16(layout.available + 4 + 2 * (index % self.num), head)
        words.store16(layout.available + 2, (index + 1) & 0xFFFF)
        return message
