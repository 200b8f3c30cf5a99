"""The mailbox between the ARM cores and the VideoCore of a Raspberry Pi (BCM2835 to BCM2711).

Two FIFOs of 32-bit words, each eight deep: MAIL0 to this side, MAIL1 to the VideoCore. The low four
bits of a word are its channel. On channel 8, ``property``, the word is the address of a buffer,
into which the firmware writes its answer: a message is such a buffer, and the same word says that
the answer is there, so many can be in flight. On the other channels a message is the word.

Registers: github.com/raspberrypi/firmware, wiki page "Mailboxes"; Linux, bcm2835-mailbox.c.
A buffer that an earlier host filled is not used before it is answered. On the other channels
nothing tells the answer to an earlier host's word from that to the same word of this one.

A system that runs Linux on the board's own cores owns these registers: use ``vcio:`` there.
"""

import errno
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from mboxio.controllers.property_buffers import check_buffer
from mboxio.controllers.registers import RegisterController, RegisterOptions
from mboxio.driver.capabilities import TxDone
from mboxio.driver.contracts import DriverChannel, DriverQueue, TreeSpecifier
from mboxio.driver.controller import POLL, SENT, Busy, Outcome
from mboxio.driver.correlate import ByAddress, Notification, Verdict
from mboxio.errors import AddressError, RemoteGone, WrongMessage
from mboxio.regions.access import split
from mboxio.regions.pool import Pool
from mboxio.regions.region import Region
from mboxio.regions.registers import Bit, Field, Register

__all__ = ["Bcm2835"]

BLOCK_BYTES = 0x40
DEPTH = 8
PROPERTY = 8
CHANNELS = 16
SLOT_ALIGNMENT = 16
"""The low four bits of a buffer's address are the channel's."""
BATCH = 32
"""How many words are taken in one go."""
MEMORY_END, BUS_END = 1 << 30, 1 << 32
"""What the VideoCore sees: the first GiB of memory, in four views of it."""
HEAD_BYTES = 12
"""The shortest property buffer: its length, 0 until it is answered, and the end of its tags."""
STALE_MAX = 1024
"""How many words of somebody before us are thrown away at the start."""


class Word(Register):
    """What goes through the FIFOs."""

    channel = Field(0, 4)
    data = Field(4, 28)


class Status(Register):
    """State of a FIFO; the level is 0 where the hardware does not count."""

    full = Bit(31)
    empty = Bit(30)
    level = Field(0, 8)


class Read(Word, offset=0x00):
    """MAIL0: a read takes the oldest word out."""


class ReadStatus(Status, offset=0x18):
    """MAIL0: words for this side."""


class Config(Register, offset=0x1C):
    """MAIL0: when to interrupt."""

    data_irq = Bit(0)


class Write(Word, offset=0x20):
    """MAIL1: a write puts a word in, and is lost if there is no room."""


class WriteStatus(Status, offset=0x38):
    """MAIL1: words that the VideoCore has not taken."""


@dataclass(frozen=True, kw_only=True)
class Bcm2835Options(RegisterOptions):
    """Options of an address: ``bcm2835:/property?at=REGION&pool=REGION``.

    Args:
        at, events, shared: see `RegisterOptions`; the registers are at peripherals + 0xb880.
        pool: memory that the VideoCore can address, for the buffers of ``property``.
        bus: where the VideoCore finds it; left out, at its physical address in ``alias``.
        alias: the view of memory in which the VideoCore does not cache it.
        slots: how many buffers: requests on ``property`` in flight.
        slot_bytes: size of a buffer: longest message.
        raw: channel 8 carries words like the others, and the buffers are the client's own.
    """

    pool: str = ""
    bus: int = -1
    alias: int = 0xC000_0000
    slots: int = DEPTH
    slot_bytes: int = 512
    raw: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (-1 <= self.bus < BUS_END and 0 <= self.alias < BUS_END):
            raise ValueError("bus and alias are addresses of 32 bits")
        if self.slots < 1 or self.slot_bytes < 1:
            raise ValueError("there is at least one slot, and it has at least one byte")


