"""What the driver asks of the kernel: all of it can be replaced in tests."""

import fcntl
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from mboxio.regions.paths import open_checked

__all__ = ["READ_BYTES", "System"]

READ_BYTES = 4096
"""More than a message has: what does not fit into a read is lost."""
UEVENTS_PROTOCOL = 15
"""NETLINK_KOBJECT_UEVENT (Linux, include/uapi/linux/netlink.h)."""
UEVENTS_OF_KERNEL = 1
UEVENTS_BYTES = 1 << 20
"""Of the socket's buffer: a processor that restarts makes dozens of them at once."""


class System:
    """The kernel of this machine.

    Args:
        root: where its ``/sys``, ``/dev`` and ``/proc`` are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        # Of C: a signal handler cannot raise between the call and what it returns.
        self.read: Callable[[int, int], bytes] = os.read
        self.write: Callable[[int, bytes], int] = os.write

    def open(self, node: str) -> int:
        """Open a node below ``/dev`` for messages; calls on it never wait.

        Raises:
            AddressError: it is no character device.
            OSError: it cannot be opened.
        """
        path = str(self.root / "dev" / node)
        return open_checked(path, os.O_RDWR, stat.S_ISCHR, path)

    def ioctl(self, descriptor: int, request: int, argument: bytes = b"") -> None:
        """Make a request; raises OSError."""
        fcntl.ioctl(descriptor, request, argument or 0)

    def lock(self, descriptor: int) -> None:
        """Keep others from making endpoints until the descriptor is closed.

        Raises:
            BlockingIOError: another one is at it.
        """
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def store(self, attribute: Path, text: str) -> None:
        """Write an attribute of sysfs; raises OSError."""
        with open(attribute, "w") as file:
            file.write(text)

    def close(self, descriptor: int) -> None:
        """Close an open node."""
        os.close(descriptor)

    def uevents(self) -> socket.socket | None:
        """Return a socket that hears of devices which come and go; None where there is none."""
        heard = None
        try:
            heard = socket.socket(
                socket.AF_NETLINK,
                socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
                UEVENTS_PROTOCOL,
            )
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UEVENTS_BYTES)
            heard.bind((0, UEVENTS_OF_KERNEL))
        except OSError:
            if heard is not None:
                heard.close()
            return None
        return heard
