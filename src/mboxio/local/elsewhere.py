"""Where a remote may be that was not found: other users and sessions have other folders."""

import glob
import os
import re

from mboxio._os.whose import myself, user

FOLDERS = ("/run/user/{}/mboxio", "/tmp/mboxio-{}")
"""Where the folders of other users and sessions lie."""


def looked_at(path: str) -> str:
    """Say which socket was looked for, why there, and where else its name is.

    Args:
        path: of the socket that is not there, or that nobody listens on.
    """
    told = [f"looked at {path}, as {myself()}"]
    if not os.environ.get("MBOXIO_RUNTIME_DIR") and not os.environ.get("XDG_RUNTIME_DIR"):
        told.append("XDG_RUNTIME_DIR is not set here")
    told += [_describe(each) for each in _others(path)]
    return "; ".join(told)


def invoker() -> int:
    """Return the user who became root by sudo; this process's own if nobody did."""
    uid = os.environ.get("SUDO_UID", "")
    by_sudo = os.geteuid() == 0 and uid.isascii() and uid.isdecimal()
    return int(uid) if by_sudo else os.geteuid()


def of_invoker(name: str) -> list[str]:
    """Return where the remotes of the user may be who became root by sudo; nothing for others.

    Whose they really are has to be asked: anybody can make a folder with this name.
    """
    uid = invoker()
    if uid == os.geteuid() or os.environ.get("MBOXIO_RUNTIME_DIR"):
        return []
    return [os.path.join(each.format(uid), name) for each in FOLDERS]


def _others(path: str) -> list[str]:
    """Return sockets of the same name in other folders, and folders that we may not look into."""
    folder, name = os.path.split(path)
    found: list[str] = []
    for other in sorted(
        each for folders in FOLDERS for each in glob.glob(folders.format("[0-9]*"))
    ):
        if not re.search(r"/(mboxio-)?[0-9]+(/mboxio)?$", other):
            continue
        if os.path.realpath(other) == os.path.realpath(folder):
            continue
        socket = os.path.join(other, name)
        if os.path.lexists(socket):
            found.append(socket)
        elif not os.access(other, os.X_OK):
            found.append(other)
    return found[:4]


def _describe(path: str) -> str:
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return f"{path} has gone meanwhile"
    if not path.endswith(".sock"):
        return f"{user(owner)} has {path}, where this user may not look: it may be there"
    if owner == os.geteuid():
        return f"{path} exists: set MBOXIO_RUNTIME_DIR={os.path.dirname(path)} to reach it"
    return f"{path} exists and belongs to {user(owner)}, whom this user does not ask"
