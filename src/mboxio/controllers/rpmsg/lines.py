"""The channels of a connection with their open endpoints, and the one descriptor that hears all."""

import select
from collections.abc import Callable, Iterator

from mboxio._os.descriptors import refuse_exhausted
from mboxio.controllers.rpmsg.lives import Uevents
from mboxio.controllers.rpmsg.nodes.ports import PortEnded, RpmsgPort
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.driver.contracts import DriverChannel

__all__ = ["RpmsgLine", "RpmsgLines"]

STALE_MAX = 1 << 16
"""Messages of an earlier time that are taken when an endpoint is opened."""


class RpmsgLine:
    """A channel's way to its service.

    Args:
        channel: whose it is.
        greeting: what is sent first in each life of the remote; None: nothing.
    """

    def __init__(self, channel: DriverChannel, greeting: bytes | None) -> None:
        self.channel = channel
        self.name = channel.name
        self.greeting = greeting
        self.port: RpmsgPort | None = None
        self.started = False
        self.taken_back = False  # its service has gone, and the remote lives
        self.greets = False
        self.leaving = -1  # handle of the message that is going out in parts

    @property
    def owes(self) -> bool:
        """Whether something is still to be written, whether anybody sends or not."""
        return self.port is not None and (self.greets or self.leaving >= 0)

    def write(self, message: bytes, put_off: Callable[[BaseException], bool]) -> bool:
        """Write a message; returns whether the kernel has taken it.

        Args:
            message: of a client.
            put_off: `Controller.put_off`, for what a signal handler raises.

        Raises:
            PortEnded: the remote is gone, and has not got it.
            OSError: the kernel refuses this message.
        """
        port = self.port
        assert port is not None
        begun = False
        try:
            if self.greets or self.leaving >= 0 or (port.streams and not port.flush()):
                return False
            if port.streams:
                port.begin()
            else:
                port.taken.clear()
            begun = True
            return port.send(message)
        except (OSError, PortEnded):
            raise
        except BaseException as error:
            if not put_off(error):
                raise
        left = begun and port.left  # it was interrupted before the write or after it
        if begun and not left:
            port.begin()
        return left

    def greet(self) -> bool:
        """Send the first message of a life if that is still to be done; returns whether it is done.

        Raises:
            PortEnded: the remote is gone.
        """
        if self.greets and self.port is not None:
            assert self.greeting is not None
            self.port.begin()
            self.greets = not self.port.send(self.greeting)
        return not self.greets

    def go_on(self) -> int:
        """Write what is left; returns the handle of a message that is out now, or -1.

        Raises:
            PortEnded: the remote is gone.
        """
        if self.leaving >= 0:
            assert self.port is not None
            if not self.port.flush():
                return -1
            handle, self.leaving = self.leaving, -1
            return handle
        self.greet()
        return -1


class RpmsgLines:
    """All lines of a connection.

    Endpoints go into one epoll, and only that is watched: an event loop watches copies of
    descriptors, and a copy of an endpoint would keep it open, so that nobody could open it again.
    """

    def __init__(self) -> None:
        self.all: list[RpmsgLine] = []
        self.only: RpmsgLine | None = None  # the one with an open endpoint, if there is just one
        self.epoll: select.epoll | None = None
        self.uevents: Uevents | None = None

    def open(self, system: System | None) -> int:
        """Begin to hear, also uevents if there is a ``system``; returns the descriptor to watch.

        Raises:
            MailboxError: there are no descriptors left.
        """
        try:
            self.epoll = select.epoll()
        except OSError as error:
            refuse_exhausted(error, "rpmsg:")
            raise
        if system is not None:
            self.uevents = Uevents(system)
            if self.uevents.fileno() >= 0:
                self.epoll.register(self.uevents.fileno(), select.EPOLLIN)
        return self.epoll.fileno()

    def take(self, line: RpmsgLine, port: RpmsgPort) -> list[bytes]:
        """Give a line its open endpoint; returns what lies there from before.

        Raises:
            PortEnded: the remote is gone already; the port is closed.
        """
        assert self.epoll is not None
        try:
            stale = port.receive(STALE_MAX)
            self.epoll.register(port.descriptor, select.EPOLLIN)
        except BaseException:
            port.close()
            raise
        line.port = port
        line.taken_back = False
        line.leaving = -1
        line.greets = line.greeting is not None
        self.count()
        return stale

    def count(self) -> None:
        """See which line is the only one."""
        opened = [line for line in self.all if line.port is not None]
        self.only = opened[0] if len(opened) == 1 else None

    def release(self, line: RpmsgLine) -> RpmsgPort | None:
        """Take the endpoint away from a line, and hear it no more; it stays open."""
        port, line.port = line.port, None
        line.leaving = -1
        self.count()
        if port is not None and self.epoll is not None:
            self.epoll.unregister(port.descriptor)
        return port

    def drop(self, line: RpmsgLine) -> None:
        """Close the endpoint of a line."""
        port = self.release(line)
        if port is not None:
            port.close()

    def drop_all(self) -> None:
        """Close all endpoints."""
        for line in self.all:
            self.drop(line)

    def ready(self) -> tuple[bool, list[tuple[RpmsgLine, int]]]:
        """Return whether uevents came, and the lines with news and what poll says of them."""
        if self.epoll is None:
            return False, []
        found: list[tuple[RpmsgLine, int]] = []
        devices = False
        for descriptor, flags in self.epoll.poll(0):
            if self.uevents is not None and descriptor == self.uevents.fileno():
                devices = True
                continue
            found += [(line, flags) for line in self._of(descriptor)]
        return devices, found

    def close(self, inherited: bool = False) -> None:
        """Close everything.

        Args:
            inherited: by a fork; what the epoll listens to is the parent's, and stays.
        """
        for line in self.all:
            port = line.port
            if inherited and port is not None:
                port.close()
            else:
                self.drop(line)
        if self.uevents is not None:
            self.uevents.close()
        if self.epoll is not None:
            self.epoll.close()
            self.epoll = None

    def _of(self, descriptor: int) -> Iterator[RpmsgLine]:
        for line in self.all:
            if line.port is not None and line.port.descriptor == descriptor:
                yield line
