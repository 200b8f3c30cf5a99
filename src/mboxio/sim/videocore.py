"""A VideoCore in this process: the mailbox of a Raspberry Pi, with firmware that may misbehave.

::

    from mboxio import Connection
    from mboxio.controllers.bcm2835 import Bcm2835
    from mboxio.regions.pool import Pool
    from mboxio.sim.videocore import VideoCore

    core = VideoCore()
    pool = Pool(core.memory, core.bus_address, slot_bytes=256)
    controller = Connection(Bcm2835(region=core.registers, pool=pool))

Its registers and its memory take aligned 32-bit accesses and nothing else.
"""

import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence

from mboxio.protocols.rpi_buffer import ANSWERED, FAILURE, SUCCESS
from mboxio.sim.interrupt import ModelInterrupt
from mboxio.sim.words_only import WordsOnly

__all__ = ["VideoCore"]

FIFO_WORDS = 8
FULL, EMPTY = 1 << 31, 1 << 30
PROPERTY = 8
BUS_ADDRESS = 0xC010_0000

VALUES = {
    0x00001: struct.pack("<I", 0x64B2_0E10),
    0x10001: struct.pack("<I", 0),
    0x10002: struct.pack("<I", 0xA02082),
    0x10003: bytes.fromhex("b827eb012345"),
    0x10004: struct.pack("<Q", 0x1234_5678),
    0x10005: struct.pack("<2I", 0, 0x3B40_0000),
    0x10006: struct.pack("<2I", 0x3B40_0000, 0x04C0_0000),
    0x20001: struct.pack("<2I", 3, 1),
    0x30002: struct.pack("<2I", 3, 600_000_000),
    0x30003: struct.pack("<2I", 1, 1_200_000),
    0x30006: struct.pack("<2I", 0, 48_312),
    0x3000A: struct.pack("<2I", 0, 85_000),
    0x30046: struct.pack("<I", 0x50005),
    0x50001: b"console=serial0,115200 root=/dev/mmcblk0p2 rootwait\0",
    0x60001: struct.pack("<I", 0x7F35),
}
"""What the firmware answers: tag and value. A tag that is not here is unknown."""


class Registers(WordsOnly):
    """The 64 bytes that the ARM side sees."""

    def __init__(self, core: "VideoCore") -> None:
        super().__init__(0x40)
        self.core = core

    def read_words(self, offset: int, count: int) -> list[int]:
        """See `Region.read_words`; a read of MAIL0 takes a word out."""
        self.check(offset, 4 * count, 4)
        return [self.core.load(each) for each in range(offset, offset + 4 * count, 4)]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        """See `Region.write_words`; a write of MAIL1 puts a word in."""
        self.check(offset, 4 * len(words), 4)
        for each, word in enumerate(words):
            self.core.store(offset + 4 * each, word)


class VideoCore:
    """The other processor: it answers property buffers as soon as they are sent, or when told.

    Everything may be called from any thread.

    Args:
        memory_bytes: how much memory both sides see.
        levels: whether the status registers count the words in the FIFOs; not all models do.
        interrupts: whether there is an interrupt line.
    """

    bus_address = BUS_ADDRESS
    """Where this side sees the beginning of the memory."""

    def __init__(
        self, memory_bytes: int = 4096, *, levels: bool = True, interrupts: bool = False
    ) -> None:
        self.lock = threading.RLock()
        self.memory = WordsOnly(memory_bytes)
        self.registers = Registers(self)
        self.levels = levels
        self.values: dict[int, bytes] = dict(VALUES)
        self.to_arm: deque[int] = deque()
        self.unsent: deque[int] = deque()  # what waits for a place in the FIFO to the ARM side
        self.to_core: deque[int] = deque()
        self.taken: list[int] = []
        self.overflows: list[int] = []  # words that were written to a full FIFO
        self.config = 0
        self.stalled = False
        self.mute = False
        self.fails = False
        self.on_word: Callable[[int], int | None] = lambda word: None
        self.line = ModelInterrupt(self.wants_attention) if interrupts else None
        if self.line is not None:
            self.registers.interrupt = self.line

    # -- registers

    def load(self, offset: int) -> int:
        """Read a register."""
        with self.lock:
            if offset < 0x10:
                word = self.to_arm.popleft() if self.to_arm else 0
                self.move_on()
                return word
            if offset == 0x10:
                return self.to_arm[0] if self.to_arm else 0
            if offset in (0x18, 0x38):
                return self.status(self.to_arm if offset == 0x18 else self.to_core)
            return self.config if offset == 0x1C else 0

    def store(self, offset: int, word: int) -> None:
        """Write a register."""
        with self.lock:
            if offset == 0x1C:
                self.config = word & 1
                self.move_on()
            elif offset == 0x20:
                if len(self.to_core) == FIFO_WORDS:
                    self.overflows.append(word)
                else:
                    self.to_core.append(word)
                self.run()

    def status(self, fifo: deque[int]) -> int:
        """Make a status word."""
        flags = (EMPTY if not fifo else 0) | (FULL if len(fifo) == FIFO_WORDS else 0)
        return flags | (len(fifo) if self.levels else 0)

    def wants_attention(self) -> bool:
        """Return whether the interrupt line is up."""
        return bool(self.config & 1 and self.to_arm)

    def move_on(self) -> None:
        """Fill the FIFO to the ARM side, and interrupt."""
        while self.unsent and len(self.to_arm) < FIFO_WORDS:
            self.to_arm.append(self.unsent.popleft())
        if self.line is not None:
            self.line.update()

    # -- the firmware

    def run(self) -> None:
        """Take and answer whatever lies in the FIFO."""
        with self.lock:
            while self.to_core and not self.stalled:
                self.step()

    def step(self) -> None:
        """Take one word, and answer it."""
        with self.lock:
            word = self.to_core.popleft()
            self.taken.append(word)
            if word & 15 != PROPERTY:
                answer = self.on_word(word)
                if answer is not None:
                    self.say(answer)
            elif not self.mute:
                self.answer(word)
                self.say(word)

    def say(self, *words: int) -> None:
        """Put words into the FIFO to the ARM side, whatever they are."""
        with self.lock:
            self.unsent.extend(words)
            self.move_on()

    def answer(self, word: int) -> None:
        """Write the answers into the buffer that a word points to."""
        offset = (word & ~15) - self.bus_address
        (size_bytes,) = self.memory.read_words(offset, 1)
        at, end = offset + 8, offset + size_bytes
        while not self.fails and at + 12 <= end:
            tag, room_bytes, _ = self.memory.read_words(at, 3)
            if tag == 0:
                break
            if tag in self.values:
                self.answer_tag(at, room_bytes, self.values[tag])
            at += 12 + -(-room_bytes // 4) * 4
        self.memory.write_words(offset + 4, [FAILURE if self.fails else SUCCESS])

    def answer_tag(self, at: int, room_bytes: int, value: bytes) -> None:
        """Write one answer: as much as there is room for, and how much there is."""
        present = value[: room_bytes // 4 * 4]
        present += bytes(-len(present) % 4)
        self.memory.write_words(at + 12, struct.unpack(f"<{len(present) // 4}I", present))
        self.memory.write_words(at + 8, [ANSWERED | len(value)])

    def stall(self) -> None:
        """Leave words in the FIFO from now on."""
        self.stalled = True

    def resume(self) -> None:
        """Go on."""
        self.stalled = False
        self.run()

    def close(self) -> None:
        """Close the interrupt line."""
        if self.line is not None:
            self.line.close()
