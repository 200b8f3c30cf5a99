"""The doorbells of a microcontroller: an interrupt made pending, a byte on a wire, a mailbox.

They merge and get lost: nothing relies on any single one.
"""

import os
import socket
from collections.abc import Callable
from typing import Any

from mboxio.driver.ports import Ports
from mboxio.errors import AddressError, QueueFull, RemoteGone
from mboxio.regions.access import open_region
from mboxio.regions.probes.connecting import connected
from mboxio.regions.region import Region
from mboxio.regions.terminals import open_terminal

__all__ = ["Bell", "MailboxBell", "RegionBell", "RegisterBell", "WireBell"]

BYTES_MAX = 4096
HOW = "start the firmware first, or QEMU with -serial and a socket"


class Bell:
    """Both directions; this one is none, and both sides poll.

    All is called under the lock, or while nobody else uses it.
    """

    hears = False
    """Whether it tells when the firmware rings."""
    rings = False
    """Whether the firmware can be rung."""

    def open(self) -> None:
        """Reach it, also again after `broken`; raises AddressError or RemoteGone."""

    @property
    def broken(self) -> bool:
        """Whether it has to be opened again."""
        return False

    def ring(self) -> None:
        """Ring for the firmware. Does not wait; raises RemoteGone."""

    def descriptors(self) -> tuple[int, ...]:
        """Return what is readable when the firmware rang."""
        return ()

    def clear(self) -> None:
        """Take note of the rings that came; raises RemoteGone."""

    def unmask(self) -> None:
        """Let it ring again."""

    def close(self) -> None:
        """Let go of it."""

    def forked(self) -> None:
        """In a forked child: close descriptors, say nothing to anybody."""


class RegionBell(Bell):
    """What the memory brings: its doorbell, its interrupt, or one of them."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.hears = region.interrupt is not None
        self.rings = region.doorbell is not None
        self.masked = False

    def ring(self) -> None:
        if self.region.doorbell is not None:
            self.region.doorbell.ring()

    def descriptors(self) -> tuple[int, ...]:
        return () if self.region.interrupt is None else self.region.interrupt.descriptors()

    def clear(self) -> None:
        if self.region.interrupt is not None:
            self.region.interrupt.clear()
            self.masked = True

    def unmask(self) -> None:
        if self.masked and self.region.interrupt is not None:
            self.region.interrupt.unmask()
            self.masked = False


class RegisterBell(Bell):
    """A register of the microcontroller, written over the probe.

    Args:
        text: the region of the register.
        value: what is written there.
    """

    rings = True

    def __init__(self, text: str, value: int) -> None:
        self.text = text
        self.value = value
        self.region: Region | None = None

    def open(self) -> None:
        if self.region is None:
            self.region = open_region(self.text)
        elif self.region.lost:
            self.region.reopen()

    @property
    def broken(self) -> bool:
        return self.region is not None and self.region.lost

    def ring(self) -> None:
        if self.region is not None:
            self.region.write(0, self.value, 4)

    def close(self) -> None:
        region, self.region = self.region, None
        if region is not None:
            region.close()


class WireBell(Bell):
    """A byte each way: over a serial port, or over a socket that stands for one.

    Args:
        kind: ``serial`` or ``unix``.
        path: of the port or socket.
    """

    hears = rings = True

    def __init__(self, kind: str, path: str) -> None:
        self.kind = kind
        self.path = path
        self.descriptor = -1
        self.cut = False

    def open(self) -> None:
        self.close()
        if self.kind == "serial":
            self.descriptor = open_terminal(self.path, f"bell=serial:{self.path}")
        else:
            connection = connected("bell=unix", os.path.abspath(self.path), HOW)
            assert isinstance(connection, socket.socket)
            self.descriptor = connection.detach()
        os.set_blocking(self.descriptor, False)
        self.cut = False

    @property
    def broken(self) -> bool:
        return self.cut

    def ring(self) -> None:
        try:
            os.write(self.descriptor, b"!")
        except BlockingIOError:
            pass  # rings that were not heard yet are on the wire, and stand for this one
        except OSError as error:
            raise self.lost(error.strerror or str(error)) from None

    def descriptors(self) -> tuple[int, ...]:
        return (self.descriptor,) if self.descriptor >= 0 and not self.cut else ()

    def clear(self) -> None:
        if self.descriptor < 0 or self.cut:
            return
        try:
            heard = os.read(self.descriptor, BYTES_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            raise self.lost(error.strerror or str(error)) from None
        if not heard:
            raise self.lost("the other end hung up")

    def lost(self, why: str) -> RemoteGone:
        self.cut = True
        return RemoteGone(f"the doorbell's wire {self.kind}:{self.path} is cut: {why}")

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def forked(self) -> None:
        self.close()


class MailboxBell(Bell):
    """A channel of another mailbox.

    Args:
        address: of the mailbox.
        channel: its name there.
        connect: reaches another controller.
        heard: called when it is rung.
    """

    hears = rings = True

    def __init__(
        self,
        address: str,
        channel: str,
        connect: Callable[[str], Any] | None,
        heard: Callable[[bytes], object],
    ) -> None:
        self.address = address
        self.channel = channel
        self.connect = connect
        self.heard = heard
        self.below: Any = None
        self.client: Any = None

    def open(self) -> None:
        if self.client is not None:
            return
        if self.connect is None:
            raise AddressError("rings: mbox= needs a way to connect; use mboxio.connect")
        self.below = self.connect(self.address)
        self.client = self.below.client(self.channel, ports=Ports(received=self.heard))

    def ring(self) -> None:
        try:
            self.client.ring()
        except QueueFull:
            pass  # an earlier ring was not heard yet, and stands for this one

    def close(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.close()
        below, self.below = self.below, None
        if below is not None:
            below.close()
