"""One host on one window: two take each other's answers, and then one hears that the remote lies.

A claim is a lock of Linux on bytes of the file or device behind a region, so it ends with its
process. The far side takes none: it is meant to see the same bytes. Where there is no file, as
behind a probe, claims hold within the process, which is all that the other side serves.
"""

import fcntl
import os
import struct
import threading
import weakref

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import open_descriptors, user
from mboxio.errors import AddressError, RemoteError
from mboxio.regions.region import Region

__all__ = ["Claim", "Claims", "claim", "suspect"]

LOCK = struct.Struct("@hhqqi")
"""struct flock, which the kernel calls flock64 where it has two: type, whence, start, size, pid."""

SECOND_USER = ", unless another program or driver writes to the same memory"
INSTEAD = "two hosts take each other's answers: end the other, or add shared=yes if you mean it"

_claiming = threading.RLock()
_held: "weakref.WeakSet[Claim]" = weakref.WeakSet()


class Claim:
    """A held claim; it is let go by `close`, or with its owner.

    Args:
        place: what is claimed, if that is no file.
        begin, end: its first byte there and the one after the last.
        descriptor: the one that has the lock; -1 if there is none.
    """

    def __init__(self, place: object, begin: int, end: int, descriptor: int = -1) -> None:
        self.place = place
        self.begin = begin
        self.end = end
        self.descriptor = descriptor
        self.region: Region | None = None
        _held.add(self)

    def meets(self, place: object, begin: int, end: int) -> bool:
        """Return whether this claim is on some of these bytes."""
        return self.place == place and self.begin < end and begin < self.end

    def close(self) -> None:
        """Let go; a second call does nothing."""
        _held.discard(self)
        # In a forked child this leaves the parent's lock as it is; unlocking would not.
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


def claim(region: Region, offset: int, size_bytes: int, what: str) -> Claim:
    """Claim bytes of a region for a host.

    Args:
        offset: the first byte in the region.
        size_bytes: how many.
        what: they are, for the error: ``channel 0``.

    Raises:
        AddressError: another host has claimed some of them.
    """
    path, place, base = region.place or ("", id(region), 0)
    begin, end = base + offset, base + offset + size_bytes
    if not path:
        with _claiming:
            if any(each.meets(place, begin, end) for each in list(_held)):
                raise AddressError(f"this process uses {what} of {region!r} already: {INSTEAD}")
            made = Claim(place, begin, end)
        made.region = region  # keeps its identity
        return made
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        refuse_exhausted(error, f"{what} of {path}")
        return Claim(None, 0, 0)  # such a file can be mapped, but not locked
    try:
        lock = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, begin, end - begin, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, lock)
    except BlockingIOError:
        who = _holder(descriptor)
        os.close(descriptor)
        raise AddressError(f"{who} uses {what} of {path} already: {INSTEAD}") from None
    except OSError:  # a file system without locks
        os.close(descriptor)
        return Claim(None, 0, 0)
    return Claim(None, 0, 0, descriptor)


class Claims:
    """What one host has claimed.

    Args:
        shared: it claims nothing, as other hosts are there on purpose.
    """

    def __init__(self, shared: bool) -> None:
        self.shared = shared
        self.held: list[Claim] = []

    def add(self, region: Region, offset: int, size_bytes: int, what: str) -> None:
        """Claim bytes of a region; arguments and errors as for `claim`."""
        if not self.shared:
            self.held.append(claim(region, offset, size_bytes, what))

    def close(self) -> None:
        """Let go of all of them."""
        for each in self.held:
            each.close()
        self.held.clear()


def suspect(error: BaseException | None) -> None:
    """Say of a lie in memory that nobody hands over what else it may come from."""
    if isinstance(error, RemoteError) and not str(error).endswith(SECOND_USER):
        error.args = (f"{error}{SECOND_USER}", *error.args[1:])


def _holder(descriptor: int) -> str:
    """Return who has a lock on the same file, as far as this user may know."""
    same = os.fstat(descriptor)
    for process, number in open_descriptors():
        try:
            found = (process / "fd" / number).stat()
            if (found.st_dev, found.st_ino) != (same.st_dev, same.st_ino):
                continue
            if "lock:" in (process / "fdinfo" / number).read_text():
                if process.name == str(os.getpid()):
                    return "another connection of this process"
                uid = process.stat().st_uid
                whose = "" if uid == os.geteuid() else f" of {user(uid)}"
                return f"pid {process.name} ({(process / 'comm').read_text().strip()}){whose}"
        except OSError:
            continue  # it ended, or belongs to somebody else
    return "another program"


def _forget_lock() -> None:
    """In a forked child: whoever had the lock is not here."""
    global _claiming
    _claiming = threading.RLock()


os.register_at_fork(after_in_child=_forget_lock)
