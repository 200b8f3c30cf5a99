"""The driver: the core's calls become accesses to registers, and what they show is reported."""

from dataclasses import dataclass

from mboxio import SENT, Busy, Outcome, Tagged, TxDone, WrongMessage
from mboxio.controllers.registers import RegisterController, RegisterOptions
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.regions.registers import Bit, Field, Register

FIFO_WORDS = 4
"""Words that each FIFO holds."""
SIZE_BYTES = 0xC
"""Of all registers."""


class Status(Register, offset=0x0):
    """What the FIFOs hold."""

    full = Bit(0)
    """No word can be written to Outgoing."""
    empty = Bit(1)
    """No word can be read from Incoming."""
    level = Field(8, 8)
    """Words in Outgoing that the firmware has not taken."""


class Outgoing(Register, offset=0x4):
    """Writing it puts a word into the FIFO to the firmware."""


class Incoming(Register, offset=0x8):
    """Reading it takes a word out of the FIFO from the firmware."""


@dataclass(frozen=True, kw_only=True)
class AcmeK7Options(RegisterOptions):
    """Options of an address: ``acme_k7:/words?at=uio:acme_k7/0``.

    Args:
        at, events, shared: see `RegisterOptions`.
        timeout_s: how long the firmware may take for an answer, in seconds.
    """

    timeout_s: float = 1.0


class AcmeK7(RegisterController):
    """One channel of 32-bit words; the upper byte of a request is its tag, which comes back.

    Args are those of `RegisterController`.
    """

    Options = AcmeK7Options

    def open(self) -> None:
        """Reach the registers, and declare the queue and its channel."""
        region = self.reach(SIZE_BYTES)
        self.status, self.outgoing = Status.at(region), Outgoing.at(region)
        self.incoming = Incoming.at(region)
        self.queue = self.add_queue(
            self.paced(
                depth=FIFO_WORDS,
                message_bytes=4,
                tx_done=TxDone.POLL if self.irq is None else TxDone.IRQ,
                timeout_s=self.options.timeout_s,
            )
        )
        self.words = self.add_channel("words", self.queue, correlator=Tagged(low_bit=24))
        self.set_up()

    def set_up(self) -> None:
        """Throw away the words of an earlier life."""
        self.pending = 0  # words of ours that the firmware has not taken
        for _ in range(FIFO_WORDS):
            if self.status.read().empty:
                return
            self.incoming.read()

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse what is not one word."""
        if len(message) != 4:
            text = f"channel {channel.name!r}: a message is a word of 4 bytes, not {len(message)}"
            raise WrongMessage(text, handed_over="no")

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Write a word, unless the FIFO is full."""
        if self.status.read().full:
            return Busy("tx_done")
        self.outgoing.write(int.from_bytes(message, "little"))
        self.pending += 1
        return SENT

    def look(self, queue: DriverQueue, why: str) -> None:
        """Report the words that the firmware has taken, and those that it has sent."""
        status = self.status.read()
        left = min(status.level, self.pending)
        taken, self.pending = self.pending - left, left
        if taken:
            self.tx_done(queue, taken)
        words: list[bytes] = []
        # A FIFO that never gets empty must not keep us here.
        while not status.empty and len(words) < 2 * FIFO_WORDS:
            words.append(self.incoming.read().to_bytes(4, "little"))
            status = self.status.read()
        if words:
            self.received(self.words, words)
