"""What drivers of registers have in common: where the registers are, and how events are told."""

from dataclasses import dataclass
from typing import Any

from mboxio.controllers.reaching import Reaching
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverQueue
from mboxio.driver.controller import POLL, Controller
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.claim import Claims
from mboxio.regions.interrupts import Interrupt
from mboxio.regions.region import Kind, Region

__all__ = ["RegisterController", "RegisterOptions"]

SPIN_S = 50e-6
"""How long a wait looks at registers that are near before it sleeps."""


@dataclass(frozen=True, kw_only=True)
class RegisterOptions:
    """What an address of any of them may say.

    Args:
        at: the registers, for example ``devmem:@0x3f00b880`` or ``uio:0``.
        events: ``irq`` or ``poll``; left out, the interrupt is used if the region has one.
        shared: other hosts may use the same registers.
    """

    at: str = ""
    events: str = ""
    shared: bool = False

    def __post_init__(self) -> None:
        if self.events not in ("", "irq", "poll"):
            raise ValueError(f"events={self.events} is neither irq nor poll")


class RegisterController(Controller):
    """A controller over a region of registers. A subclass has ``open``, ``send`` and ``look``.

    Where the connection to the registers breaks, as QEMU's or a debug probe's may, it is made again
    and a new life of the remote begins: ``set_up`` is called once more. The region may be another
    one then, if a process that died had handed it over.

    Args:
        name: ignored; ``at`` says which.
        options: see `RegisterOptions`.
        region: the registers, in place of ``at``; they stay the caller's.
    """

    Options: type[RegisterOptions] = RegisterOptions
    region: Region
    irq: Interrupt | None = None
    """Where events come from; None: the registers are polled."""

    def __init__(
        self, name: str = "", options: Any = None, *, region: Region | None = None
    ) -> None:
        self.options: Any = options or self.Options()
        self.given = region
        self.opened: list[Region] = []
        self.claims = Claims(self.options.shared)
        self.looked: set[Any] = set()  # queues that the last look was for
        self.life = 0  # the number of times that the registers were reached again
        self.reaching = Reaching(self, self.reach_again)
        self.fresh: Region | None = None  # the registers of a life that is about to begin
        self.torn = False  # regions may be there again, and are not set up

    def reach(self, size_bytes: int) -> Region:
        """Open the registers, and watch their interrupt if they have one. For ``open``.

        Args:
            size_bytes: how many of them the driver needs.

        Raises:
            AddressError, RemoteGone: they cannot be reached, or lack the interrupt asked for.
        """
        self.region = region = self.given or self.open_option("at", size_bytes)
        if region.size_bytes < size_bytes:
            raise AddressError(
                f"{size_bytes:#x} bytes of registers are needed, this region has"
                f" {region.size_bytes:#x}"
            )
        if self.options.events == "irq" and region.interrupt is None:
            raise AddressError("events=irq: this region has no interrupt")
        self.own_bytes = self.own(size_bytes)
        self.claims.add(region, *self.own_bytes, "the registers")
        self.listen()
        return region

    def own(self, size_bytes: int) -> tuple[int, int]:
        """Return offset and size of what no other host may use: all that the driver needs."""
        return 0, size_bytes

    def listen(self) -> None:
        """Watch the interrupt if there is one and it is wanted."""
        if self.options.events != "poll" and self.region.interrupt is not None:
            self.irq = self.region.interrupt
            self.watch(*self.irq.descriptors())

    def set_up(self) -> None:
        """Begin with hardware in a known state; for ``open``, and after it was lost.

        Called without the lock while nobody else makes accesses; raises as ``open``.
        """

    def open_option(self, option: str, size_bytes: int) -> Region:
        """Open the region that an option names; it is closed with the controller."""
        text: str = getattr(self.options, option)
        if not text:
            raise nowhere("devmem:0x3f00b880", option=option)
        region = open_region(text, size_bytes)
        self.opened.append(region)
        return region

    def paced(self, **capabilities: Any) -> Capabilities:
        """Return capabilities that go with what an access to this region costs."""
        return Capabilities(
            polls_events=self.irq is None,
            spin_s=SPIN_S,
            access_s=self.region.access_s,
            epoch_source="a new connection" if self.region.kind is Kind.REMOTE else None,
            **capabilities,
        )

    def look(self, queue: DriverQueue, why: str) -> None:
        """Drain what came and report TX progress, for all queues; the interrupt is cleared."""
        raise NotImplementedError

    def service(self, queue: DriverQueue, why: str) -> None:
        """See `Controller.service`."""
        if self.is_lost():
            return
        if why is not POLL and self.looked and queue not in self.looked:
            self.looked.add(queue)
            return  # a look is for all queues, so one in each round of them is enough
        self.looked = {queue}
        if self.irq is not None:
            self.irq.clear()  # before the look: what comes after it interrupts again
        self.look(queue, why)
        if self.irq is not None:
            self.irq.unmask()

    def came(self) -> bool:
        """Return whether something is there that no interrupt may tell of; for `arm`."""
        return False

    def arm(self, queue: DriverQueue) -> bool:
        """See `Controller.arm`; lost registers may be replaced at this moment."""
        return not self.is_lost() and self.came()

    # -- a connection that broke is made again

    def lost_regions(self) -> list[Region]:
        """Return those of the regions whose connection broke."""
        regions = [self.region, *self.opened]
        return [region for region in dict.fromkeys(regions) if region.lost]

    def reconnect(self) -> bool:
        """See `Controller.reconnect`; a thread waits for answers, for as long as that takes."""
        if not (self.reaching.busy or self.torn or self.lost_regions()):
            try:
                fresh = self.region.again()
            except (RemoteError, RemoteGone) as error:
                self.still_lost(str(error))
                return True
            if fresh is self.region:
                return False  # what was lost is nothing that is reached by a connection
            if fresh is None:
                return True
            self.fresh = fresh
        self.reaching.begin()
        return True

    def reach_again(self) -> None:
        """Make the connections again, and begin a new life with them."""
        self.torn = True
        if self.fresh is not None:
            self.replace(self.fresh)
        for region in self.lost_regions():
            region.reopen()
        self.set_up()
        self.decide(self.come_back)

    def replace(self, fresh: Region) -> None:
        """Use another region for the registers from now on; the old one is of a life that ended."""
        self.claims.add(fresh, *self.own_bytes, "the registers")
        self.opened.append(fresh)
        self.done_with(self.region)
        self.region, self.fresh = fresh, None

    def done_with(self, before: Region) -> None:
        """Close a region that another one has replaced, unless it is the caller's."""
        if before in self.opened:
            self.opened.remove(before)
            before.close()

    def renew(self, option: str, before: Region) -> Region:
        """Return what another region is from now on, which may have ended with the registers.

        Raises:
            RemoteGone: it is not there yet.
            RemoteError: what is there now cannot be used.
        """
        found = before.again()
        if found is None:
            raise RemoteGone(f"{option}= is not handed over yet")
        if found is before:
            return before
        self.opened.append(found)
        if found.size_bytes < before.size_bytes:
            raise RemoteError(f"{option}= had {before.size_bytes} bytes, now {found.size_bytes}")
        self.claims.add(found, 0, found.size_bytes, f"the {option}")
        self.done_with(before)
        return found

    def come_back(self) -> None:
        """Report the new life. Under the lock."""
        if not self.is_closed() and not self.lost_regions():
            self.looked = set()
            self.torn = False
            self.life += 1
            self.listen()
            self.link(True, self.life)
            self.event()  # an interrupt that came before tells nobody

    # -- letting go

    def close(self) -> None:
        """Let go of the regions."""
        self.reaching.join()
        for region in [*self.opened, self.fresh]:
            if region is not None:
                region.close()
        self.claims.close()

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.reaching.forked()
        # Not the subclass's own, which may write to registers that the parent still uses.
        RegisterController.close(self)
