"""Regions that are files: an image of a memory, or memory that another process maps, too."""

import fcntl
import grp
import mmap
import os
import pwd
import stat

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import user, why
from mboxio.errors import AddressError, MailboxError
from mboxio.regions.paths import open_checked
from mboxio.regions.region import Memory

__all__ = ["MappedFile", "open_file"]

TRUSTED = ",trusted=yes"
SEAL_SHRINK = 2
"""F_SEAL_SHRINK: nobody can make this memfd shorter any more."""


class MappedFile(Memory):
    """A mapped file, or a window of one.

    Whoever makes a mapped file shorter ends this process at the next access (SIGBUS). So a file
    that another user than this one and root can write is refused.

    Args:
        path: the file; it exists and is not made shorter while it is mapped.
        offset: where the window begins, in bytes.
        size_bytes: its size; None: to the end of the file.
        trusted: whoever can write the file does not make it shorter.

    Raises:
        AddressError: there is no such file or window in it, it is no regular file, or others can
            write it.
    """

    def __init__(
        self,
        path: str,
        offset: int = 0,
        size_bytes: int | None = None,
        *,
        trusted: bool = False,
    ) -> None:
        try:
            descriptor = open_checked(path, os.O_RDWR, stat.S_ISREG, f"file:{path}")
        except OSError as error:
            if isinstance(error, MailboxError):
                raise
            refuse_exhausted(error, f"file:{path}")
            missing = isinstance(error, FileNotFoundError)
            raise AddressError(f"file:{path}: {why(error, path)}", not_yet=missing) from None
        try:
            if not trusted:
                _refuse_others(descriptor, path)
            whole = os.fstat(descriptor).st_size
            end = whole if size_bytes is None else offset + size_bytes
            if not 0 <= offset < end <= whole:
                raise AddressError(
                    f"file:{path} has {whole} bytes, nothing to map at {offset:#x} to {end:#x}",
                    not_yet=whole == 0,  # who makes it gives it its size in a second step
                )
            start = offset - offset % mmap.ALLOCATIONGRANULARITY
            self.mapping = mmap.mmap(descriptor, end - start, offset=start)
        except (OSError, ValueError) as error:
            if isinstance(error, MailboxError):
                raise
            refuse_exhausted(error, f"file:{path}")
            raise AddressError(f"file:{path}: cannot be mapped: {error}") from None
        finally:
            os.close(descriptor)
        self.path = path
        self.place = os.path.abspath(path), None, offset
        super().__init__(memoryview(self.mapping)[offset - start : end - start])

    def close(self) -> None:
        """See `Region.close`."""
        super().close()
        self.mapping.close()


def open_file(where: str, offset: int, size_bytes: int | None) -> MappedFile:
    """Open ``file:PATH@offset+size``, or ``file:PATH,trusted=yes@offset+size``."""
    trusted = where.endswith(TRUSTED)
    return MappedFile(where.removesuffix(TRUSTED), offset, size_bytes, trusted=trusted)


def _refuse_others(descriptor: int, path: str) -> None:
    """Refuse a file that others than this user and root can make shorter."""
    found = os.fstat(descriptor)
    if found.st_uid not in (os.geteuid(), 0):
        who = user(found.st_uid)
    elif found.st_mode & stat.S_IWOTH:
        who = "everybody"
    elif found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, found.st_uid):
        who = f"its group ({found.st_gid})"
    else:
        return
    try:
        if fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & SEAL_SHRINK:
            return
    except OSError:
        pass  # only memory has seals
    raise AddressError(
        f"file:{path}: {who} can write it, and to make it shorter would end this program: chmod or"
        f" chown it, or write file:{path}{TRUSTED} if you trust them"
    )


def _is_private(gid: int, uid: int) -> bool:
    """Return whether a group is the one of a user alone, as where the umask is 002."""
    if gid == 0:
        return True  # root's own
    try:
        group, owner = grp.getgrgid(gid), pwd.getpwuid(uid).pw_name
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}
