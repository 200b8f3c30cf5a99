"""Firmware that loses, doubles, delays and invents answers, stops, dies and comes back."""

from collections import Counter
from errno import EIO
from random import Random

from mboxio.driver.contracts import DriverChannel
from mboxio.sim.clock import Timer, VirtualClock
from mboxio.sim.swarm.faults import Faults
from mboxio.sim.world.board import Board
from mboxio.sim.world.firmware import Firmware, Letter

__all__ = ["LATE_MAX_NS", "FaultyFirmware"]

LATE_MAX_NS, DOUBLE_MAX_NS, KEPT_NS = 20_000_000, 50_000, 100_000
SILENCE_MAX_NS = 5_000_000
NEVER_SEEN = -1
"""The status of a message whose TX done reports an error."""
NEVER_GIVEN = -1
"""The handle of an answer to nothing."""
FAR_OFF, TAG_STEP, TAGS = 1 << 40, 20_011, 1 << 16
"""How far a handle that was never given, and a tag that is not in use, lie from the real ones."""


class Delivery(Timer):
    """An answer that comes later.

    Args:
        firmware: whose it is.
        letter: the answer.
        at_ns: when it comes; the letter itself may be under way twice.
        kept: it is kept back until then, unless another one comes before.
    """

    __slots__ = ("at_ns", "firmware", "kept", "letter")

    def __init__(
        self, firmware: "FaultyFirmware", letter: Letter, at_ns: int, *, kept: bool = False
    ) -> None:
        self.cancelled = False
        self.kept = kept
        self.firmware = firmware
        self.letter = letter
        self.at_ns = at_ns

    def ring(self) -> None:
        """It comes."""
        if not self.kept or self.firmware.kept is self.letter:
            self.firmware.deliver(self.letter, self.at_ns)


