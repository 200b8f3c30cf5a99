"""Opening what a path in an address names: only what is meant there, and without waiting.

The kind is asked before the path is opened, since opening alone does something to many devices (a
watchdog starts, a tape rewinds, a FIFO gets a reader), and again afterwards.
"""

import os
import stat
from collections.abc import Callable

from mboxio.errors import AddressError

__all__ = ["open_checked", "require_terminal"]

KINDS = (
    (stat.S_ISREG, "a regular file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)

PTY_MAJORS = range(136, 144)
"""Pseudo terminals, which sysfs does not show (Linux, admin-guide/devices.txt)."""
CHARACTER_DEVICES = "/sys/dev/char"


def open_checked(path: str, flags: int, meant: Callable[[int], bool], what: str) -> int:
    """Open a path that has to be of some kind; returns the descriptor, which does not block.

    Args:
        path: what to open; links are followed.
        flags: of `os.open`, such as `os.O_RDWR`.
        meant: tells by the mode whether it is of the right kind: `stat.S_ISREG`.
        what: this is in the address, for errors: ``file:PATH``.

    Raises:
        AddressError: it is something else.
        OSError: it cannot be opened.
    """
    _require(os.stat(path).st_mode, meant, what)
    flags |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        _require(os.fstat(descriptor).st_mode, meant, what)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_terminal(path: str) -> None:
    """Refuse a character device that is no terminal, before it is opened.

    Raises:
        AddressError: sysfs says that it is something else.
        OSError: it cannot be looked at.
    """
    device = os.stat(path).st_rdev
    if os.major(device) in PTY_MAJORS:
        return
    entry = f"{CHARACTER_DEVICES}/{os.major(device)}:{os.minor(device)}/subsystem"
    if os.path.exists(entry) and os.path.basename(os.path.realpath(entry)) != "tty":
        raise AddressError(f"{path} is no serial port")


def _require(mode: int, meant: Callable[[int], bool], what: str) -> None:
    if not meant(mode):
        found = next((name for test, name in KINDS if test(mode)), "something else")
        wanted = next(name for test, name in KINDS if test is meant)
        raise AddressError(f"{what} is {found}, and has to be {wanted}")
