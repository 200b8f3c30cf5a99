"""RPMsg over our own rings, as the host or as the remote.

``virtio-rpmsg:/SERVICE?at=peer:board`` drives a virtio device of kind 7 without a kernel: two rings
and a pool of buffers in any memory, rung by any mailbox. Each service is a channel; all of them
share the buffers, so there is one queue. Services come and go while the connection lasts.

TX done is the return of the buffer. A remote has no buffers of its own, so for it a message is done
when it is sent. Which request a reply answers, the wire does not say: see the option ``replies``.
Source: Linux, drivers/rpmsg/virtio_rpmsg_bus.c (facts only).
"""

import time
from array import array
from collections.abc import Callable
from typing import Any

from mboxio.controllers.reaching import Reaching
from mboxio.controllers.virtio_rpmsg.device import Device, device_in_time
from mboxio.controllers.virtio_rpmsg.options import VirtioRpmsgOptions
from mboxio.controllers.virtio_rpmsg.services import ANNOUNCEMENTS, RpmsgServices
from mboxio.controllers.virtio_rpmsg.traffic import HANDLES, NO_HANDLE, LinkProbe
from mboxio.driver.capabilities import Capabilities, TxDone
from mboxio.driver.controller import EVENT, Probe
from mboxio.errors import MailboxError, RemoteError, RemoteGone
from mboxio.regions.access import nowhere, open_region
from mboxio.regions.claim import Claims
from mboxio.regions.region import Region
from mboxio.ring import require_ordered_memory
from mboxio.rpmsg.message import HEADER_BYTES, Announcement

__all__ = ["VirtioRpmsg"]

SAFETY_S = 0.2
"""How often the rings are looked at all the same where something tells: rings may be lost."""
LOOK_S = 1e-3
LET_GO_S = 10e-3
"""How long the status says that the host went, for a remote that only looks now and then."""


