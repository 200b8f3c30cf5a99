"""The Exynos doorbell mailbox: ``exynos_mbox:?at=devmem:0x17610000+0x1000``.

It carries no data: bit n of a register interrupts the other side, bit n of another one says that
the other side did the same. Protocols such as ACPM are stacked on its channels. Source: Linux,
drivers/mailbox/exynos-mailbox.c (facts only).
"""

import errno
from dataclasses import dataclass

from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel, DriverQueue, TreeSpecifier
from mboxio.driver.controller import EVENT, Controller, Done, Outcome
from mboxio.errors import AddressError, RemoteGone
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.claim import Claims
from mboxio.regions.region import Region

__all__ = ["ExynosMailbox", "ExynosMailboxOptions"]

INTCR0, INTMR0, INTSR0 = 0x24, 0x28, 0x2C
"""Clear, mask (1 is masked) and status of the interrupts that the other side raised."""
INTGR1 = 0x40
"""Writing bit n raises interrupt n on the other side."""
SIZE_BYTES = 0x54
LINES = 16
ALL = (1 << LINES) - 1


@dataclass(frozen=True, kw_only=True)
class ExynosMailboxOptions:
    """Options of an address.

    Args:
        at: the registers, for example ``uio:0`` or ``devmem:0x17610000+0x1000``.
        poll_s: how often the status is read where the region has no interrupt, in seconds.
        shared: other hosts may use the same registers.
    """

    at: str = ""
    poll_s: float = 0.001
    shared: bool = False


class ExynosMailbox(Controller):
    """Sixteen doorbells each way; channel n is bit n.

    Only empty messages exist: sending one rings, and each ring of the other side is received as
    one. Rings that come before they are looked at merge into one.

    Args:
        name: not used; there is one in each region.
        options: see `ExynosMailboxOptions`.
        region: the registers, in place of ``options.at``; it is not closed.
    """

    Options = ExynosMailboxOptions

    def __init__(
        self,
        name: str = "",
        options: ExynosMailboxOptions | None = None,
        *,
        region: Region | None = None,
    ) -> None:
        self.name = name
        self.options = options or ExynosMailboxOptions()
        self.given = region
        self.region = region
        self.claims = Claims(self.options.shared)
        self.opened = False
        self.listening = 0  # bits of the channels in use
        self.masked = False

    def open(self) -> None:
        """See `Controller.open`; all interrupts are masked until somebody listens."""
        if self.region is None:
            if not self.options.at:
                raise nowhere("uio:0", "the registers are")
            self.region = open_region(self.options.at, SIZE_BYTES)
        if self.region.size_bytes < SIZE_BYTES:
            raise AddressError(f"exynos_mbox: {self.region!r} is smaller than {SIZE_BYTES} bytes")
        self.claims.add(self.region, 0, SIZE_BYTES, "the registers")
        self.opened = True
        interrupt = self.region.interrupt
        self.region.write(INTMR0, ALL, 4)
        self.queue = self.add_queue(
            Capabilities(
                depth=LINES,
                message_bytes=0,
                poll_s=self.options.poll_s,
                polls_events=interrupt is None,
                access_s=self.region.access_s,
            )
        )
        for line in range(LINES):
            self.add_channel(str(line), self.queue)
        if interrupt is not None:
            self.watch(*interrupt.descriptors())

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
        self.locked(self.listen, 1 << channel.number, 0)

    def stop(self, channel: DriverChannel) -> None:
        """See `Controller.stop`."""
        self.locked(self.listen, 0, 1 << channel.number)

    def listen(self, add: int, remove: int) -> None:
        """Let other interrupts through from now on. Under the lock."""
        assert self.region is not None
        # What came while nobody listened is old.
        if add and self.region.read(INTSR0, 4) & add:
            self.region.write(INTCR0, add, 4)
        self.listening = (self.listening | add) & ~remove
        masked = ALL if self.region.interrupt is None else ALL & ~self.listening
        self.region.write(INTMR0, masked, 4)

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """See `Controller.send`: there is nothing to wait for after a doorbell."""
        self.ring(channel)
        return Done()

    def ring(self, channel: DriverChannel) -> None:
        """See `Controller.ring`."""
        assert self.region is not None
        self.region.write(INTGR1, 1 << channel.number, 4)

    def service(self, queue: DriverQueue, why: str) -> None:
        """See `Controller.service`: clear what is pending, then tell."""
        assert self.region is not None
        interrupt = self.region.interrupt
        if why is EVENT and interrupt is not None:
            try:
                interrupt.clear()
            except RemoteGone as error:
                self.link(False, 0, str(error))
                return
            self.masked = True
        pending = self.region.read(INTSR0, 4) & self.listening
        if not pending:
            return
        # Before it is told: what comes from here on is pending again.
        self.region.write(INTCR0, pending, 4)
        for line, channel in enumerate(self.declared_channels().values()):
            if pending >> line & 1:
                self.received(channel, (b"",))

    def arm(self, queue: DriverQueue) -> bool:
        """See `Controller.arm`."""
        assert self.region is not None
        if self.masked and self.region.interrupt is not None:
            self.region.interrupt.unmask()
            self.masked = False
        return self.listening != 0 and self.region.read(INTSR0, 4) & self.listening != 0

    def close(self) -> None:
        """See `Controller.close`; the other side's interrupts are masked again."""
        region, self.region = self.region, None
        if region is None:
            return
        try:
            if self.opened:  # else they are somebody else's
                region.write(INTMR0, ALL, 4)
        finally:
            if self.given is None:
                region.close()
            self.claims.close()

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.claims.close()
        if self.region is not None and self.region.interrupt is not None:
            self.region.interrupt.close()
