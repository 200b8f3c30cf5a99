"""Remotes of this machine: the sockets in the runtime folders, and whether somebody listens."""

import os
import re
from collections.abc import Iterator

from mboxio._os.whose import user
from mboxio.cli.machine.machine import Found, Machine, shown
from mboxio.errors import AddressError
from mboxio.local.elsewhere import FOLDERS, of_invoker
from mboxio.local.folder import folder_path
from mboxio.local.sockets import NAME, STARTED_BY, socket_path

__all__ = ["expected_folder", "listening", "remotes"]

LISTENS = 0x10000
"""Flag of a socket in /proc/net/unix (__SO_ACCEPTCON)."""
FLAGS_AT, PATH_AT = 3, 7
"""Columns of /proc/net/unix."""
OTHERS = re.compile(r"(?:mboxio-)?[0-9]+")


def expected_folder() -> str:
    """Return where the remotes of this user lie; it may not exist, or be refused."""
    try:
        return os.path.dirname(socket_path("any", host=True))
    except AddressError:
        return folder_path()


def remotes(machine: Machine, folder: str | None = None) -> Iterator[Found]:
    """Yield the remotes that this user can reach, and those in the folders of other sessions.

    Nobody is connected to, as that would be noticed: the kernel's list of sockets says who listens.

    Args:
        machine: where to look.
        folder: of this user's remotes; None: `expected_folder`.
    """
    own = expected_folder() if folder is None else folder
    reached = {own, *(os.path.dirname(each) for each in of_invoker("any"))}
    heard = listening(machine)
    for each in (own, *_others(machine, own)):
        for name in machine.names(each):
            stem, dot, suffix = name.rpartition(".")
            name, _, scheme = stem.partition("@")
            scheme = scheme or "shm"
            if not dot or suffix != "sock" or scheme not in STARTED_BY or not NAME.fullmatch(name):
                continue
            live = os.path.join(each, f"{stem}.sock") in heard
            if live or each == own:  # what others left behind is theirs
                yield _remote(machine, each, f"{scheme}:{name}", stem, live, each in reached)


def _remote(
    machine: Machine, folder: str, address: str, stem: str, live: bool, reached: bool
) -> Found:
    scheme = address.partition(":")[0]
    use = address if scheme == "shm" else f"acpm:?at={address}"
    pid = machine.word(os.path.join(folder, f"{stem}.lock"))
    about = f"pid {pid}" if pid.isdecimal() else ""
    if not live:
        return Found(
            "remote",
            address,
            obstacle="left behind: no process of this machine listens",
            advice=f"{STARTED_BY[scheme]} {address}",
        )
    if not reached:
        status = machine.mode(folder)
        whose = "" if status is None or status.st_uid == os.geteuid() else user(status.st_uid)
        return Found(
            "remote",
            address,
            about=about,
            obstacle=f"in the folder of {whose or 'another session'}",
            advice=f"MBOXIO_RUNTIME_DIR={shown(folder)}",
        )
    try:
        socket_path(address.partition(":")[2], scheme, host=True)
    except AddressError as error:
        return Found("remote", address, about=about, obstacle=str(error), advice="mboxio doctor")
    return Found("remote", address, use, about)


def listening(machine: Machine) -> set[str]:
    """Return the paths of the sockets that somebody listens on."""
    found: set[str] = set()
    for line in machine.lines("proc/net/unix")[1:]:
        columns = line.split(maxsplit=PATH_AT)
        if len(columns) <= PATH_AT:
            continue
        try:
            if int(columns[FLAGS_AT], 16) & LISTENS:
                found.add(columns[PATH_AT])
        except ValueError:
            continue  # not a line of that table
    return found


def _others(machine: Machine, own: str) -> Iterator[str]:
    """Yield the folders of other sessions and users, as far as this user may look into them."""
    for pattern in FOLDERS:
        parent, _, tail = pattern.partition("{}")
        above, prefix = os.path.split(parent)
        for name in machine.names(above):
            if OTHERS.fullmatch(name) and name.startswith(prefix):
                folder = os.path.join(above, name) + tail
                if os.path.realpath(folder) != os.path.realpath(own):
                    yield folder
