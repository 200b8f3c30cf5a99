"""The doorbells of ACPM: the channels of another mailbox, or what a region brings itself."""

from collections.abc import Callable
from typing import Any

from mboxio.controllers.rings import Lane
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.ports import Ports
from mboxio.errors import AddressError
from mboxio.regions.region import Region

__all__ = ["Doorbells"]


class Doorbells:
    """Both ways, for all channels in use.

    Args:
        mailbox: address of the mailbox that rings for us; empty if the region does.
    """

    def __init__(self, mailbox: str) -> None:
        self.mailbox = mailbox
        self.below: Any = None  # the connection to that mailbox
        self.clients: dict[DriverChannel, Any] = {}  # its client for each of our channels
        self.masked = False

    def open(self, connect: Callable[[str], Any] | None) -> None:
        """Connect to the mailbox, if there is one.

        Raises:
            AddressError: there is no way to connect.
        """
        if self.mailbox:
            if connect is None:
                raise AddressError("acpm: mbox= needs a way to connect; use mboxio.connect")
            self.below = connect(self.mailbox)

    def tell(self, region: Region) -> bool:
        """Return whether anything tells us that the firmware has sent something."""
        return self.below is not None or region.interrupt is not None

    def add(self, channel: DriverChannel, heard: Callable[[bytes], object] | None) -> None:
        """Become a client of the mailbox's channel of the same number.

        Args:
            channel: ours.
            heard: called when it is rung; None if the channel is polled.
        """
        if self.below is not None:
            ports = None if heard is None else Ports(received=heard)
            self.clients[channel] = self.below.client(channel.name, ports=ports)

    def drop(self, channel: DriverChannel) -> None:
        """Undo `add`."""
        if channel in self.clients:
            self.clients.pop(channel).close()

    def ring(self, lane: Lane, region: Region | None) -> None:
        """Tell the firmware that something changed. Under the lock."""
        client = self.clients.get(lane.channel)
        if client is not None:
            client.ring()
        elif region is not None and region.doorbell is not None:
            region.doorbell.ring()

    def clear(self, region: Region | None) -> None:
        """Take note of an interrupt of the region; raises RemoteGone. Under the lock."""
        if region is not None and region.interrupt is not None:
            region.interrupt.clear()
            self.masked = True

    def unmask(self, region: Region | None) -> None:
        """Let the region interrupt again. Under the lock."""
        if self.masked and region is not None and region.interrupt is not None:
            region.interrupt.unmask()
            self.masked = False

    def close(self) -> None:
        """Leave the mailbox."""
        for client in self.clients.values():
            client.close()
        self.clients.clear()
        if self.below is not None:
            self.below.close()
