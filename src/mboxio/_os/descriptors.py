"""Descriptors as everything here needs them, and what to say where there are none."""

import errno
import os
import select
import sys

from mboxio.errors import MailboxError

__all__ = ["NONE_LEFT", "eventfd", "exhausted", "readable", "refuse_exhausted", "require", "spare"]


NONE_LEFT = frozenset({errno.EMFILE, errno.ENFILE})
"""What the kernel says where there are no descriptors left."""
MILLISECONDS_MAX = (1 << 31) - 1
"""poll(2) takes no more."""


def require(*names: str) -> None:
    """Check that this Python has functions of `os` that not every Python has.

    Raises:
        RuntimeError: it has not; the text says which, and what to use.
    """
    missing = [f"os.{name}" for name in names if not hasattr(os, name)]
    if missing:
        raise RuntimeError(
            f"mboxio needs {' and '.join(missing)} here, which this {sys.implementation.name}"
            f" {sys.version.split()[0]} does not have: use CPython on Linux"
        )


def eventfd() -> int:
    """Return a new eventfd, which does not block and is closed on exec.

    Raises:
        MailboxError: there are no descriptors left.
        RuntimeError: as `require`.
    """
    require("eventfd")
    try:
        return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    except OSError as error:
        refuse_exhausted(error, "to sleep and be woken")
        raise


def spare() -> int:
    """Return a descriptor to give up for a moment when there are no others; -1: none is left."""
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def exhausted(what: str, number: int = errno.EMFILE) -> MailboxError:
    """Return the error for what could not be done because there are no descriptors left.

    Args:
        what: was to be done or reached.
        number: EMFILE, or ENFILE where it is the whole machine that has none.
    """
    if number == errno.ENFILE:
        why = "the machine has as many open as it may (sysctl fs.file-max)"
    else:
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        why = f"the process has as many open as it may, {most} (ulimit -n)"
    return MailboxError(f"{what}: out of file descriptors: {why}", errno=number)


def refuse_exhausted(error: BaseException, what: str) -> None:
    """Raise that there are no descriptors left, if it is this that an error says.

    Every place that turns errors of the kernel into others asks this first: nothing is wrong with
    the address or the remote then.
    """
    if (
        isinstance(error, OSError)
        and not isinstance(error, MailboxError)  # those say already what is wrong
        and error.errno in NONE_LEFT
    ):
        raise exhausted(what, error.errno) from None


def readable(descriptor: int, timeout_s: float) -> bool:
    """Return whether a descriptor is or becomes readable within a time."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert timeout_s >= 0, "poll would wait for ever"
    return bool(poller.poll(min(timeout_s * 1000, MILLISECONDS_MAX)))
