"""What drivers of registers have in common: where the registers are, and how events are told."""

from dataclasses import dataclass
from typing import Any

from mboxio.capabilities import Capabilities
from mboxio.controller import POLL, Controller
from mboxio.errors import AddressError
from mboxio.io.access import open_region
from mboxio.io.interrupts import Interrupt
from mboxio.io.region import Region

__all__ = ["RegisterController", "RegisterOptions"]

SPIN_S = 50e-6
"""How long a wait looks at registers that are near before it sleeps."""


@dataclass(frozen=True, kw_only=True)
class RegisterOptions:
    """What an address of any of them may say.

    Args:
        at: the registers, for example ``devmem:@0x3f00b880`` or ``uio:0``.
        events: ``irq`` or ``poll``; left out, the interrupt is used if the region has one.
    """

    at: str = ""
    events: str = ""

    def __post_init__(self) -> None:
        if self.events not in ("", "irq", "poll"):
            raise ValueError(f"events={self.events} is neither irq nor poll")


class RegisterController(Controller):
    """A controller over a region of registers. A subclass has ``open``, ``send`` and ``look``.

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
        self.looked: set[Any] = set()  # queues that the last look was for

    def reach(self, size_bytes: int) -> Region:
        """Open the registers, and watch their interrupt if they have one. For ``open``.

        Args:
            size_bytes: how many there are, where the address does not say.

        Raises:
            AddressError, RemoteGone: they cannot be reached, or lack the interrupt asked for.
        """
        self.region = region = self.given or self.open_option("at", size_bytes)
        if self.options.events == "irq" and region.interrupt is None:
            raise AddressError("events=irq: this region has no interrupt")
        if self.options.events != "poll" and region.interrupt is not None:
            self.irq = region.interrupt
            self.watch(self.irq.fileno())
        return region

    def open_option(self, option: str, size_bytes: int) -> Region:
        """Open the region that an option names; it is closed with the controller."""
        text: str = getattr(self.options, option)
        if not text:
            raise AddressError(f"say where: ?{option}=REGION, for example devmem:@0x3f00b880")
        region = open_region(text, size_bytes)
        self.opened.append(region)
        return region

    def paced(self, **capabilities: Any) -> Capabilities:
        """Return capabilities that go with what an access to this region costs."""
        return Capabilities(
            polls_events=self.irq is None,
            spin_s=SPIN_S,
            access_s=self.region.access_s,
            **capabilities,
        )

    def look(self, queue: Any, why: str) -> None:
        """Drain what came and report TX progress, for all queues; the interrupt is cleared."""
        raise NotImplementedError

    def service(self, queue: Any, why: str) -> None:
        """See `Controller.service`."""
        if why is not POLL and self.looked and queue not in self.looked:
            self.looked.add(queue)
            return  # a look is for all queues, so one in each round of them is enough
        self.looked = {queue}
        if self.irq is not None:
            self.irq.clear()
        self.look(queue, why)
        if self.irq is not None:
            self.irq.unmask()

    def close(self) -> None:
        """Let go of the regions."""
        for region in self.opened:
            region.close()

    def forked(self) -> None:
        """See `Controller.forked`."""
        RegisterController.close(self)
