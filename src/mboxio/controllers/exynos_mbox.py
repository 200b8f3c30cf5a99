"""The Exynos doorbell mailbox: ``exynos_mbox:?at=devmem:0x17610000+0x1000``.

It carries no data: bit n of a register interrupts the other side, bit n of another one says that
the other side did the same. Protocols such as ACPM are stacked on its channels. Source: Linux,
drivers/mailbox/exynos-mailbox.c (facts only).
"""

import errno
from dataclasses import dataclass

from mboxio.controllers.registers import RegisterController, RegisterOptions
from mboxio.driver.contracts import DriverChannel, DriverQueue, TreeSpecifier
from mboxio.driver.controller import Done, Outcome
from mboxio.errors import AddressError, RemoteGone

__all__ = ["ExynosMailbox", "ExynosMailboxOptions"]

INTCR0, INTMR0, INTSR0 = 0x24, 0x28, 0x2C
"""Clear, mask (1 is masked) and status of the interrupts that the other side raised."""
INTGR1 = 0x40
"""Writing bit n raises interrupt n on the other side."""
SIZE_BYTES = 0x54
LINES = 16
ALL = (1 << LINES) - 1


@dataclass(frozen=True, kw_only=True)
class ExynosMailboxOptions(RegisterOptions):
    """Options of an address.

    Args:
        at, events, shared: see `RegisterOptions`.
        poll_s: how often the status is read where the region has no interrupt, in seconds.
    """

    poll_s: float = 0.001


class ExynosMailbox(RegisterController):
    """Sixteen doorbells each way; channel n is bit n.

    Only empty messages exist: sending one rings, and each ring of the other side is received as
    one. Rings that come before they are looked at merge into one.
    """

    Options = ExynosMailboxOptions
    listening = 0
    """Bits of the channels in use."""
    masked = -1
    """What the mask says; -1: it is somebody else's."""

    def open(self) -> None:
        """See `Controller.open`; all interrupts are masked until somebody listens."""
        self.reach(SIZE_BYTES)
        self.set_up()
        each = self.paced(depth=LINES, message_bytes=0, poll_s=self.options.poll_s)
        self.queue = self.add_queue(each)
        for line in range(LINES):
            self.add_channel(str(line), self.queue)

    def set_up(self) -> None:
        """Let the interrupts of the channels in use through, and no others."""
        masked = ALL if self.irq is None else ALL & ~self.listening
        self.region.write(INTMR0, masked, 4)
        self.masked = masked

    def xlate(self, specifier: TreeSpecifier) -> str:
        """See `Controller.xlate`: no cells; any channel that nobody holds, by Linux's rule."""
        if specifier.cells:
            raise AddressError("the mailbox of Exynos has no cells", errno=errno.EINVAL)
        for channel in self.declared_channels().values():
            if channel.users == 0:
                name: str = channel.name
                return name
        raise AddressError("every channel of the mailbox is taken", errno=errno.EBUSY)

    def start(self, channel: DriverChannel) -> None:
        """See `Controller.start`."""
        self.locked(self.choose, 1 << channel.number, 0)

    def stop(self, channel: DriverChannel) -> None:
        """See `Controller.stop`."""
        self.locked(self.choose, 0, 1 << channel.number)

    def choose(self, add: int, remove: int) -> None:
        """Let other interrupts through from now on. Under the lock."""
        self.listening = (self.listening | add) & ~remove
        if self.is_lost():
            return  # the next life begins with them
        # What came while nobody listened is old.
        if add and self.region.read(INTSR0, 4) & add:
            self.region.write(INTCR0, add, 4)
        self.set_up()

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`: there is nothing to wait for after a doorbell."""
        self.ring(channel)
        return Done()

    def ring(self, channel: DriverChannel) -> None:
        """See `Controller.ring`."""
        self.region.write(INTGR1, 1 << channel.number, 4)

    def look(self, queue: DriverQueue, why: str) -> None:
        """See `RegisterController.look`: clear what is pending, then tell."""
        if self.irq is not None and self.masked != ALL & ~self.listening:
            self.set_up()  # somebody came or left while the registers were reached again
        pending = self.region.read(INTSR0, 4) & self.listening
        if not pending:
            return
        # Before it is told: what comes from here on is pending again.
        self.region.write(INTCR0, pending, 4)
        for line, channel in enumerate(self.declared_channels().values()):
            if pending >> line & 1:
                self.received(channel, (b"",))

    def came(self) -> bool:
        """See `RegisterController.came`."""
        return self.listening != 0 and self.region.read(INTSR0, 4) & self.listening != 0

    def close(self) -> None:
        """See `Controller.close`; the other side's interrupts are masked again."""
        self.reaching.join()
        try:
            if self.masked != -1:
                self.region.write(INTMR0, ALL, 4)
        except RemoteGone:
            pass  # nobody is there to interrupt
        finally:
            super().close()
