"""The channels of RTT: pairs of an up and a down buffer with one number."""

from collections.abc import Sequence
from typing import Any

from mboxio.controllers.framing import Framing, framing_of
from mboxio.controllers.replies import correlator_of
from mboxio.controllers.rtt.finding import Found
from mboxio.controllers.rtt.layout import BLOCK_WORDS, ENTRY_WORDS, Entry, check, counts_of
from mboxio.controllers.rtt.options import RttOptions
from mboxio.controllers.rtt.streams import DownStream, OtherLife, UpStream
from mboxio.driver.controller import Probe
from mboxio.driver.correlate import REPLY, Correlator
from mboxio.errors import RemoteError
from mboxio.regions.claim import Claims
from mboxio.regions.region import Region

__all__ = ["ADOPTED", "BlockView", "RttChannel", "StreamProbe"]

ADOPTED = -1
"""In place of a handle: the message of an earlier host."""
NEAR_WORDS = 32
"""So many words in between are read as well, in place of a second access."""


class BlockView:
    """The control block as it is now, as far as it is needed, in as few accesses as possible.

    Args:
        region: the memory.
        found: the block.
        numbers: of the channels that are used.
    """

    def __init__(self, region: Region, found: Found, numbers: Sequence[int]) -> None:
        self.region = region
        self.block = found.block
        self.counts = len(self.block.ups), len(self.block.downs)
        wanted = [(0, BLOCK_WORDS)]
        for number in numbers:
            if number < self.counts[0]:
                wanted.append((self.index(number), ENTRY_WORDS))
            if number < self.counts[1]:
                wanted.append((self.index(self.counts[0] + number), ENTRY_WORDS))
        self.pieces: list[tuple[int, int]] = []
        for begin, count in sorted(wanted):
            if self.pieces and begin - sum(self.pieces[-1]) <= NEAR_WORDS:
                first = self.pieces.pop()[0]
                count += begin - first
                begin = first
            self.pieces.append((begin, count))
        self.words: dict[int, int] = {}

    def index(self, entry: int) -> int:
        """Return the index of the first word of an entry, the down buffers after the others."""
        return BLOCK_WORDS + ENTRY_WORDS * entry

    def read(self) -> None:
        """Read it.

        Raises:
            OtherLife: this is not the block that was found.
        """
        words: dict[int, int] = {}
        for begin, count in self.pieces:
            found = self.region.read_words(self.block.base + 4 * begin, count)
            words.update(enumerate(found, begin))
        try:
            counts = counts_of([words[each] for each in range(BLOCK_WORDS)], self.block.base)
        except RemoteError:
            raise OtherLife("the control block is gone: the firmware restarts") from None
        if counts != self.counts:
            raise OtherLife("the control block changed: another firmware runs")
        self.words = words

    def up(self, number: int) -> Entry | None:
        """Return the entry of an up buffer as it was read; None: there is none."""
        return self.entry(number) if number < self.counts[0] else None

    def down(self, number: int) -> Entry | None:
        """Return the entry of a down buffer as it was read; None: there is none."""
        return self.entry(self.counts[0] + number) if number < self.counts[1] else None

    def entry(self, place: int) -> Entry:
        """Return one of all entries."""
        first = self.index(place)
        return Entry(*(self.words[each] for each in range(first, first + ENTRY_WORDS)))


class RttChannel:
    """A channel that clients use, and its two streams while there is a life.

    Args:
        number: of both buffers.
        options: see `RttOptions`.
    """

    def __init__(self, number: int, options: RttOptions) -> None:
        self.number = number
        self.options = options
        self.channel: Any = None
        self.correlator: Correlator | None = correlator_of(options.replies)
        self.framing: Framing = framing_of(options.framing, options.message_bytes)
        """Marks what is sent; what comes has one for each life."""
        self.claims = Claims(options.shared)
        self.used = False  # it has clients
        self.stopped = False  # the target lied here
        self.up: UpStream | None = None
        self.down: DownStream | None = None

    def attach(self, region: Region, found: Found, view: BlockView) -> None:
        """Take over the buffers that the firmware has set up and that are not taken over yet.

        Raises:
            RemoteError: an entry cannot be true.
            AddressError: another host uses the channel.
        """
        block, number = found.block, self.number
        up, down = view.up(number), view.down(number)
        if self.up is None and up is not None and up.used:
            name = f"up buffer {number}"
            begin = check(up, block.base, found.memory, name)
            stream = UpStream(
                region, block.up_at(number), up, begin, name, framing_of_life(self.options)
            )
            self.claims.add(region, stream.at, 4 * ENTRY_WORDS, name)
            self.up = stream
        if self.down is None and down is not None and down.used:
            name = f"down buffer {number}"
            begin = check(down, block.base, found.memory, name)
            receiving = DownStream(region, block.down_at(number), down, begin, name)
            self.claims.add(region, receiving.at, 4 * ENTRY_WORDS, name)
            self.down = receiving

    def detach(self) -> None:
        """Let go of both streams."""
        self.up = self.down = None
        self.stopped = False
        self.claims.close()

    def check_life(self, view: BlockView) -> None:
        """Raise OtherLife if what was read is not of the life of the streams."""
        up, down = view.up(self.number), view.down(self.number)
        if self.up is not None and up is not None:
            self.up.check_life(up)
        if self.down is not None and down is not None:
            self.down.check_life(down)

    def left_over(self) -> list[int]:
        """Return the tags of messages of an earlier host that the target will answer; -1: none.

        From now on they are among those that were sent.
        """
        if self.down is None or self.correlator is None or not self.down.unread:
            return []
        try:
            frames = framing_of_life(self.options).feed(self.down.unread)
        except RemoteError:
            frames = []
        verdicts = [self.correlator.classify(each) for each in frames]
        tags = [each.tag if each.kind == REPLY else -1 for each in verdicts] or [-1]
        self.down.sent.extend((ADOPTED, self.down.written) for _ in tags)
        return tags


class StreamProbe(Probe):
    """The look of a spinner at both offsets that the target writes.

    Args:
        channel: attached.
    """

    __slots__ = ("channel",)

    def __init__(self, channel: RttChannel) -> None:
        self.channel = channel

    def news(self, only_replies: bool) -> bool:
        """See `Probe.news`."""
        up, down = self.channel.up, self.channel.down
        if up is not None and up.news():
            return True
        return not only_replies and down is not None and down.news()


def framing_of_life(options: RttOptions) -> Framing:
    """Return a framing that has seen nothing."""
    return framing_of(options.framing, options.message_bytes)
