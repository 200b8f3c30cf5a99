"""A terminal of the kernel's ``rpmsg_tty``: a stream, in which a framing marks the messages.

The borders of RPMsg's own messages are lost on reading, so they mean nothing here.
"""

import errno
import fcntl
import os
import select
import stat
import termios
import tty

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.controllers.rpmsg.framing import Framing
from mboxio.controllers.rpmsg.ports import GONE, PortEnded, RpmsgPort
from mboxio.controllers.rpmsg.system import System
from mboxio.errors import AddressError, MailboxError
from mboxio.regions.paths import open_checked, require_terminal

__all__ = ["TtyPort", "open_terminal"]

CHANGES_INPUT = termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON
CHANGES_LOCAL = termios.ICANON | termios.ECHO | termios.ISIG


def open_terminal(path: str) -> int:
    """Open a terminal for this host alone, and make it carry all bytes as they are.

    Raises:
        AddressError: it is no terminal, another program has it, or it does not become raw.
    """
    what = f"tty={path}"
    try:
        require_terminal(path)
        descriptor = open_checked(path, os.O_RDWR, stat.S_ISCHR, what)
    except OSError as error:
        if isinstance(error, MailboxError):
            raise
        refuse_exhausted(error, what)
        missing = error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO)
        text = f"{what}: {why(error, path)}"
        raise AddressError(text, errno=error.errno, not_yet=missing) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _make_raw(descriptor, what)
    except BlockingIOError:
        os.close(descriptor)
        raise AddressError(f"{what}: another program uses it: end it first") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _make_raw(descriptor: int, what: str) -> None:
    """Set raw mode, and look whether it is set: by default a carriage return becomes a new line."""
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        mode = termios.tcgetattr(descriptor)
    except termios.error as error:
        raise AddressError(f"{what}: it is no terminal: {error.args[-1]}") from None
    changed = mode[0] & CHANGES_INPUT or mode[1] & termios.OPOST or mode[3] & CHANGES_LOCAL
    if changed:
        raise AddressError(f"{what}: it does not become raw, and would change bytes")


class TtyPort(RpmsgPort):
    """An open terminal.

    Args:
        system, descriptor: see `RpmsgPort`.
        framing: its messages.
    """

    over = select.POLLERR | select.POLLHUP | select.POLLNVAL
    gone = GONE | {errno.EIO}

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
