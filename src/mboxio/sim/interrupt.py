"""The interrupt of a model of hardware."""

import os
from collections.abc import Callable

from mboxio._os.descriptors import eventfd
from mboxio.regions.interrupts import Interrupt

__all__ = ["ModelInterrupt"]


class ModelInterrupt(Interrupt):
    """An interrupt line that stays up as long as there is a reason, and masks itself.

    Args:
        reason: returns whether there is something to look at.
    """

    def __init__(self, reason: Callable[[], bool]) -> None:
        self.reason = reason
        self.masked = False
        self.descriptor = eventfd()

    def fileno(self) -> int:
        """See `Interrupt.fileno`."""
        return self.descriptor

    def clear(self) -> int:
        """See `Interrupt.clear`."""
        try:
            return os.eventfd_read(self.descriptor)
        except BlockingIOError:
            return 0  # nothing came

    def unmask(self) -> None:
        """See `Interrupt.unmask`."""
        self.masked = False
        self.update()

    def update(self) -> None:
        """Interrupt if there is a reason and the last one has been dealt with."""
        if self.descriptor >= 0 and self.reason() and not self.masked:
            self.masked = True
            os.eventfd_write(self.descriptor, 1)

    def close(self) -> None:
        """See `Interrupt.close`."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