class FaultyFirmware(Firmware):
    """A `Firmware` with faults.

    Args:
        faults: how often what goes wrong.
        seed: of the decisions.
    """

    def __init__(
        self, board: Board, clock: VirtualClock, random: Random, faults: Faults, seed: int
    ) -> None:
        Firmware.__init__(self, board, clock, random)
        self.by_hardware = board.matching == "hardware"
        self.tells_tx_done = board.tx_done in ("irq", "poll")
        self.oversize = bytes(board.message_bytes)
        self.amount = Random(seed).random  # how late, how long
        self.counted: Counter[str] = Counter()
        self.kept: Letter | None = None
        self.silent_until_ns = 0
        self.waking = False
        self.chances = chances = faults.chances(seed)
        self.lost, self.late, self.double = chances["lost"], chances["late"], chances["double"]
        self.reordered, self.wrong = chances["reordered"], chances["wrong"]
        self.oversized, self.error = chances["oversized"], chances["error"]
        self.dies, self.stops = chances["restart"], chances["silence"]
        self.busy, self.lost_tx_done = chances["busy"], chances["lost_tx_done"]
        self.cancels = chances["cancelled"]
        self.deposits = board.tx_done == "deposit"
        self.heard: set[bytes] = set()  # messages without an answer that were taken, by number
        if board.matching == "order":
            # What nobody could tell from the next reply.
            self.double.stop()
            self.wrong.stop()

    def heal(self) -> None:
        """Nothing goes wrong from now on."""
        for each in self.chances.values():
            each.stop()

    def happened(self, fault: str) -> None:
        """Count a fault."""
        self.counted[fault] += 1

    # -- silence

    def take(self, now_ns: int) -> None:
        """See `Firmware.take`; who is silent takes nothing."""
        if now_ns < self.silent_until_ns:
            if not self.waking:
                self.waking = True
                self.clock.call_at(self.silent_until_ns, self.wake)
            return
        Firmware.take(self, now_ns)

    def wake(self) -> None:
        """The silence is over."""
        self.waking = False
        self.take(max(self.silent_until_ns, self.clock.now_ns()))

    def finished(self, letter: Letter) -> None:
        """See `Firmware.finished`."""
        if letter.life != self.life:
            return
        if letter.at_ns < self.silent_until_ns:
            letter.at_ns = self.silent_until_ns
            self.clock.schedule(letter.at_ns, letter)
            return
        if self.stops.happens():
            self.happened("silence")
            self.silent_until_ns = letter.at_ns + int(self.amount() * SILENCE_MAX_NS)
        Firmware.finished(self, letter)

    # -- answers

    def answer(self, letter: Letter, now_ns: int) -> None:
        """See `Firmware.answer`; a good deal may go wrong."""
        if letter.status == NEVER_SEEN or not letter.handle & 1:
            return
        if self.dies.happens():
            self.happened("restart")
            self.clock.call_at(now_ns, self.die)
            return
        if self.wrong.happens():
            self.lie(letter, now_ns)
        if self.lost.happens():
            self.happened("lost")
            return
        if self.error.happens() and self.by_hardware:
            self.happened("error")
            letter.status = EIO
        if self.oversized.happens():
            self.happened("oversized")
            letter.data += self.oversize
        if self.late.happens():
            self.happened("late")
            self.later(letter, now_ns, LATE_MAX_NS)
        elif self.reordered.happens() and self.kept is None:
            self.happened("reordered")
            self.kept = letter
            at_ns = now_ns + KEPT_NS
            self.clock.schedule(at_ns, Delivery(self, letter, at_ns, kept=True))
        else:
            self.deliver(letter, now_ns)
        if self.double.happens():
            self.happened("double")
            self.later(letter, now_ns, DOUBLE_MAX_NS)

    def later(self, letter: Letter, now_ns: int, most_ns: int) -> None:
        """Answer after a while."""
        at_ns = now_ns + int(self.amount() * most_ns)
        self.clock.schedule(at_ns, Delivery(self, letter, at_ns))

    def deliver(self, letter: Letter, now_ns: int) -> None:
        """An answer reaches the mailbox, and the one that was kept back comes after it."""
        if letter.life != self.life:
            return
        if letter is self.kept:
            self.kept = None
        self.mailbox.answer(letter, now_ns)
        if self.kept is not None:
            kept, self.kept = self.kept, None
            self.mailbox.answer(kept, now_ns)

    def lie(self, letter: Letter, now_ns: int) -> None:
        """Answer what nobody has asked.

        A lie that names another request which is under way cannot be told from the truth: none is.
        """
        channel = letter.channel
        handle = letter.handle
        data = bytes(12)
        if self.by_hardware:
            handle += FAR_OFF if self.amount() < 0.5 else -128
            if is_known(channel, handle):
                return
        else:
            tag = int.from_bytes(letter.data[:2], "little")
            tag = (tag + TAG_STEP) % TAGS if self.amount() < 0.9 else 0
            if is_tag_in_use(channel, tag):
                return
            handle = NEVER_GIVEN
            data = tag.to_bytes(4, "little") + bytes(8)
        self.happened("wrong")
        self.mailbox.answer(self.letter(channel, letter.port, handle, data, now_ns), now_ns)

    # -- lives

    def die(self) -> None:
        """Be gone, for a moment or a while."""
        self.mailbox.die()

    def restart(self) -> None:
        """See `Firmware.restart`."""
        Firmware.restart(self)
        self.kept = None
        self.silent_until_ns = 0

    # -- whose fault a time-out was: nobody asks

    def note(self, letter: Letter, took_ns: int) -> None:
        """See `Firmware.note`."""

    def ended(self, number: bytes) -> None:
        """See `Firmware.ended`."""

    def timed_out(self, number: bytes, timeout_ns: int, left: bool) -> None:
        """See `Firmware.timed_out`."""


def is_known(channel: DriverChannel, handle: int) -> bool:
    """Return whether the core would take a handle for a message that holds something."""
    return channel.queue.window.find(handle) is not None


def is_tag_in_use(channel: DriverChannel, tag: int) -> bool:
    """Return whether a request holds a tag."""
    return tag in channel.correlator.busy
