"""An MHU in this process, with somebody on its other side."""

import threading
from collections import deque
from collections.abc import Sequence

from mboxio.controllers.arm_mhu import LAYOUTS
from mboxio.sim.interrupt import ModelInterrupt
from mboxio.sim.words_only import WordsOnly


class Block(WordsOnly):
    """The registers of both sides; this one is seen by the driver.

    Args:
        layout: see `LAYOUTS`.
        side: which side the driver is.
        interrupts: whether there is an interrupt line to the driver.
        answers: whether the other side rings back what it took.
    """

    def __init__(
        self,
        layout: str = "sse200",
        *,
        side: int = 0,
        interrupts: bool = False,
        answers: bool = False,
    ) -> None:
        super().__init__(0x400)
        self.layout = LAYOUTS[layout]
        self.incoming, self.outgoing = self.layout.sides[side], self.layout.sides[1 - side]
        self.lock = threading.RLock()
        self.taken: list[int] = []
        self.stalled = False
        self.answers = answers
        self.unsent: deque[int] = deque()
        if interrupts:
            self.line = ModelInterrupt(lambda: bool(self.bits(self.incoming)))
            self.interrupt = self.line

    def bits(self, base: int) -> int:
        """Return what is up in one direction."""
        return super().read_words(base + self.layout.stat, 1)[0]

    def change(self, base: int, up: int, down: int) -> None:
        """Raise and clear bits."""
        width = (1 << self.layout.doorbells) - 1
        word = (self.bits(base) | up) & ~down & width
        super().write_words(base + self.layout.stat, [word])

    # -- as the driver sees it

    def read_words(self, offset: int, count: int) -> list[int]:
        """See `Region.read_words`: only STAT can be read."""
        assert count == 1
        assert offset in (side + self.layout.stat for side in self.layout.sides), hex(offset)
        with self.lock:
            return super().read_words(offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        """See `Region.write_words`: each side raises the other's bits and clears its own."""
        (word,) = words
        with self.lock:
            if offset == self.outgoing + self.layout.set:
                self.change(self.outgoing, word, 0)
                self.run()
            else:
                assert offset == self.incoming + self.layout.clear, hex(offset)
                self.change(self.incoming, 0, word)
                self.send_next()

    # -- the other side

    def run(self) -> None:
        """Take what is up, if nobody says otherwise."""
        with self.lock:
            word = self.bits(self.outgoing)
            if word and not self.stalled:
                self.change(self.outgoing, 0, word)
                self.taken.append(word)
                if self.answers:
                    self.raise_bits(word)

    def raise_bits(self, word: int) -> None:
        """Ring the driver's side."""
        with self.lock:
            self.change(self.incoming, word, 0)
            if self.interrupt is not None:
                self.line.update()

    def raise_when_free(self, word: int) -> None:
        """Send a word: the next one waits until this side took the last, as the driver's do."""
        with self.lock:
            self.unsent.append(word)
            self.send_next()

    def send_next(self) -> None:
        """Send what waits, if there is a place."""
        if self.unsent and not self.bits(self.incoming):
            self.raise_bits(self.unsent.popleft())

    def stall(self) -> None:
        """Take nothing from now on."""
        self.stalled = True

    def resume(self) -> None:
        """Go on."""
        self.stalled = False
        self.run()
