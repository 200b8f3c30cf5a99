"""The driver of a mailbox that is busy, forgets TX done, and has firmware that comes and goes."""

from errno import EIO

from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.driver.controller import Busy, Outcome
from mboxio.sim.clock import VirtualClock
from mboxio.sim.swarm.faulty import NEVER_SEEN, FaultyFirmware
from mboxio.sim.world.board import Board
from mboxio.sim.world.firmware import NUMBER_AT, NUMBER_END, Letter, Port
from mboxio.sim.world.mailbox import Mailbox

__all__ = ["FaultyMailbox"]

BUSY_NS, GONE_MAX_NS = 5_000, 2_000_000


class FaultyMailbox(Mailbox):
    """A `Mailbox` whose hardware is as unreliable as its firmware.

    Args:
        board, clock, firmware: see `Mailbox`.
    """

    def __init__(self, board: Board, clock: VirtualClock, firmware: FaultyFirmware) -> None:
        Mailbox.__init__(self, board, clock, firmware)
        self.faulty = firmware
        self.in_error: dict[DriverQueue, list[int]] = {}
        self.gone = False

    def heal(self) -> None:
        """Nothing goes wrong from now on."""
        self.faulty.heal()

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Mailbox.send`."""
        faulty = self.faulty
        if faulty.busy.happens():
            faulty.happened("busy")
            self.touch(1)
            way = faulty.amount()
            if way < 0.5:
                return Busy("at", at_ns=self.clock.now_ns() + BUSY_NS)
            return Busy("event") if way < 0.75 else Busy("tx_done")
        port: Port = channel.context
        if handle & 1:
            port.unanswered.add(handle)
        return Mailbox.send(self, channel, handle, message)

    def service(self, queue: DriverQueue, why: str) -> None:
        """See `Mailbox.service`."""
        if self.in_error:
            in_error = self.in_error.pop(queue, None)
            if in_error:
                self.tx_done(queue, in_error, EIO)
        Mailbox.service(self, queue, why)

    def read(self, letter: Letter) -> None:
        """See `Mailbox.read`; a reply proves that the firmware is finished with its message."""
        Mailbox.read(self, letter)
        letter.port.unanswered.discard(letter.handle)

    def leave_fifo(self, letter: Letter, now_ns: int) -> None:
        """See `Mailbox.leave_fifo`."""
        faulty = self.faulty
        port = letter.port
        if not letter.handle & 1:
            faulty.heard.add(letter.data[NUMBER_AT:NUMBER_END])
        if faulty.lost_tx_done.happens():
            faulty.happened("lost_tx_done")
            port.used -= 1
            port.without_room = -1
        elif faulty.tells_tx_done and not faulty.by_hardware and faulty.error.happens():
            faulty.happened("error")
            letter.status = NEVER_SEEN
            port.used -= 1
            self.in_error.setdefault(letter.channel.queue, []).append(letter.handle)
            port.unanswered.discard(letter.handle)
            self.interrupt(now_ns)
        else:
            Mailbox.leave_fifo(self, letter, now_ns)

    # -- lives

    def die(self) -> None:
        """The firmware is gone; it comes back at once, or the host notices before it does."""
        if self.gone:
            return
        if self.faulty.amount() < 0.5:
            self.restart("watchdog")
            return
        self.gone = True
        self.link(False, -1, "reset")
        back_ns = self.clock.now_ns() + int(self.faulty.amount() * GONE_MAX_NS)
        self.clock.call_at(back_ns, self.return_)

    def return_(self) -> None:
        """The firmware is back."""
        self.gone = False
        self.restart("power")

    def restart(self, reason: str) -> None:
        """See `Mailbox.restart`."""
        self.in_error.clear()
        Mailbox.restart(self, reason)
