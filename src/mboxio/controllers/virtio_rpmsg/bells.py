"""The doorbells of RPMsg: channels of another mailbox, or what the memory brings itself.

Vendors differ in what a ring carries: nothing, or the number of the queue at some bit. Some have a
channel for each queue. On a ring without a number both rings are looked at.
"""

from collections.abc import Callable
from typing import Any

from mboxio.driver.ports import Ports
from mboxio.errors import AddressError, QueueFull, RemoteGone
from mboxio.regions.region import Region

__all__ = ["Bells"]


class Bells:
    """Both ways, for both queues.

    Args:
        mailbox: address of the mailbox that rings for us; empty if the region does.
        channels: names of its channels for queue 0 and 1, with a comma; one is for both.
        shift: a ring is a word with the number of the queue so many bits up; -1: it is empty.
    """

    def __init__(self, mailbox: str, channels: str, shift: int) -> None:
        self.mailbox = mailbox
        self.channels = channels.split(",") if channels else []
        self.shift = shift
        self.numbers = [0, 1]  # of the queues, as the table has them
        self.below: Any = None
        self.clients: list[Any] = []
        self.masked = False
        self.left = False  # nobody is behind the region any more
        self.missed = 0

    def open(self, connect: Callable[[str], Any] | None, heard: Callable[[bytes], object]) -> None:
        """Connect to the mailbox, if there is one.

        Args:
            connect: reaches another controller.
            heard: called when it is rung.

        Raises:
            AddressError: there is no way to connect, or no such channel.
        """
        if not self.mailbox:
            return
        if connect is None:
            raise AddressError("virtio-rpmsg: mbox= needs a way to connect; use mboxio.connect")
        self.below = connect(self.mailbox)
        for name in self.channels or ["0"]:
            self.clients.append(self.below.client(name, ports=Ports(received=heard)))

    def tells(self, region: Region) -> bool:
        """Return whether anything tells us that the other side has done something."""
        return self.below is not None or region.interrupt is not None

    def ring(self, queue: int, region: Region) -> None:
        """Tell the other side that something changed in a queue. Under the lock."""
        if self.clients:
            client = self.clients[queue if len(self.clients) > 1 else 0]
            if self.shift < 0:
                client.ring()
                return
            word = (self.numbers[queue] << self.shift) & 0xFFFF_FFFF
            try:
                client.post(word.to_bytes(4, "little"))
            except QueueFull:
                self.missed += 1  # an earlier ring was not heard yet, and stands for this one
        elif region.doorbell is not None:
            region.doorbell.ring()

    def clear(self, region: Region) -> None:
        """Take note of an interrupt of the region; raises RemoteGone. Under the lock."""
        if region.interrupt is not None:
            try:
                region.interrupt.clear()
            except RemoteGone:
                self.left = True
                raise
            self.masked = True

    def unmask(self, region: Region) -> None:
        """Let the region interrupt again. Under the lock."""
        if self.masked and region.interrupt is not None:
            region.interrupt.unmask()
            self.masked = False

    def close(self) -> None:
        """Leave the mailbox."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        if self.below is not None:
            self.below.close()
