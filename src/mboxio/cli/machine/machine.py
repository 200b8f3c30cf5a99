"""Files of this machine, read with care: names and contents may be anybody's."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mboxio._base.texts import REMOTE_MAX, remote_text
from mboxio._os.whose import myself, user

__all__ = ["ENTRIES_MAX", "Found", "Machine"]

ENTRIES_MAX = 4096
"""Entries of a folder that are looked at; no machine has as many devices of a kind."""
ATTRIBUTE_BYTES = 4 * REMOTE_MAX
"""Of an attribute in sysfs, which is a line."""
FILE_BYTES_MAX = 1 << 22
"""Of a table in /proc."""


@dataclass(frozen=True)
class Found:
    """Something to talk to, or that somebody may want to talk to.

    Args:
        kind: what it is, in a word.
        name: what it is called; printable, whoever named it.
        address: what to write to reach it; empty if nothing does.
        about: what is known of it.
        obstacle: why it cannot be used; empty if it can.
        advice: what to try against that.
    """

    kind: str
    name: str
    address: str = ""
    about: str = ""
    obstacle: str = ""
    advice: str = ""


def may_open(path: Path) -> bool:
    """Return whether this process may read and write a file."""
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


class Machine:
    """A machine's ``/sys``, ``/dev`` and ``/proc``.

    Args:
        root: where they are; for tests.
        may: returns whether this process may read and write a file.
    """

    def __init__(self, root: Path = Path("/"), *, may: Callable[[Path], bool] = may_open) -> None:
        self.root = root
        self.may = may

    def path(self, where: str) -> Path:
        """Return where a file of this machine is; ``where`` is written without the first /."""
        return self.root / where.lstrip("/")

    def names(self, where: str) -> list[str]:
        """Return the names in a folder, in order; none if there is no such folder to read."""
        try:
            with os.scandir(self.path(where)) as entries:
                names = [entry.name for entry in islice(entries, ENTRIES_MAX)]
        except OSError:
            return []
        return sorted(names, key=_numbers_last)

    def word(self, where: str) -> str:
        """Return the line that an attribute has, printable; empty if it cannot be read."""
        return remote_text(self._read(where, ATTRIBUTE_BYTES).split(b"\n")[0].strip(b"\0 \t"))

    def lines(self, where: str) -> list[str]:
        """Return the lines of a table of the kernel, as they are; none if it cannot be read."""
        return os.fsdecode(self._read(where, FILE_BYTES_MAX)).split("\n")

    def target(self, where: str) -> str:
        """Return the name of what a link leads to, printable; empty if it is not a link."""
        try:
            return shown(os.path.basename(os.readlink(self.path(where))))
        except OSError:
            return ""

    def mode(self, where: str) -> os.stat_result | None:
        """Return what a file is; None if there is none."""
        try:
            return os.stat(self.path(where))
        except OSError:
            return None

    def closed(self, device: str) -> str:
        """Return who may open a device where this process may not; empty if it may.

        Args:
            device: its path, such as ``/dev/uio0``.
        """
        found = self.mode(device)
        if found is None or self.may(self.path(device)):
            return ""
        mode = stat.S_IMODE(found.st_mode)
        return (
            f"no access: {device} belongs to {owner_of(found)}, mode {mode:o}; this is {myself()}"
        )

    def _read(self, where: str, limit: int) -> bytes:
        try:
            descriptor = os.open(
                self.path(where), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            )
        except OSError:
            return b""
        data = b""
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                while len(data) < limit and (part := os.read(descriptor, limit - len(data))):
                    data += part
        except OSError:
            return b""  # an attribute may refuse to be read
        finally:
            os.close(descriptor)
        return data


def shown(name: str) -> str:
    """Return the name of a file as a part of one line, whatever bytes it has."""
    return remote_text(os.fsencode(name))


def owner_of(found: os.stat_result) -> str:
    """Return the owner and the group of a file, in words."""
    import grp

    try:
        group = f"group {grp.getgrgid(found.st_gid).gr_name}"
    except KeyError:
        group = f"group {found.st_gid}"
    return f"{user(found.st_uid)} and {group}"


def _numbers_last(name: str) -> tuple[str, int]:
    """Order uio10 after uio9."""
    head = name.rstrip("0123456789")
    tail = name[len(head) :]
    return head, int(tail[:18]) if tail.isdecimal() else -1
