"""The driver of a simulated mailbox: its registers cost virtual time, its interrupt comes late."""

from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import EVENT, LOOK, SENT, Outcome
from mboxio.driver.correlate import Correlator, InOrder, Tagged
from mboxio.errors import RemoteError
from mboxio.sim.clock import Timer, VirtualClock
from mboxio.sim.world.board import Board
from mboxio.sim.world.firmware import Firmware, Letter, Port, Registers
from mboxio.sim.world.loop import VirtualLoop

__all__ = ["Mailbox"]

WORD_BYTES = 4


class Interrupt(Timer):
    """The line of an interrupt: what is caused while it is up, it tells as well.

    Args:
        mailbox: whose it is.
    """

    __slots__ = ("mailbox", "pending")

    def __init__(self, mailbox: "Mailbox") -> None:
        self.cancelled = self.pending = False
        self.mailbox = mailbox

    def ring(self) -> None:
        """The host's handler runs."""
        self.pending = False
        self.mailbox.interrupts += 1
        self.mailbox.loop.look(EVENT)


class Mailbox(Registers):
    """A controller whose far side is a `Firmware`.

    Args:
        board: what it is like.
        clock: of everything.
        firmware: the far side.
    """

    def __init__(self, board: Board, clock: VirtualClock, firmware: Firmware) -> None:
        self.board = board
        self.clock = clock
        self.firmware = firmware
        firmware.mailbox = self
        self.loop: VirtualLoop  # which serves the interrupt
        self.doorbell_ns = round(board.doorbell_us * 1000)
        self.interrupt_ns = round(board.interrupt_us * 1000)
        self.access_ns = round(board.access_us * 1000)
        self.deposits = board.tx_done == "deposit"
        self.tells_tx_done = board.tx_done in ("irq", "poll")
        self.interrupts_on_tx_done = board.tx_done == "irq"
        self.interrupts_on_reply = board.replies == "irq"
        self.by_hardware = board.matching == "hardware"
        self.line = Interrupt(self)
        self.depth, self.message_bytes = board.depth, board.message_bytes
        self.accesses = self.interrupts = self.doorbells = self.looks = 0

    # -- ops

    def open(self) -> None:
        """Declare queues and channels; the remote is there, in its first life."""
        board = self.board
        self.channels: list[DriverChannel] = []
        for number in range(board.queues):
            queue = self.add_queue(board.capabilities(), f"fifo{number}")
            port = queue.context = Port()
            for each in range(board.channels):
                correlator = self.correlator()
                name = str(number * board.channels + each)
                self.channels.append(
                    self.add_channel(name, queue, correlator=correlator, context=port)
                )
        self.link(True, self.firmware.life)  # or the first restart would be no new epoch

    def correlator(self) -> Correlator | None:
        """Return what ties replies to requests, if the hardware does not."""
        if self.by_hardware:
            return None
        return InOrder() if self.board.matching == "order" else Tagged(bits=16)

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Write the words of the message, then ring."""
        queue = channel.queue
        port: Port = channel.context
        self.touch(len(message) // WORD_BYTES + 1)
        self.doorbells += 1
        port.used += 1
        if self.deposits:
            self.touch(1)  # is there room?
            if port.used < self.depth:
                self.tx_done(queue, [handle])
            else:
                port.without_room = handle
        at_ns = self.clock._now_ns + self.doorbell_ns
        self.clock.schedule(at_ns, self.firmware.letter(channel, port, handle, message, at_ns))
        return SENT

    def service(self, queue: DriverQueue, why: str) -> None:
        """Read the status; tell of what left, and read what came."""
        port: Port = queue.context
        self.looks += 1
        self.touch(1)
        if port.taken:
            self.touch(1)
            taken, port.taken = port.taken, []
            self.tx_done(queue, taken)
        if port.inbox:
            inbox, port.inbox = port.inbox, []
            for letter in inbox:
                self.touch(len(letter.data) // WORD_BYTES)
                self.read(letter)

    def read(self, letter: Letter) -> None:
        """Hand an answer up.

        Raises:
            RemoteError: it is longer than any message.
        """
        if len(letter.data) > self.message_bytes:
            raise RemoteError(f"an answer of {len(letter.data)} bytes came")
        if self.by_hardware:
            self.complete(letter.channel, letter.handle, letter.status, letter.data)
        else:
            self.received(letter.channel, [letter.data])

    def touch(self, accesses: int) -> None:
        """Access registers, which takes time."""
        self.accesses += accesses
        self.clock._now_ns += accesses * self.access_ns  # as `jump`, without the call

    # -- the firmware's side, which runs by its own time

    def leave_fifo(self, letter: Letter, now_ns: int) -> None:
        """The firmware takes a message out of its place."""
        port = letter.port
        if self.deposits:
            if port.without_room >= 0:
                port.taken.append(port.without_room)
                port.without_room = -1
                self.interrupt(now_ns)
        elif self.tells_tx_done:
            port.taken.append(letter.handle)
            if self.interrupts_on_tx_done:
                self.interrupt(now_ns)
        port.used -= 1

    def answer(self, letter: Letter, now_ns: int) -> None:
        """The firmware has written an answer."""
        letter.port.inbox.append(letter)
        if self.interrupts_on_reply:
            self.interrupt(now_ns)

    def restart(self, reason: str) -> None:
        """The firmware is there in a new life, with empty FIFOs."""
        self.firmware.restart()
        for channel in self.channels:
            channel.context.empty()
        self.link(True, self.firmware.life, reason)

    def interrupt(self, now_ns: int) -> None:
        """Raise the line, unless it is up already."""
        if not self.line.pending:
            self.line.pending = True
            self.clock.schedule(now_ns + self.interrupt_ns, self.line)

    def spin(self) -> None:
        """Look once, as a thread that spins."""
        self.loop.look(LOOK)