def physical_address(text: str) -> int:
    """Return where a region is, as its name says: ``devmem:0x100000+0x1000``, ``qtest:q@0x100000``.

    Raises:
        AddressError: its name does not say it.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "uio":
        raise AddressError(f"pool={text} does not say where it is: add bus=ADDRESS")
    return split(rest if "@" in rest or scheme != "devmem" else f"@{rest}")[1]


class Words(ByAddress):
    """The word that a request sent comes back as its answer; other words are notifications."""

    __slots__ = ()

    def classify(self, message: bytes) -> Verdict:
        """See `Correlator.classify`."""
        verdict = super().classify(message)
        return verdict if verdict.tag in self.busy else Notification


class Bcm2835(RegisterController):
    """The VideoCore mailbox.

    Args:
        name: ignored.
        options: see `Bcm2835Options`.
        region: the registers, in place of ``at``; they stay the caller's.
        pool: memory for the buffers, in place of ``pool``.
    """

    Options = Bcm2835Options

    def __init__(
        self,
        name: str = "",
        options: Bcm2835Options | None = None,
        *,
        region: Region | None = None,
        pool: Pool | None = None,
    ) -> None:
        super().__init__(name, options, region=region)
        self.pool = pool
        self.fifo: deque[tuple[Any, int]] = deque()  # what may still be in MAIL1: queue, handle
        self.sizes: dict[int, int] = {}  # bytes of the message in each buffer
        self.stale = 0
        self.pool_ended = False  # its memory was of a process that died
        self.property: Any = None
        self.numbered: list[Any] = []

    # -- ops

    def open(self) -> None:
        """Reach the registers, throw away old answers, declare sixteen channels."""
        try:
            region = self.reach(BLOCK_BYTES)
        except AddressError as error:
            if not self.options.at.startswith("devmem:") or "vcio" in str(error):
                raise
            raise AddressError(f"{error}; on a board that runs Linux use vcio:") from None
        if self.pool is None and self.options.pool:
            self.pool = self.open_pool()
        self.set_up()
        each = self.paced(
            depth=DEPTH,
            message_bytes=4,
            tx_done=TxDone.POLL,  # the VideoCore takes a word without telling
        )
        self.cheap = region.access_s == 0
        self.words = self.add_queue(each, "words")
        buffers = None
        if not self.options.raw:
            # Of the same FIFO, but what is short is another thing: buffers.
            each = replace(
                each,
                message_bytes=self.pool.slot_bytes if self.pool else 0,
                reply_credits=self.pool.slots if self.pool else None,
                matches_replies=True,
                always_replies=True,
            )
            buffers = self.add_queue(each, "property")
        for number in range(CHANNELS):
            if number == PROPERTY and buffers is not None:
                self.property = self.add_channel("property", buffers, context=number)
                self.numbered.append(self.property)
                continue
            word = self.add_channel(str(number), self.words, correlator=Words(), context=number)
            self.numbered.append(word)
        self.find_left_behind()

    def find_left_behind(self) -> None:
        """Report buffers that an earlier host filled and that have no answer yet: they get one."""
        if self.property is None or self.pool is None:
            return
        for slot in list(self.pool.free):
            head = slot.read(8)
            size, code = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little")
            if HEAD_BYTES <= size <= slot.size_bytes and size % 4 == 0 and code == 0:
                self.sizes[slot.bus_address] = size
                self.left_behind(self.property, -1, slot.lend_to)

    def set_up(self) -> None:
        """Throw away old answers, and choose the interrupt or none."""
        region = self.region
        self.read, self.write = Read.at(region), Write.at(region)
        self.inbox, self.outbox = ReadStatus.at(region), WriteStatus.at(region)
        self.config = Config.at(region)
        if self.pool is not None and self.pool_ended:
            self.pool.region = self.renew("pool", self.pool.region)
            self.pool_ended = False
        self.fifo.clear()
        self.drain_stale()
        if self.irq is not None:
            self.config.write(data_irq=True)

    def lost_regions(self) -> list[Region]:
        """See `RegisterController.lost_regions`; the buffers are in memory of their own."""
        lost = super().lost_regions()
        if self.pool is not None and self.pool.region.lost and self.pool.region not in lost:
            lost.append(self.pool.region)
        return lost

    def replace(self, fresh: Region) -> None:
        """See `RegisterController.replace`; who handed over the registers may have the buffers."""
        super().replace(fresh)
        self.pool_ended = True

    def open_pool(self) -> Pool:
        """Open the memory for buffers; the VideoCore sees it through its uncached alias."""
        options = self.options
        slot_bytes = -(-options.slot_bytes // SLOT_ALIGNMENT) * SLOT_ALIGNMENT
        region = self.open_option("pool", options.slots * slot_bytes)
        self.claims.add(region, 0, region.size_bytes, "the pool")
        address, end = options.bus, BUS_END
        if address < 0:
            address, end = physical_address(options.pool), MEMORY_END
        if address + region.size_bytes > end:
            raise AddressError(f"the VideoCore cannot address pool={options.pool}: above {end:#x}")
        return Pool(
            region,
            address if options.bus >= 0 else address | options.alias,
            slot_bytes=slot_bytes,
            alignment=SLOT_ALIGNMENT,
            count=options.slots,
        )

    def drain_stale(self) -> None:
        """Throw away what was sent before us, so that it answers none of our requests."""
        self.stale = 0
        status = self.inbox.read()
        while not status.empty and self.stale < STALE_MAX:
            self.read.read()
            self.stale += 1
            status = self.inbox.read()
        if status.full or not status.empty:
            raise AddressError(
                f"this is no mailbox: after {self.stale} reads its status is {int(status):#010x}"
            )

    def close(self) -> None:
        """Switch the interrupt off and let go of the regions."""
        self.reaching.join()  # which has registers closed and others opened
        try:
            if self.irq is not None and self.numbered:
                self.config.write()
        except RemoteGone:
            self.irq = None  # nobody is there to interrupt
        finally:
            super().close()

    def start(self, channel: DriverChannel) -> None:
        """Refuse ``property`` without memory for its buffers."""
        if channel is self.property and self.pool is None:
            raise AddressError(
                "channel 'property' needs memory that the VideoCore can address: ?pool=REGION"
            )

    def xlate(self, specifier: TreeSpecifier) -> str:
        """Name the channel that a device tree means, which has no cells for one: property."""
        if specifier.cells:
            raise AddressError("brcm,bcm2835-mbox has no cells", errno=errno.EINVAL)
        return "property"

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse what is neither a property buffer nor a word."""
        if channel is self.property:
            check_buffer(channel.name, message)
        elif len(message) != 4 or message[0] & 15 not in (0, channel.context):
            raise WrongMessage(
                f"channel {channel.name!r}: a message is a word of 4 bytes, its low four bits are 0"
                " or the channel's number",
                channel=channel.name,
                handed_over="no",
            )

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Put a word into MAIL1, after the buffer that it points to."""
        if self.outbox.read().full:
            return Busy("tx_done")
        if channel is self.property:
            assert self.pool is not None
            slot = self.pool.take(handle)
            if slot is None:
                return Busy("event")
            self.lend(channel.queue, handle, slot)
            slot.write(message)
            address = slot.bus_address
            self.sizes[address] = len(message)
        else:
            address = int.from_bytes(message, "little") & ~15
        self.fifo.append((channel.queue, handle))
        self.write.write(address | channel.context)
        return SENT

    def look(self, queue: DriverQueue, why: str) -> None:
        """Drain MAIL0; find out what left MAIL1 if nothing else will tell."""
        for _ in range(BATCH):
            if self.inbox.read().empty:
                break
            self.take(self.read.read())
        else:
            self.event()  # one look is bounded: the rest is for the next one
        if self.fifo and (self.cheap or why is POLL or len(self.fifo) >= DEPTH):
            self.see_what_left()

    def came(self) -> bool:
        """Look again where that is cheap; an interrupt that stays pending tells as well."""
        return self.cheap and not self.inbox.read().empty

    # -- parts of look

    def take(self, word: Word) -> None:
        """Report a word that came."""
        channel = self.numbered[word.channel]
        address = word & ~15
        if channel is not self.property:
            self.received(channel, [address.to_bytes(4, "little")])
            return
        slot = self.pool.find(address) if self.pool is not None else None
        reply = slot.read(self.sizes[address]) if slot is not None else b""
        if slot is None or not any(reply[4:8]):
            self.complete(channel, -1, 0)  # an address that was not lent, or no answer in it
            return
        self.left(slot.handle)
        self.complete(channel, slot.handle, 0, reply)

    def left(self, handle: int) -> None:
        """Report the messages up to this one: the VideoCore takes them in their order."""
        if any(handle == each for _, each in self.fifo):
            last = -1
            while last != handle:
                queue, last = self.fifo.popleft()
                self.tx_done(queue, [last])

    def see_what_left(self) -> None:
        """Report what is not in MAIL1 any more."""
        status = self.outbox.read()
        # Where the hardware does not count, all of them may still be there.
        remaining = 0 if status.empty else status.level or len(self.fifo)
        while len(self.fifo) > remaining:
            queue, handle = self.fifo.popleft()
            self.tx_done(queue, [handle])
