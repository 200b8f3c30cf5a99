"""The ways to a remote that an address means: its services, an open descriptor, a terminal."""

import errno
import os
import socket
import stat

from mboxio._os.descriptors import refuse_exhausted
from mboxio.controllers.framing import framing_of
from mboxio.controllers.rpmsg.growing import GrowingWay
from mboxio.controllers.rpmsg.nodes.ports import EndpointPort, RpmsgPort
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.nodes.tty import TtyPort
from mboxio.controllers.rpmsg.options import RpmsgOptions, Wanted
from mboxio.controllers.rpmsg.services import ServicesWay
from mboxio.controllers.rpmsg.way import RpmsgWay
from mboxio.errors import AddressError
from mboxio.regions.terminals import open_terminal

__all__ = ["DescriptorWay", "TerminalWay", "way_of"]

SUBSYSTEMS = "/sys/dev/char"


class DescriptorWay(RpmsgWay):
    """A descriptor that was opened elsewhere; it stays its owner's, and this is a copy."""

    returns = False

    def find(self) -> list[str]:
        """See `RpmsgWay.find`."""
        _require_messages(self.options.fd)
        return ["0"]

    def open(self, channel: str) -> RpmsgPort:
        """See `RpmsgWay.open`."""
        number = self.options.fd
        _require_messages(number)
        try:
            copy = os.dup(number)
        except OSError as error:
            refuse_exhausted(error, f"fd={number}")
            raise AddressError(f"fd={number}: {error.strerror}") from None
        try:
            os.set_blocking(copy, False)  # also for the owner: the kernel knows one state
            return EndpointPort(self.system, copy, self.options.message_bytes)
        except BaseException:
            os.close(copy)
            raise


class TerminalWay(RpmsgWay):
    """A terminal of ``rpmsg_tty``."""

    flushes = True

    def find(self) -> list[str]:
        """See `RpmsgWay.find`; the terminal is opened when a client comes."""
        path = self.options.tty
        if not os.path.exists(path):
            raise AddressError(f"tty={path} does not exist", errno=errno.ENOENT, not_yet=True)
        return ["tty"]

    def open(self, channel: str) -> RpmsgPort:
        """See `RpmsgWay.open`."""
        framing = framing_of(self.options.framing, self.options.message_bytes)
        descriptor = open_terminal(self.options.tty, f"tty={self.options.tty}")
        return TtyPort(self.system, descriptor, framing)

    def reason(self, channel: str) -> str:
        """See `RpmsgWay.reason`."""
        return f"{self.options.tty} hung up"


def way_of(name: str, channel: str, options: RpmsgOptions, system: System) -> RpmsgWay:
    """Return the way that an address means.

    Raises:
        AddressError: it names two.
    """
    if options.fd < 0 and not options.tty:
        wanted = Wanted.of(name, channel, options)
        return (ServicesWay if wanted.services else GrowingWay)(system, options, wanted)
    option = f"tty={options.tty}" if options.tty else f"fd={options.fd}"
    services = name or options.services
    if services:
        raise AddressError(f"rpmsg: {option} is in place of service {services!r}: write one")
    return (TerminalWay if options.tty else DescriptorWay)(system, options)


def _require_messages(number: int) -> None:
    """Refuse a descriptor that does not keep the borders of messages."""
    try:
        status = os.fstat(number)
    except OSError as error:
        raise AddressError(f"fd={number}: {error.strerror}", errno=error.errno) from None
    if stat.S_ISSOCK(status.st_mode):
        with socket.socket(fileno=os.dup(number)) as each:
            if each.type == socket.SOCK_SEQPACKET:
                return
    elif stat.S_ISCHR(status.st_mode):
        major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
        subsystem = os.path.realpath(f"{SUBSYSTEMS}/{major}:{minor}/subsystem")
        if os.path.basename(subsystem) == "rpmsg":
            return
    raise AddressError(f"fd={number} is no endpoint of RPMsg, and no socket of type SEQPACKET")
