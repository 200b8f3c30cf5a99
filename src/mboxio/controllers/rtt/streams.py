"""Both directions of a channel: rings of bytes of which each side owns one offset.

Positions count all bytes since the channel was taken over, so they never wrap; a position modulo
the size is the offset in the ring. What the target writes is looked at once for each decision.
"""

from collections import deque

from mboxio.controllers.framing import Framing
from mboxio.controllers.rtt.layout import ENTRY_WORDS, READ_AT, WRITE_AT, Entry
from mboxio.errors import AddressError, RemoteError
from mboxio.regions.region import Kind, Region

__all__ = ["DownStream", "OtherLife", "UpStream"]

OTHER_BUFFER = "the firmware set up its buffers anew"
OTHER_OFFSETS = "the firmware began again: its offsets are not those of this life"


class OtherLife(Exception):
    """What is in memory belongs to another life of the firmware; the text says how it shows."""


class Stream:
    """One buffer of the control block.

    Args:
        region: the memory.
        at: offset of its entry, in bytes.
        entry: what that said when it was checked.
        begin: offset of the buffer, in bytes.
        name: for errors.
    """

    def __init__(self, region: Region, at: int, entry: Entry, begin: int, name: str) -> None:
        self.region = region
        self.at = at
        self.start = entry.start
        self.size = entry.size
        self.begin = begin
        self.name = name
        self.by_words = region.kind is not Kind.NORMAL

    def entry(self) -> Entry:
        """Read the entry anew."""
        return Entry(*self.region.read_words(self.at, ENTRY_WORDS))

    def require_same(self, entry: Entry, own: int, position: int) -> None:
        """Raise OtherLife unless the buffer is the same and our own offset is what we wrote."""
        if (entry.start, entry.size) != (self.start, self.size):
            raise OtherLife(OTHER_BUFFER)
        if own != position % self.size:
            raise OtherLife(OTHER_OFFSETS)

    def require_inside(self, offset: int) -> None:
        """Raise RemoteError for an offset outside the buffer."""
        if offset >= self.size:
            raise RemoteError(
                f"the remote lied: {self.name} has {self.size} bytes, and the offset {offset}"
            )

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes of the buffer that do not wrap."""
        first = self.begin + offset
        if not self.by_words:
            return self.region.read_block(first, length)
        last = first + length
        begin, end = first // 4 * 4, min(-(-last // 4) * 4, self.region.size_bytes // 4 * 4)
        words = self.region.read_words(begin, (end - begin) // 4) if end > begin else []
        data = b"".join(word.to_bytes(4, "little") for word in words)
        rest = bytes(self.region.read(each, 1) for each in range(max(begin, end), last))
        return (data + rest)[first - begin :][:length]

    def read_from(self, position: int, length: int) -> bytes:
        """Read bytes of the buffer, around its end if need be."""
        offset = position % self.size
        first = min(length, self.size - offset)
        data = self.read(offset, first)
        return data + self.read(0, length - first) if length > first else data


class UpStream(Stream):
    """From the target to the host: the host owns the read offset.

    Args:
        region, at, entry, begin, name: see `Stream`.
        framing: cuts messages out of what comes.
    """

    def __init__(
        self, region: Region, at: int, entry: Entry, begin: int, name: str, framing: Framing
    ) -> None:
        super().__init__(region, at, entry, begin, name)
        self.state = entry.read, framing
        """How far it is read, and what is open of a message then; one store changes both."""
        self.released = entry.read

    def check_life(self, entry: Entry) -> None:
        """Raise OtherLife if this is another one."""
        self.require_same(entry, entry.read, self.released)

    def take(self, entry: Entry) -> list[bytes]:
        """Return the messages that came; `release` gives their bytes back.

        Raises:
            RemoteError: the remote lied.
        """
        self.require_inside(entry.write)
        position, framing = self.state
        length = (entry.write - position) % self.size
        if not length:
            return []
        data = self.read_from(position, length)
        framing = framing.copy()
        found = framing.feed(data)
        self.state = position + length, framing
        return found

    def release(self) -> None:
        """Give bytes back to the target: whole messages, and more only where it needs the room.

        So whoever comes after this host, if it dies, does not begin in the middle of a message.
        """
        position, framing = self.state
        whole = max(position - framing.pending, self.released)
        if position - whole > (self.size - 1) // 2:
            whole = position
        if whole != self.released:
            self.region.write(self.at + READ_AT, whole % self.size, 4)
            self.released = whole

    def news(self) -> bool:
        """Return whether there is anything to take; a hint."""
        return self.region.read(self.at + WRITE_AT, 4) != self.state[0] % self.size


class DownStream(Stream):
    """From the host to the target: the host owns the write offset, and alone writes the bytes.

    Where only whole words can be written, those at the ends of a message also have bytes that are
    not its own. They are this buffer's, and written with what they have, which the target may read
    at the same moment: so they are kept here as well.

    Args:
        region, at, entry, begin, name: see `Stream`.

    Raises:
        AddressError: the buffer shares a word with something else, and the memory takes no bytes.
    """

    def __init__(self, region: Region, at: int, entry: Entry, begin: int, name: str) -> None:
        super().__init__(region, at, entry, begin, name)
        self.consumed = entry.read
        self.written = entry.read + (entry.write - entry.read) % entry.size
        self.sent: deque[tuple[int, int]] = deque()  # handles, and where each message ends
        self.bytes = bytearray()
        if self.by_words:
            self.bytes += self.read(0, self.size)
            self.require_bytes()

    def require_bytes(self) -> None:
        """Write the bytes at the ends of the buffer as they are, if they have to go alone."""
        for offset in {0, self.size - 1}:
            if not self.is_whole((self.begin + offset) // 4 * 4):
                try:
                    self.region.write(self.begin + offset, self.bytes[offset], 1)
                except ValueError as error:
                    raise AddressError(
                        f"{self.name} shares a word with something else, and {error}: align it and "
                        "its size to 4 bytes in the firmware"
                    ) from None

    def is_whole(self, place: int) -> bool:
        """Return whether the word at an offset of the region belongs to this buffer alone."""
        return self.begin <= place and place + 4 <= self.begin + self.size

    @property
    def unread(self) -> bytes:
        """What the target has not read."""
        return self.read_from(self.consumed, self.written - self.consumed)

    @property
    def free(self) -> int:
        """How many bytes fit, as far as is known."""
        return self.size - 1 - (self.written - self.consumed)

    def check_life(self, entry: Entry) -> None:
        """Raise OtherLife if this is another one."""
        self.require_same(entry, entry.write, self.written)
        if entry.read < self.size and self.step(entry) > self.written - self.consumed:
            raise OtherLife(OTHER_OFFSETS)

    def step(self, entry: Entry) -> int:
        """Return how far the target has read since the last look."""
        return (entry.read - self.consumed) % self.size

    def progress(self, entry: Entry) -> list[int]:
        """Take note of what the target has read; return the handles of what that ends.

        They are returned again until `forget`.

        Raises:
            RemoteError: the remote lied.
        """
        self.require_inside(entry.read)
        self.consumed += self.step(entry)
        return [handle for handle, end in self.sent if end <= self.consumed]

    def forget(self, count: int) -> None:
        """Drop the oldest messages, whose end was reported."""
        for _ in range(count):
            self.sent.popleft()

    def put(self, position: int, frame: bytes, handle: int) -> None:
        """Write a frame and then its offset. May be begun again with the same arguments.

        Args:
            position: `written`, as it was before.
            frame: it fits.
            handle: of its message.
        """
        offset = position % self.size
        first = min(len(frame), self.size - offset)
        self.write(offset, frame[:first])
        if first < len(frame):
            self.write(0, frame[first:])
        end = position + len(frame)
        if not self.sent or self.sent[-1][0] != handle:
            self.sent.append((handle, end))
        self.region.write(self.at + WRITE_AT, end % self.size, 4)
        self.written = end

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes of the buffer that do not wrap."""
        if not self.by_words:
            self.region.write_block(self.begin + offset, data)
            return
        self.bytes[offset : offset + len(data)] = data
        place, last = self.begin + offset, self.begin + offset + len(data)
        words: list[int] = []
        begin = place // 4 * 4
        for each in range(begin, last, 4):
            if self.is_whole(each):
                at = each - self.begin
                words.append(int.from_bytes(self.bytes[at : at + 4], "little"))
                continue
            for byte in range(max(each, place), min(each + 4, last)):
                self.region.write(byte, self.bytes[byte - self.begin], 1)
            if not words:
                begin = each + 4
        if words:
            self.region.write_words(begin, words)

    def news(self) -> bool:
        """Return whether the target has read anything; a hint."""
        return self.region.read(self.at + READ_AT, 4) != self.consumed % self.size
