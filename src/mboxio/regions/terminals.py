"""Terminals that carry bytes as they are: serial ports, and what looks like one."""

import errno
import fcntl
import os
import stat
import termios
import tty

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.errors import AddressError, MailboxError
from mboxio.regions.paths import open_checked, require_terminal

__all__ = ["open_terminal"]

CHANGES_INPUT = termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON
CHANGES_LOCAL = termios.ICANON | termios.ECHO | termios.ISIG


def open_terminal(path: str, what: str) -> int:
    """Open a terminal for this host alone, and make it carry all bytes as they are.

    Args:
        path: for example ``/dev/ttyACM0``.
        what: it is, for errors.

    Raises:
        AddressError: it is no terminal, another program has it, or it does not become raw.
    """
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
