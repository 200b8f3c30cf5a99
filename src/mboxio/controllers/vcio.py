"""The firmware of a live Raspberry Pi, through the kernel: ``vcio:``.

The kernel owns the mailbox; its device takes property buffers by ioctl, one at a time, and gives up
after a second. The device belongs to the group ``video``. Source: Linux of Raspberry Pi,
drivers/char/broadcom/vcio.c (facts only).
"""

import errno
import fcntl
import os
import stat
import struct
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from mboxio._base.deputies import join_daemon
from mboxio._base.gate import complain
from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.controllers.property_buffers import check_buffer
from mboxio.driver.capabilities import Capabilities
from mboxio.driver.contracts import DriverChannel
from mboxio.driver.controller import ACCEPTED, Controller, Outcome
from mboxio.errors import AddressError, MailboxError
from mboxio.regions.paths import open_checked

__all__ = ["PROPERTY_IOCTL", "Vcio", "VcioOptions"]

PROPERTY_IOCTL = {8: 0xC008_6400, 4: 0xC004_6400}
"""The request's number, by the size of a pointer: type 100, number 0, a pointer in and out."""

DEPTH = 8
MESSAGE_BYTES = (1 << 20) - 4
TIMEOUT_S = 3.0
"""Longer than the kernel waits for the firmware, also if another message is before."""

JOIN_S = 5.0
"""How long closing waits for a kernel that does not give up."""

HINTS = {
    errno.ENOENT: "this is no Raspberry Pi, or its kernel has no vcio driver",
    errno.EACCES: "join its group: usermod -aG video USER, and log in again",
    errno.ENXIO: "the driver did not find the firmware",
}

Ioctl = Callable[[int, int, bytearray, bool], object]


@dataclass(frozen=True, kw_only=True)
class VcioOptions:
    """Options of an address: ``vcio:?device=/dev/vcio``.

    Args:
        device: the device of the kernel's driver.
    """

    device: str = "/dev/vcio"


class Vcio(Controller):
    """The property channel of a live Raspberry Pi.

    An ioctl blocks until the firmware has answered, so a thread makes them, one after the other,
    as the kernel does anyway; it runs while there are clients.

    Args:
        name: ignored.
        options: see `VcioOptions`.
        ioctl: called in place of `fcntl.ioctl`, with the same arguments.
        pointer_bytes: size of a pointer of this process, in bytes.
    """

    Options = VcioOptions

    def __init__(
        self,
        name: str = "",
        options: VcioOptions | None = None,
        *,
        ioctl: Ioctl = fcntl.ioctl,
        pointer_bytes: int = struct.calcsize("P"),
    ) -> None:
        self.options = options or VcioOptions()
        self.ioctl = ioctl
        self.number = PROPERTY_IOCTL[pointer_bytes]
        self.descriptor = -1
        self.waiting: dict[int, bytes] = {}  # messages that the kernel has not got, by handle
        self.order: SimpleQueue[int | None] = SimpleQueue()
        self.thread: threading.Thread | None = None

    # -- ops

    def open(self) -> None:
        """Open the device and declare its channel."""
        device = self.options.device
        try:
            self.descriptor = open_checked(device, os.O_RDONLY, stat.S_ISCHR, device)
        except OSError as error:
            if isinstance(error, MailboxError):
                raise
            refuse_exhausted(error, device)
            hint = HINTS.get(error.errno or 0, "")
            text = f"{device}: {why(error, device)}" + (f": {hint}" if hint else "")
            missing = isinstance(error, FileNotFoundError)
            raise AddressError(text, errno=error.errno, not_yet=missing) from None
        self.queue = self.add_queue(
            Capabilities(
                depth=DEPTH,
                message_bytes=MESSAGE_BYTES,
                matches_replies=True,
                always_replies=True,
                timeout_s=TIMEOUT_S,
            )
        )
        self.channel = self.add_channel("property", self.queue)

    def close(self) -> None:
        """Close the device."""
        self.forked()

    def forked(self) -> None:
        """See `Controller.forked`."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def start(self, channel: DriverChannel) -> None:
        """Start the thread."""
        # A new queue: a thread that still hangs in the kernel reads the old one.
        self.order = SimpleQueue()
        self.thread = threading.Thread(
            target=_work, args=(self.order, weakref.ref(self)), name="mboxio vcio", daemon=True
        )
        self.thread.start()

    def stop(self, channel: DriverChannel) -> None:
        """Stop the thread; a message that the kernel has got is waited for, a second at most."""
        self.waiting.clear()
        self.order.put(None)
        thread, self.thread = self.thread, None
        if thread is not None and thread is not threading.current_thread():
            join_daemon(thread, JOIN_S)

    def check(self, channel: DriverChannel, message: bytes) -> None:
        """Refuse what is no property buffer."""
        check_buffer(channel.name, message)

    def send(self, channel: DriverChannel, handle: int, message: bytes) -> Outcome:
        """Leave a message for the thread."""
        self.waiting[handle] = message
        self.order.put(handle)
        return ACCEPTED

    def abort(self, channel: DriverChannel, handle: int) -> bool:
        """Take a message back that the kernel has not got."""
        return self.waiting.pop(handle, None) is not None

    # -- the thread

    def carry(self, handle: int) -> None:
        """Give one message to the kernel."""
        # Without the lock: the one that pops it owns it, this thread or `abort`.
        message = self.waiting.pop(handle, None)
        if message is None:
            return  # it was taken back
        self.tx_done(self.queue, [handle])  # it leaves now, and the time of its reply begins
        buffer = bytearray(message)
        try:
            self.ioctl(self.descriptor, self.number, buffer, True)
        except OSError as error:
            text = f"the kernel says: {error.strerror or error}"
            self.complete(self.channel, handle, error.errno or errno.EIO, text.encode())
        except BaseException as error:  # the thread goes on, and the request is not left waiting
            complain("the ioctl of %r raised", self, error)
            self.complete(self.channel, handle, errno.EIO, repr(error).encode(errors="replace"))
        else:
            self.complete(self.channel, handle, 0, bytes(buffer))


def _work(order: "SimpleQueue[int | None]", driver: "weakref.ref[Vcio]") -> None:
    # While it waits it holds nothing of a connection, which may be forgotten.
    while (handle := order.get()) is not None:
        there = driver()
        if there is not None:
            there.carry(handle)
        del there
