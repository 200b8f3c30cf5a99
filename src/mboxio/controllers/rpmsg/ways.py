"""Three ways to a remote: its announced services, an open descriptor, a terminal."""

import errno
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

from mboxio._os.descriptors import refuse_exhausted
from mboxio.controllers.rpmsg.buffers import buffers_of
from mboxio.controllers.rpmsg.choosing import RpmsgChoice, choose, follow
from mboxio.controllers.rpmsg.endpoints import OpenedNode, open_endpoint
from mboxio.controllers.rpmsg.framing import framing_of
from mboxio.controllers.rpmsg.ioctls import DESTROY_EPT
from mboxio.controllers.rpmsg.lives import folder_of, reason_of_death, stays_dead
from mboxio.controllers.rpmsg.options import RpmsgOptions, Wanted
from mboxio.controllers.rpmsg.ports import EndpointPort, RpmsgPort, is_over
from mboxio.controllers.rpmsg.sysfs import vdevs
from mboxio.controllers.rpmsg.system import System
from mboxio.controllers.rpmsg.tty import TtyPort
from mboxio.errors import AddressError, RemoteGone
from mboxio.regions.terminals import open_terminal

__all__ = ["DescriptorWay", "RpmsgWay", "ServicesWay", "TerminalWay", "way_of"]

DEPTH = 16
SUBSYSTEMS = "/sys/dev/char"


class RpmsgWay:
    """How the channels of a connection are reached.

    Args:
        system: the kernel.
        options: of the address.
    """

    returns = True
    """Whether the remote may be found again after its death."""
    hears = False
    """Whether uevents tell of it."""
    flushes = False
    """Whether a message may go out in parts."""

    def __init__(self, system: System, options: RpmsgOptions) -> None:
        self.system = system
        self.options = options

    def find(self) -> list[str]:
        """Return the names of the channels. Raises AddressError."""
        raise NotImplementedError

    def depth(self) -> int:
        """Return how many messages the ring takes."""
        return self.options.depth or DEPTH

    def find_again(self, started: list[str]) -> None:
        """Find the remote's next life, with these channels. Raises AddressError, RemoteGone."""

    def is_other_life(self) -> bool:
        """Return whether the remote that is there now is not the one that was found."""
        return False

    def open(self, channel: str) -> RpmsgPort:
        """Open a channel; raises as `open_endpoint`."""
        raise NotImplementedError

    def end(self, port: RpmsgPort) -> None:
        """Let go of a port whose remote is alive."""
        port.close()

    def dead(self) -> str:
        """Say why the remote is dead though its endpoints look alive; empty: it is not."""
        return ""

    def reason(self, channel: str) -> str:
        """Say why the port of a channel ended."""
        return "the other end was closed"


class ServicesWay(RpmsgWay):
    """Services of one vdev, found by their names."""

    hears = True

    def __init__(self, system: System, options: RpmsgOptions, wanted: Wanted) -> None:
        super().__init__(system, options)
        self.wanted = wanted
        self.made: dict[RpmsgPort, OpenedNode] = {}

    def find(self) -> list[str]:
        """See `RpmsgWay.find`."""
        self.take(choose(self.system.root, self.wanted))
        self.wanted = follow(self.wanted, self.choice, vdevs(self.system.root))
        return [each.channel for each in self.choice.places]

    def take(self, choice: RpmsgChoice) -> None:
        """Remember what was found."""
        self.choice = choice
        self.places = {each.channel: each for each in choice.places}
        self.processor: Path | None = folder_of(self.system, choice.vdev)

    def depth(self) -> int:
        """See `RpmsgWay.depth`."""
        return self.options.depth or buffers_of(self.system, self.processor) or DEPTH

    def find_again(self, started: list[str]) -> None:
        """See `RpmsgWay.find_again`."""
        self.made.clear()
        if dead := self.dead():
            raise RemoteGone(dead)
        # What nobody uses need not be there.
        self.take(choose(self.system.root, replace(self.wanted, services=tuple(started))))

    def is_other_life(self) -> bool:
        """See `RpmsgWay.is_other_life`: the folders of another life have other inodes."""
        try:
            return self.choice.vdev.folder.stat().st_ino != self.choice.vdev.identity
        except OSError:
            return True

    def open(self, channel: str) -> RpmsgPort:
        """See `RpmsgWay.open`."""
        if channel not in self.places:  # unused in the life before
            again = choose(self.system.root, replace(self.wanted, services=(channel,)))
            self.places[channel] = again.places[0]
        opened = open_endpoint(self.system, self.places[channel], self.options)
        try:
            port = EndpointPort(self.system, opened.descriptor, self.options.message_bytes)
        except BaseException:
            self.system.close(opened.descriptor)
            raise
        self.made[port] = opened
        return port

    def end(self, port: RpmsgPort) -> None:
        """See `RpmsgWay.end`."""
        opened = self.made.pop(port, None)
        wanted = self.options.destroy and opened is not None and opened.made
        # A kernel of version 6.1 does not survive this for a remote that is dead, or a second time.
        if wanted and not is_over(port.descriptor, port.over) and not self.is_other_life():
            try:
                self.system.ioctl(port.descriptor, DESTROY_EPT)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EPIPE, errno.ENODEV):
                    raise
        port.close()

    def dead(self) -> str:
        """See `RpmsgWay.dead`."""
        return stays_dead(self.processor)

    def reason(self, channel: str) -> str:
        """See `RpmsgWay.reason`."""
        name = self.places[channel].name
        return reason_of_death(self.system, self.choice.vdev, self.processor, name)


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
        return ServicesWay(system, options, Wanted.of(name, channel, options))
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
