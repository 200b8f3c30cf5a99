"""A model of the hardware, and firmware that sends each word with a tag back."""

import threading
from collections import deque
from collections.abc import Sequence

from acme_fifo.driver import (
    ACME_DOORS,
    ACME_IRQ_ENABLE,
    ACME_IRQ_STATUS,
    ACME_RX,
    ACME_RX_FULL,
    ACME_TX,
    ACME_TX_EMPTY,
)
from mboxio.sim.interrupt import ModelInterrupt
from mboxio.sim.words_only import WordsOnly


class Chip(WordsOnly):
    """Stands in for the registers: a region with an interrupt. Called from any thread."""

    def __init__(self) -> None:
        super().__init__(0x48)
        self.lock = threading.RLock()
        self.tx: list[int | None] = [None] * ACME_DOORS  # words that the firmware has not taken
        self.rx: list[int | None] = [None] * ACME_DOORS  # words that the host has not read
        self.waiting: deque[tuple[int, int]] = deque()  # what the firmware says on its own
        self.enabled = 0
        self.taken: list[tuple[int, int]] = []  # door and word, of all that the firmware took
        self.stalled = False
        self.line = ModelInterrupt(lambda: bool(self.status() & self.enabled))
        self.interrupt = self.line

    # -- what the host's accesses do

    def read_words(self, offset: int, count: int) -> list[int]:
        """Read registers; reading an RX takes the word out."""
        self.check(offset, 4 * count, 4)
        with self.lock:
            words = [self.load(each) for each in range(offset, offset + 4 * count, 4)]
            self.run()
            return words

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        """Write registers; a TX takes a word, which replaces one that is still there."""
        self.check(offset, 4 * len(words), 4)
        with self.lock:
            for each, word in enumerate(words):
                self.store(offset + 4 * each, word)
            self.run()

    def load(self, offset: int) -> int:
        if offset == ACME_IRQ_STATUS:
            return self.status()
        if offset == ACME_IRQ_ENABLE:
            return self.enabled
        for door in range(ACME_DOORS):
            if offset == ACME_RX(door):
                word, self.rx[door] = self.rx[door], None
                return word or 0
        return 0

    def store(self, offset: int, word: int) -> None:
        if offset == ACME_IRQ_ENABLE:
            self.enabled = word
        for door in range(ACME_DOORS):
            if offset == ACME_TX(door):
                self.tx[door] = word

    def status(self) -> int:
        """Return which TX are empty and which RX are full."""
        bits = 0
        for door in range(ACME_DOORS):
            bits |= ACME_TX_EMPTY(door) if self.tx[door] is None else 0
            bits |= ACME_RX_FULL(door) if self.rx[door] is not None else 0
        return bits

    # -- the firmware

    def run(self) -> None:
        """Take each word for whose answer there is room, and say what there is to say."""
        for door, word in enumerate(self.tx):
            if word is not None and self.rx[door] is None and not self.stalled:
                self.tx[door] = None
                self.taken.append((door, word))
                self.rx[door] = word if word >> 24 else None
        while self.waiting and self.rx[self.waiting[0][0]] is None:
            door, word = self.waiting.popleft()
            self.rx[door] = word
        self.line.update()

    def notify(self, door: int, word: int) -> None:
        """Send a word without a tag, as soon as there is room for it."""
        with self.lock:
            self.waiting.append((door, word & 0xFF_FFFF))
            self.run()

    def stall(self, stalled: bool = True) -> None:
        """Take no words any more; False: go on."""
        with self.lock:
            self.stalled = stalled
            self.run()
