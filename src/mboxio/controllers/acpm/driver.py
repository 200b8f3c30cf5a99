"""ACPM, the protocol of Samsung's power firmware: ``acpm:/3?at=file:sram.bin&base=0xa000``.

Each channel is a pair of rings in SRAM, found by the descriptor that the firmware leaves there
(`layout`), with a doorbell beside it. A 6-bit number in word 0 of each message ties a reply to
its request; the firmware answers everything. The SRAM is not trusted: its descriptor is
checked before it is used, and its indices always. Source: Linux,
drivers/firmware/samsung/exynos-acpm.c (facts only).
"""

import sys
from collections.abc import Callable
from typing import Any

from mboxio.controllers.acpm.channels import AcpmChannels, is_batched
from mboxio.controllers.acpm.options import AcpmOptions
from mboxio.controllers.batches import Batches
from mboxio.controllers.reaching import Reaching
from mboxio.controllers.rings import Lane
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel, DriverQueue
from mboxio.errors import RemoteError, RemoteGone
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.claim import suspect
from mboxio.regions.region import Region
from mboxio.regions.views.batched import Batched
from mboxio.ring import require_ordered_memory

__all__ = ["Acpm"]

RESTARTS = "its descriptor in SRAM changed: it restarts"


class Acpm(AcpmChannels):
    """The host's side of ACPM; channel n of the descriptor is channel "n".

    Only channels with clients are touched: others may belong to another driver.

    Args:
        name: not used; there is one in each SRAM.
        options: see `AcpmOptions`.
        region: the SRAM, in place of ``options.at``; it is not closed.
        connect: reaches the controller of ``options.mbox``.

    Raises:
        AddressError: it is not said where the SRAM is.
    """

    Options = AcpmOptions

    def __init__(
        self,
        name: str = "",
        options: AcpmOptions | None = None,
        *,
        region: Region | None = None,
        connect: Callable[[str], Any] | None = None,
    ) -> None:
        super().__init__(options or AcpmOptions(), region)
        self.name = name
        if region is None and not self.options.at:
            raise nowhere("file:sram.bin", "the SRAM is")
        self.connect = connect
        self.given = region
        self.life = 1
        self.first: DriverQueue | None = None
        self.reaching = Reaching(self, self.reopen)

    # -- set-up

    def stack(self, connect: Callable[[str], Any]) -> None:
        """See `Controller.stack`."""
        self.connect = connect

    def open(self) -> None:
        """See `Controller.open`."""
        if self.region is None:
            self.region = open_region(self.options.at)
        require_ordered_memory(self.region)
        self.bells.open(self.connect)
        layout = self.descriptor.use(self.region)
        # This queue has no channel: what concerns all of them is serviced in its turn, the first.
        looks = Capabilities(spin_s=self.options.spin_s, access_s=self.region.access_s)
        self.first = self.add_queue(looks, "descriptor")
        for each in layout.channels:
            self.declare(each)
        self.linked = True
        self.hear_from(self.region)
        self.link(True, self.life)

    # -- doorbells and interrupts

    def ring_doorbell(self, lane: Lane) -> None:
        """See `RingController.ring_doorbell`."""
        self.bells.ring(lane, self.region)

    def hear_from(self, region: Region) -> None:
        """Use the doorbell and the interrupt that a region brings, if it brings them."""
        self.armed = (bell := region.doorbell) and bell.armed  # type: ignore[assignment]
        # Where both sides agreed on words like these, a new life is a new connection.
        self.wary = self.armed is None
        self.batches = self.far = None
        if is_batched(region):
            # Firmware serves whatever it finds: each batch needs its own proof that it is the same.
            far = Batches(Batched(region), self.same_life, self.now_ns, met=False)
            self.batches = self.far = far
        self.is_armed = False
        if region.interrupt is not None and self.bells.below is None:
            self.watch(*region.interrupt.descriptors())

    def hear(self, queue: DriverQueue) -> None:
        """See `RingController.hear`; looking for what came before the cause was cleared is safe."""
        if not self.linked:
            return
        try:
            self.bells.clear(self.region)
        except RemoteGone as error:
            self.lose(str(error))

    def attend(self, queue: DriverQueue) -> None:
        """See `RingController.attend`: now and then, whether the firmware restarts."""
        region = self.region
        if queue is not self.first or not self.linked or region is None:
            return
        try:
            due = self.descriptor.due(self.now_ns(), region)
            if due and not self.descriptor.same(region):
                self.lose(RESTARTS)
        except RemoteGone as error:
            self.lose(str(error))

    def arm_for(self, queue: DriverQueue) -> bool:
        """See `RingController.arm_for`."""
        self.bells.unmask(self.region)
        return False

    def same_life(self) -> bool:
        """See `RingController.same_life`: starting firmware spoils its header before the rings."""
        assert self.region is not None
        if self.linked and self.descriptor.untouched(self.region):
            if self.far is not None:
                self.far.proven()
            return True
        if self.linked:
            self.lose(RESTARTS)
        return False

    def excused(self) -> bool:
        """See `RingController.excused`: indices restart with a descriptor."""
        if self.region is None:
            return False
        try:
            if self.descriptor.same(self.region):
                suspect(sys.exception())
                return False
            self.lose(RESTARTS)
        except RemoteGone as error:
            self.lose(str(error))
        return True

    # -- lives of the firmware

    def abort(self, channel: DriverChannel, handle: int) -> bool:
        """See `Controller.abort`: it is time to look closer; what waited here has never left."""
        self.descriptor.check_ns = 0
        return self.far is not None and handle in self.far.dropped

    def lose(self, reason: str) -> None:
        """This life is over. Under the lock."""
        self.unlink()
        self.link(False, 0, reason)

    def unlink(self) -> None:
        """See `Controller.unlink`: its rings are not looked at any more."""
        self.linked = False
        if self.far is not None:
            self.far.drop()
        self.watch()

    def reconnect(self) -> bool:
        """See `Controller.reconnect`; a thread makes a connection that broke again."""
        if self.region is None:
            return False
        if self.region.lost or self.reaching.busy:
            self.reaching.begin()
            return True
        try:
            found = self.region.again()
        except (RemoteError, RemoteGone) as error:
            self.still_lost(str(error))
            return True
        if found is not None:
            self.decide(self.begin_life, found)
        return True

    def reopen(self) -> None:
        """Make the connection to the SRAM again, and look what is there. Without the lock."""
        region = self.region
        if region is not None:
            region.reopen()
            self.decide(self.begin_life, region)

    def begin_life(self, region: Region) -> None:
        """Use the descriptor of a new life once it is complete. Under the lock."""
        fresh = region is not self.region
        if self.linked or self.is_closed():
            if fresh:
                region.close()
            return
        if fresh:
            old, self.region = self.region, region
            self.armed = None
            for lane in self.lanes:  # the last to look at the old memory
                lane.producer = lane.consumer = None  # type: ignore[assignment]
            if old is not None and old is not self.given:
                old.close()
        try:
            if fresh:  # it is handed over complete
                self.descriptor.use(region)
            elif not self.descriptor.settle(region):
                return
        except (RemoteError, RemoteGone) as error:
            self.still_lost(str(error))
            return
        self.life += 1
        self.linked = True
        self.hear_from(region)
        self.link(True, self.life)
        self.decide(self.attach_all, fresh)  # before anything is sent

    def attach_all(self, fresh: bool) -> None:
        """Take over the rings of all channels in use. Under the lock, after the link is up."""
        try:
            for channel in self.used:
                self.attach(channel, fresh)
        except (RemoteError, RemoteGone) as error:
            self.lose(str(error))

    def restarted(self) -> None:
        """See `Controller.restarted`."""
        if not self.linked or self.region is None:
            return
        if self.far is not None:
            self.far.drop()
        try:
            self.descriptor.use(self.region)
        except (RemoteError, RemoteGone) as error:
            self.lose(str(error))
            return
        self.attach_all(False)

    # -- letting go

    def close(self) -> None:
        """See `Controller.close`: what waits is handed over."""
        self.reaching.join()
        try:
            if self.linked and self.far is not None and self.far.hand_over():
                for lane in self.lanes:
                    if lane.owes:
                        self.ring_doorbell(lane)
        except (RemoteError, RemoteGone):
            pass  # it is gone already
        self.linked = False
        self.armed = self.batches = self.far = None
        self.drop_lanes()
        self.used.clear()
        self.claims.close()
        self.bells.close()
        region, self.region = self.region, None
        if region is not None and region is not self.given:
            region.close()

    def forked(self) -> None:
        """See `Controller.forked`."""
        self.reaching.forked()
        self.claims.close()
        self.linked = False
        if self.region is not None and self.region.interrupt is not None:
            self.region.interrupt.close()
