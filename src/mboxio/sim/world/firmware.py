"""Firmware with workers: messages come by a doorbell, are taken, take their time, are answered."""

from collections import deque
from random import Random

from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import Controller
from mboxio.sim.clock import Timer, VirtualClock
from mboxio.sim.world.board import Board

__all__ = ["NUMBER_AT", "NUMBER_END", "Firmware", "Letter", "Port", "Registers"]

NUMBER_AT, NUMBER_END = 4, 12
"""Where a message carries the number of its request."""


class Port:
    """One hardware FIFO, as its registers are."""

    __slots__ = ("inbox", "taken", "unanswered", "used", "without_room")

    def __init__(self) -> None:
        self.empty()

    def empty(self) -> None:
        """Be as after a reset."""
        self.used = 0  # places of the FIFO
        self.taken: list[int] = []  # handles whose TX done is to be told
        self.without_room = -1  # the message after which the FIFO was full
        self.inbox: list[Letter] = []  # answers that the host has not read
        self.unanswered: set[int] = set()  # handles that no answer came to, where that is counted


class Letter(Timer):
    """A message on its way, with the time at which the next thing happens to it.

    The firmware's times are exact: it is another processor, and does not wait for the host.
    """

    __slots__ = (
        "arrived",
        "at_ns",
        "begun_ns",
        "channel",
        "data",
        "firmware",
        "handle",
        "life",
        "port",
        "status",
    )

    firmware: "Firmware"
    channel: DriverChannel
    port: Port
    handle: int
    data: bytes
    at_ns: int
    begun_ns: int
    status: int
    life: int
    """Of the firmware: it answers nothing of an earlier one."""
    arrived: bool

    def ring(self) -> None:
        """The firmware sees it, and later has done what it asks for."""
        if self.arrived:
            self.firmware.finished(self)
        else:
            self.arrived = True
            self.firmware.arrive(self)


class Registers(Controller):
    """The mailbox, as the firmware uses it."""

    def leave_fifo(self, letter: Letter, now_ns: int) -> None:
        """The firmware takes a message out of its place."""

    def answer(self, letter: Letter, now_ns: int) -> None:
        """The firmware has written an answer."""

    def die(self) -> None:
        """The firmware is gone."""


class Firmware:
    """The far side of a board.

    Args:
        board: says how many workers there are and how long they take.
        clock: of everything.
        random: what it draws from.
    """

    def __init__(self, board: Board, clock: VirtualClock, random: Random) -> None:
        self.clock = clock
        self.copy_ns = board.service.copy_ns
        self.copies = board.service.copy_ns(board.message_bytes) > 0
        self.service_ns = board.service.drawn_by(random)
        self.idle = board.workers
        self.waiting: deque[Letter] = deque()
        self.mailbox: Registers
        self.workers = board.workers
        self.life = 1
        self.begun = 0
        self.bus_free_ns = 0
        self.answered: dict[bytes, int] = {}  # how long it took, by number, until the host knows
        self.given_up: dict[bytes, int] = {}  # time-outs of the host whose requests live on here
        self.false_time_outs = 0

    def letter(
        self, channel: DriverChannel, port: Port, handle: int, data: bytes, at_ns: int
    ) -> Letter:
        """Return a message that arrives at a time."""
        letter = Letter.__new__(Letter)  # compiled, a call with arguments takes three times as long
        letter.cancelled = letter.arrived = False
        letter.firmware = self
        letter.channel = channel
        letter.port = port
        letter.handle = handle
        letter.data = data
        letter.at_ns = at_ns
        letter.begun_ns = letter.status = 0
        letter.life = self.life
        return letter

    def arrive(self, letter: Letter) -> None:
        """A doorbell was heard."""
        if letter.life == self.life:
            self.waiting.append(letter)
            self.take(letter.at_ns)

    def take(self, now_ns: int) -> None:
        """Give the workers what there is to do."""
        while self.idle and self.waiting:
            letter = self.waiting.popleft()
            self.idle -= 1
            self.begun += 1
            letter.begun_ns = now_ns
            self.mailbox.leave_fifo(letter, now_ns)
            begin_ns = now_ns
            if self.copies:
                if self.bus_free_ns > now_ns:
                    begin_ns = self.bus_free_ns
                begin_ns += self.copy_ns(len(letter.data))
                self.bus_free_ns = begin_ns
            letter.at_ns = begin_ns + self.service_ns(self.begun)
            self.clock.schedule(letter.at_ns, letter)

    def finished(self, letter: Letter) -> None:
        """A worker is free again."""
        if letter.life != self.life:
            return
        now_ns = letter.at_ns
        self.idle += 1
        self.note(letter, now_ns - letter.begun_ns)
        self.answer(letter, now_ns)
        self.take(now_ns)

    def answer(self, letter: Letter, now_ns: int) -> None:
        """Say what came out: the message itself, which holds the number of its request."""
        if letter.handle & 1:  # as `expects_reply`, without the call
            self.mailbox.answer(letter, now_ns)

    def restart(self) -> None:
        """Begin a new life, which knows nothing of the old one's messages."""
        self.life += 1
        self.idle = self.workers
        self.waiting.clear()
        self.bus_free_ns = 0

    # -- whose fault a time-out was

    def note(self, letter: Letter, took_ns: int) -> None:
        """A request was answered."""
        number = letter.data[NUMBER_AT:NUMBER_END]
        timeout_ns = self.given_up.pop(number, -1)
        if timeout_ns < 0:
            self.answered[number] = took_ns
        elif took_ns <= timeout_ns:
            self.false_time_outs += 1

    def ended(self, number: bytes) -> None:
        """The host has its reply, or wants none any more."""
        self.answered.pop(number, None)

    def timed_out(self, number: bytes, timeout_ns: int, left: bool) -> None:
        """The host did not wait any longer.

        Args:
            left: whether the message may have left.
        """
        took_ns = self.answered.pop(number, -1)
        if not left or 0 <= took_ns <= timeout_ns:
            self.false_time_outs += 1
        elif took_ns < 0:
            self.given_up[number] = timeout_ns
