"""A terminal of the kernel's ``rpmsg_tty``: a stream, in which a framing marks the messages.

The borders of RPMsg's own messages are lost on reading, so they mean nothing here.
"""

import errno
import select

from mboxio.controllers.framing import Framing
from mboxio.controllers.rpmsg.nodes.ports import GONE, PortEnded, RpmsgPort
from mboxio.controllers.rpmsg.nodes.system import System

__all__ = ["TtyPort"]


class TtyPort(RpmsgPort):
    """An open terminal.

    Args:
        system, descriptor: see `RpmsgPort`.
        framing: its messages.
    """

    over = select.POLLERR | select.POLLHUP | select.POLLNVAL
    gone = GONE | {errno.EIO}
    streams = True

    def __init__(self, system: System, descriptor: int, framing: Framing) -> None:
        super().__init__(system, descriptor, framing.message_bytes)
        self.framing = framing
        self.data = b""  # the last message, as it is written

    @property
    def pending(self) -> bool:
        """See `RpmsgPort.pending`."""
        return sum(self.taken) < len(self.data)

    def check(self, message: bytes) -> None:
        """See `RpmsgPort.check`."""
        self.framing.check(message)

    def begin(self) -> None:
        """See `RpmsgPort.begin`."""
        self.data = b""  # first: without it nothing is pending
        self.taken.clear()

    def send(self, message: bytes) -> bool:
        """See `RpmsgPort.send`; what does not go out at once is `pending`."""
        self.data = self.framing.encode(message)
        self.write(self.data)
        if not sum(self.taken):
            self.begin()
            return False
        return True

    def flush(self) -> bool:
        """See `RpmsgPort.flush`."""
        while self.pending:
            before = sum(self.taken)
            if not self.write(self.data[before:]) or sum(self.taken) == before:
                return False
        return True

    def receive(self, limit: int) -> list[bytes]:
        """See `RpmsgPort.receive`; one read may bring many messages."""
        found: list[bytes] = []
        while len(found) < limit and self.read():
            data = b"".join(self.inbox)
            self.inbox.clear()
            if not data and not found:  # a terminal that hung up
                raise PortEnded
            if not data:
                break
            found += self.framing.feed(data)
        return found