class VirtioRpmsg(RpmsgServices):
    """One side of an RPMsg link.

    Args:
        name: ignored; there is one in each memory.
        options: see `VirtioRpmsgOptions`.
        region: the memory, in place of ``options.at``; it is not closed.

    Raises:
        AddressError: it is not said where the memory is.
    """

    Options = VirtioRpmsgOptions

    def __init__(
        self,
        name: str = "",
        options: VirtioRpmsgOptions | None = None,
        *,
        region: Region | None = None,
    ) -> None:
        super().__init__(options or VirtioRpmsgOptions(), region)
        if region is None and not self.options.at:
            raise nowhere("peer:board", "the rings are")
        self.name = name
        self.given = region
        self.connect: Callable[[str], Any] | None = None
        self.claims = Claims(self.options.shared)
        self.life = 0
        self.ready_ns = 0
        self.reaching = Reaching(self, self.reopen)

    # -- set-up

    def stack(self, connect: Callable[[str], Any]) -> None:
        """See `Controller.stack`."""
        self.connect = connect

    def open(self) -> None:
        """See `Controller.open`: the service that is wanted is waited for."""
        if self.region is None:
            self.region = open_region(self.options.at)
        require_ordered_memory(self.region)
        device = device_in_time(self.region, self.options)
        self.bells.open(self.connect, self.told)
        layout = device.layouts[1 if self.is_host else 0]
        index = layout.available if self.is_host else layout.used
        self.claims.add(self.region, index + 2, 2, "rings")  # the index that only this side writes
        self.queue = self.add_queue(self.capabilities(device), "rings")
        self.declare_known()
        if self.is_host and device.in_use and device.status >= 0:
            device.say(0)
            time.sleep(LET_GO_S)
        self.locked(self.begin, device)
        self.up = True
        self.link(True, self.life)
        self.await_services()
        if self.strays is None:
            self.strays = self.add_channel(ANNOUNCEMENTS, self.queue, can_send=False)

    def capabilities(self, device: Device) -> Capabilities:
        """Say what the queue can do."""
        options = self.options
        polled = not self.bells.tells(self.region)
        mailbox = self.bells.below is not None
        return Capabilities(
            depth=device.layouts[1 if self.is_host else 0].num,
            tx_done=TxDone.POLL if polled else TxDone.IRQ,
            message_bytes=options.buffer_bytes - HEADER_BYTES,
            matches_replies=self.by_source,
            epoch_source="the status of the device, or the connection to the memory is new",
            poll_s=options.poll_s if polled else SAFETY_S if mailbox else LOOK_S,
            polls_events=polled or mailbox,
            idle_poll_s=options.idle_poll_s if polled else SAFETY_S,
            timeout_s=options.timeout_s,
            spin_s=options.spin_s,
            access_s=self.region.access_s,
        )

    def begin(self, device: Device) -> None:
        """Begin a life on a device. Under the lock.

        Raises:
            RemoteGone: the other side is not ready; as `Device.link` in any case.
        """
        rings = device.link()
        self.device, self.rings = device, rings
        self.status_at = device.status
        self.handles = array(HANDLES, [NO_HANDLE]) * rings.slots
        self.unsent.clear()
        self.bells.numbers = device.numbers
        region = self.region
        self.armed = (bell := region.doorbell) and bell.armed
        self.is_armed = False
        self.queue.probe = LinkProbe(rings, self.armed)
        self.life += 1
        self.linked = True
        self.find_shortcuts()
        self.status_ns = 0
        if region.interrupt is not None and self.bells.below is None:
            self.watch(*region.interrupt.descriptors())
        for name in self.options.announced:
            self.unsent.append(Announcement(name, self.endpoints.by_name[name].address).pack())
        self.announce()
        self.ring_doorbell(0)  # some remotes know from nothing else that the link is up

    def begin_again(self, pause_s: float) -> None:
        """See `RpmsgServices.begin_again`.

        The wire has no word by which a remote says that it let go: while it is at work for a host
        that was killed, it writes into rings that are new already. It reads the status before its
        next round, so the second life finds it there.
        """
        self.device.say(0)
        self.ring_doorbell(0)
        time.sleep(pause_s)
        self.locked(self.begin, self.device)
        self.link(True, self.life)

    def told(self, message: bytes) -> None:
        """A port: the mailbox below was rung."""
        self.event()

    # -- lives

    def lose(self, reason: str) -> None:
        """This life is over. Under the lock."""
        self.unlink()
        self.link(False, 0, reason)

    def unlink(self) -> None:
        """See `Controller.unlink`: its rings are not looked at any more."""
        self.linked = self.up = False
        self.drop_shortcuts()
        self.watch()
        self.endpoints.forget_remote()

    def reconnect(self) -> bool:
        """See `Controller.reconnect`: a life has begun when the services in use are back."""
        if self.region is None:
            return False
        if self.linked:  # a life that waits for its services: who knocked again would leave it
            self.decide(self.wait_for_services)
            return True
        if self.region.lost or self.reaching.busy:
            self.reaching.begin()
            return True
        try:
            found = self.region.again() if self.bells.left else self.region
        except (RemoteError, RemoteGone) as error:
            self.still_lost(str(error))
            return True
        if found is not None:
            self.decide(self.begin_life, found)
        return True

    def reopen(self) -> None:
        """Make the connection to the memory again, and begin a life there. Without the lock."""
        self.region.reopen()
        self.decide(self.begin_life, self.region)

    def begin_life(self, region: Region) -> None:
        """Begin a new life; it is reported when the services in use are back. Under the lock."""
        if self.is_closed() or self.up:
            if region is not self.region:
                region.close()
            return
        if region is not self.region:
            old, self.region = self.region, region
            self.linked = self.bells.left = False
            self.drop_shortcuts()
            self.rings = self.device = self.armed = None
            self.queue.probe = Probe()
            if old is not None and old is not self.given:
                old.close()
        try:
            self.bells.clear(self.region)
            self.begin(Device(region, self.options))
        except MailboxError as error:
            self.linked = False
            self.still_lost(str(error))
            return
        self.ready_ns = self.now_ns() + int(self.options.announce_s * 1e9)
        self.wait_for_services()

    def wait_for_services(self) -> None:
        """Report a life in which the services in use are announced, or late. Under the lock."""
        if self.is_closed() or self.up or not self.linked or not self.goes_on():
            return
        if self.all_there() or self.now_ns() >= self.ready_ns:
            self.up = True
            self.link(True, self.life)

    def goes_on(self) -> bool:
        """Take what came; return whether this life has not ended meanwhile. Under the lock."""
        try:
            self.service(self.queue, EVENT)
        except MailboxError as error:
            self.linked = False
            self.still_lost(str(error))
        return self.linked

    def restarted(self) -> None:
        """See `Controller.restarted`."""
        self.endpoints.forget_remote()
        self.up = True
        try:
            self.begin(Device(self.region, self.options))
        except MailboxError as error:
            self.lose(str(error))

    # -- letting go

    def close(self) -> None:
        """See `Controller.close`: a remote that reads the status lets go."""
        self.reaching.join()
        device, self.device = self.device, None
        if self.linked and device is not None and self.is_host and not self.region.lost:
            device.say(0)
            self.ring_doorbell(0)
        self.linked = False
        self.drop_shortcuts()
        self.rings = self.armed = None
        if self.queue is not None:
            self.queue.probe = Probe()
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
        self.drop_shortcuts()
        if self.region is not None and self.region.interrupt is not None:
            self.region.interrupt.close()
