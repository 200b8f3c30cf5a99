"""An open endpoint: messages in and out by calls that never wait."""

import errno
import os
import select
import stat

from mboxio.controllers.rpmsg.nodes.ioctls import ERESTARTSYS
from mboxio.controllers.rpmsg.nodes.system import READ_BYTES, System
from mboxio.errors import RemoteError

__all__ = ["FULL", "GONE", "EndpointPort", "PortEnded", "RpmsgPort", "is_over"]

FULL = frozenset({errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS, ERESTARTSYS})
"""What a write says where there is no buffer: of a node, of a terminal, after a wait in vain."""
GONE = frozenset(
    {
        *(errno.EPIPE, errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN),
        *(errno.ECONNRESET, errno.ECONNREFUSED, errno.ENOTCONN),
    }
)
"""What a call says where the remote, or this service of it, is gone."""


class PortEnded(Exception):
    """The endpoint is of a life that is over."""


class RpmsgPort:
    """What endpoints and terminals have in common.

    Args:
        system: the kernel.
        descriptor: of the open node; it does not block, and is this object's from now on.
        message_bytes: longest message.
    """

    over = select.POLLERR | select.POLLNVAL
    """What poll says of a life that is over."""
    gone = GONE
    streams = False
    """Whether a message may go out in parts, and some cannot go out at all."""

    def __init__(self, system: System, descriptor: int, message_bytes: int) -> None:
        self.system = system
        self.descriptor = descriptor
        self.message_bytes = message_bytes
        # Room for a lie, to tell of it. Each read allocates that much, so it is not more.
        self.read_bytes = max(READ_BYTES, message_bytes + 1)
        self.inbox: list[bytes] = []  # what was read, and not handed up
        self.taken: list[int] = []  # bytes that each write of the last message took

    @property
    def left(self) -> bool:
        """Whether the last message was written, at least in part."""
        return bool(self.taken)

    @property
    def pending(self) -> bool:
        """Whether a part of the last message has not been written yet."""
        return False

    def check(self, message: bytes) -> None:
        """Refuse a message that can never be sent, with WrongMessage."""

    def begin(self) -> None:
        """Forget the last message, which has gone out or was never begun."""
        self.taken.clear()

    def send(self, message: bytes) -> bool:
        """Write a message after `begin`; returns False if there is no buffer for it.

        Nothing was written then.

        Raises:
            PortEnded: the remote is gone, and has not got the message.
            OSError: the kernel refuses this message.
        """
        raise NotImplementedError

    def flush(self) -> bool:
        """Write what is pending; returns whether nothing is any more. Raises PortEnded."""
        return True

    def receive(self, limit: int) -> list[bytes]:
        """Return what has come, so many messages at most.

        Raises:
            PortEnded: the remote is gone; what had come before is lost.
            RemoteError: it sent more than a message may have.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the node. A second call does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            self.system.close(descriptor)

    # -- for subclasses

    def read(self) -> bool:
        """Read once into the inbox; returns whether anything was there. Raises PortEnded."""
        try:
            # One step for signal handlers: what was read is not lost by what one raises.
            self.inbox.extend(map(self.system.read, (self.descriptor,), (self.read_bytes,)))
        except OSError as error:
            if error.errno in (errno.EAGAIN, ERESTARTSYS):
                return False
            if error.errno in self.gone:
                raise PortEnded from None
            raise
        return True

    def write(self, data: bytes) -> bool:
        """Write once; what was taken is added to ``taken``. Returns whether anything was."""
        try:
            self.taken.extend(map(self.system.write, (self.descriptor,), (data,)))
        except OSError as error:
            if error.errno in FULL:
                return False
            if error.errno in self.gone:
                raise PortEnded from None
            raise
        return True


class EndpointPort(RpmsgPort):
    """A node of an endpoint, or a socket in its place: a call is a message."""

    def __init__(self, system: System, descriptor: int, message_bytes: int) -> None:
        super().__init__(system, descriptor, message_bytes)
        self.is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)

    send = RpmsgPort.write  # type: ignore[assignment]  # a write is a message

    def receive(self, limit: int) -> list[bytes]:
        """See `RpmsgPort.receive`."""
        while len(self.inbox) < limit and self.read():
            message = self.inbox[-1]
            if not message and self.is_socket and is_over(self.descriptor, select.POLLHUP):
                self.inbox.pop()
                if self.inbox:
                    break  # what came before the end is handed up first
                raise PortEnded
            if len(message) > self.message_bytes:
                self.inbox.pop()
                raise RemoteError(
                    f"the remote says that a message has {len(message)} bytes, and it has "
                    f"{self.message_bytes} at most: what lies behind may be memory of others"
                )
        found, self.inbox = self.inbox, []  # also empty messages: they are not the end
        return found


def is_over(descriptor: int, flags: int) -> bool:
    """Return whether poll says one of these of a descriptor now."""
    poller = select.poll()
    poller.register(descriptor, 0)
    return any(found & flags for _, found in poller.poll(0))
