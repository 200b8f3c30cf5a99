"""The registers of an Exynos mailbox, with both sides of them."""

import os

from mboxio.regions.interrupts import Interrupt
from mboxio.sim.words_only import WordsOnly

INTCR0, INTMR0, INTSR0, INTGR1 = 0x24, 0x28, 0x2C, 0x40


class Line(Interrupt):
    """An interrupt that masks itself when it has come, as those of UIO do."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.masked = False
        self.pending = False

    def fileno(self) -> int:
        return self.fd

    def come(self) -> None:
        self.pending = True
        if not self.masked:
            self.masked, self.pending = True, False
            os.eventfd_write(self.fd, 1)

    def clear(self) -> int:
        try:
            return os.eventfd_read(self.fd)
        except BlockingIOError:
            return 0

    def unmask(self) -> None:
        self.masked = False
        if self.pending:
            self.come()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Registers(WordsOnly):
    """Sixteen lines each way.

    Args:
        interrupt: whether the host hears of them; it polls otherwise.
    """

    def __init__(self, *, interrupt: bool = False) -> None:
        super().__init__(0x1000)
        self.rung = [0] * 16
        self.hook = lambda line: None
        self.fails: OSError | None = None
        if interrupt:
            self.interrupt = self.line = Line()

    def write(self, offset: int, value: int, width: int) -> None:
        if offset == INTGR1:
            if self.fails is not None:
                raise self.fails
            for line in range(16):
                if value >> line & 1:
                    self.rung[line] += 1
                    self.hook(line)
        elif offset == INTCR0:
            super().write(INTSR0, self.read(INTSR0, 4) & ~value, width)
        else:
            super().write(offset, value, width)
            if offset == INTMR0:
                self.assert_line()

    def raise_line(self, line: int) -> None:
        """The other side interrupts the host."""
        super().write(INTSR0, self.read(INTSR0, 4) | 1 << line, 4)
        self.assert_line()

    def assert_line(self) -> None:
        if self.interrupt is not None and self.read(INTSR0, 4) & ~self.read(INTMR0, 4) & 0xFFFF:
            self.line.come()
