"""A model of the hardware: registers whose accesses have effects, and firmware that echoes."""

import threading
from collections import deque
from collections.abc import Sequence

from mboxio.cli.skeleton.acme_k7.driver import FIFO_WORDS, SIZE_BYTES, Incoming, Outgoing, Status
from mboxio.sim.interrupt import ModelInterrupt
from mboxio.sim.words_only import WordsOnly


class Chip(WordsOnly):
    """Stands in for the hardware: each word that has a tag comes back.

    It takes aligned 32-bit accesses and nothing else. The tests call it from any thread.
    """

    def __init__(self) -> None:
        super().__init__(SIZE_BYTES)
        self.lock = threading.RLock()
        self.to_firmware: deque[int] = deque()
        self.to_host: deque[int] = deque()
        self.seen: list[bytes] = []  # messages that the firmware took
        self.stalled = False
        self.took = False  # since the host has looked at the status
        self.line = ModelInterrupt(lambda: self.took or bool(self.to_host))
        self.interrupt = self.line

    def read_words(self, offset: int, count: int) -> list[int]:
        """Read registers; reading Incoming takes a word out."""
        self.check(offset, 4 * count, 4)
        with self.lock:
            return [self.load(each) for each in range(offset, offset + 4 * count, 4)]

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        """Write registers; writing Outgoing puts a word in, and is lost if the FIFO is full."""
        self.check(offset, 4 * len(words), 4)
        with self.lock:
            for each, word in enumerate(words):
                if offset + 4 * each == Outgoing.offset and len(self.to_firmware) < FIFO_WORDS:
                    self.to_firmware.append(word)
            self.run()

    def load(self, offset: int) -> int:
        """Return what one register has."""
        if offset == Status.offset:
            self.took = False
            full, empty = len(self.to_firmware) >= FIFO_WORDS, not self.to_host
            return int(Status(full=full, empty=empty, level=len(self.to_firmware)))
        if offset == Incoming.offset and self.to_host:
            word = self.to_host.popleft()
            self.run()
            return word
        return 0

    # -- the firmware

    def run(self) -> None:
        """Take words while there is room for the answers."""
        while self.to_firmware and len(self.to_host) < FIFO_WORDS and not self.stalled:
            word = self.to_firmware.popleft()
            self.seen.append(word.to_bytes(4, "little"))
            self.took = True
            if word >> 24:
                self.to_host.append(word)
        self.line.update()

    def notify(self, message: bytes) -> None:
        """Send a word that answers nothing: its tag is 0."""
        with self.lock:
            self.to_host.append(int.from_bytes(message, "little") & 0xFF_FFFF)
            self.line.update()

    def stall(self, stalled: bool = True) -> None:
        """Take no words any more; False: go on."""
        with self.lock:
            self.stalled = stalled
            self.run()
