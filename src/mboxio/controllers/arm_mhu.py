"""Arm's Message Handling Unit: doorbells between two processors, in two register layouts.

Each direction is a register of bits: writing SET raises them, the far side sees them in STAT and
takes them back by CLEAR. Registers: Arm DDI 0515 (Juno, MHUv1); Arm 101104 (SSE-200).
"""

from dataclasses import dataclass
from typing import NamedTuple

from mboxio.controllers.mhu_tree import MhuTree
from mboxio.controllers.registers import RegisterOptions
from mboxio.driver.capabilities import TxDone
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import SENT, Busy, Outcome
from mboxio.errors import WrongMessage


class Layout(NamedTuple):
    """Offsets in bytes: of each side's incoming registers, of STAT, SET and CLEAR in them."""

    sides: tuple[int, int]
    stat: int
    set: int
    clear: int
    doorbells: int


LAYOUTS = {
    "sse200": Layout((0x00, 0x10), stat=0x0, set=0x4, clear=0x8, doorbells=4),
    "v1-low": Layout((0x000, 0x100), stat=0x0, set=0x8, clear=0x10, doorbells=32),
    "v1-high": Layout((0x020, 0x120), stat=0x0, set=0x8, clear=0x10, doorbells=32),
    "v1-secure": Layout((0x200, 0x300), stat=0x0, set=0x8, clear=0x10, doorbells=32),
}


@dataclass(frozen=True, kw_only=True)
class MhuOptions(RegisterOptions):
    """Options of an address: ``mhu:/0?at=REGION&layout=sse200``.

    Args:
        at, events, shared: see `RegisterOptions`.
        layout: ``sse200``, or one of the three parts of an MHUv1.
        side: which of the two processors this is: 0 or 1.
        words: one channel, whose messages are words of 4 bytes that are not 0; else there is a
            channel for each bit, and a message is empty.
    """

    layout: str = "sse200"
    side: int = 0
    words: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layout not in LAYOUTS or self.side not in (0, 1):
            raise ValueError(f"layout is one of {', '.join(LAYOUTS)}; side is 0 or 1")


class Mhu(MhuTree):
    """One MHU, seen from one of its sides."""

    Options = MhuOptions

    def open(self) -> None:
        """Reach the registers and declare the channels."""
        self.layout = layout = LAYOUTS[self.options.layout]
        side, words = self.options.side, self.options.words
        self.incoming: int = layout.sides[side]
        self.outgoing: int = layout.sides[1 - side]
        self.reach(max(layout.sides) + layout.clear + 4)
        each = self.paced(tx_done=TxDone.POLL, message_bytes=4 if words else 0)
        bits = [1 << number for number in range(layout.doorbells)]
        for number, mask in enumerate([sum(bits)] if words else bits):
            queue = self.add_queue(each, str(number))
            self.add_channel(str(number), queue, context=mask)
        self.set_up()
        self.take_over()

    def take_over(self) -> None:
        """Drop what was raised for an earlier host, and wait for what is left of what it raised."""
        layout = self.layout
        came = self.region.read(self.incoming + layout.stat, 4)
        if came and not self.options.shared:
            self.region.write(self.incoming + layout.clear, came, 4)
        left = self.region.read(self.outgoing + layout.stat, 4)
        for channel in self.declared_channels().values():
            if came & channel.context and not self.options.shared:
                channel.counts.notifications += 1
                channel.counts.unclaimed += 1
            if left & channel.context:
                self.pending |= left & channel.context
                self.left_behind(channel, -1)

    def own(self, size_bytes: int) -> tuple[int, int]:
        """See `RegisterController.own`: the other side and the other parts are for others."""
        return self.incoming, 4

    def set_up(self) -> None:
        """Forget the bits of an earlier life."""
        self.pending = 0  # bits that we raised and have not seen cleared

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse words that are none, or that the far side could not tell from nothing."""
        word = int.from_bytes(message, "little")
        if self.options.words and (len(message) != 4 or not 0 < word <= channel.context):
            text = f"a word of 4 bytes from 1 to {channel.context:#x}"
            raise WrongMessage(f"channel {channel.name!r}: a message is {text}", handed_over="no")

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Raise the bits of a message, unless some are up already: they would merge."""
        if self.region.read(self.outgoing + self.layout.stat, 4) & channel.context:
            return Busy("tx_done")
        self.raise_bits(int.from_bytes(message, "little") or channel.context)
        return SENT

    def ring(self, channel: DriverChannel) -> None:
        """Raise the channel's bit, whether or not it is up."""
        if self.options.words:
            super().ring(channel)  # which refuses: the bits are a message there
        self.raise_bits(channel.context)

    def raise_bits(self, bits: int) -> None:
        """Interrupt the far side."""
        self.pending |= bits
        self.region.write(self.outgoing + self.layout.set, bits, 4)

    def look(self, queue: DriverQueue, why: str) -> None:
        """Take the bits that the far side raised, and see which of ours it took."""
        came = self.region.read(self.incoming + self.layout.stat, 4)
        if came:
            self.region.write(self.incoming + self.layout.clear, came, 4)
        taken = 0
        if self.pending:
            taken = self.pending & ~self.region.read(self.outgoing + self.layout.stat, 4)
            self.pending &= ~taken
        for channel in self.declared_channels().values():
            if came & channel.context:
                word = (came & channel.context).to_bytes(4, "little")
                self.received(channel, [word if self.options.words else b""])
            # A word has left when all of its bits were taken.
            if taken & channel.context and not self.pending & channel.context:
                self.tx_done(channel.queue, 1)
