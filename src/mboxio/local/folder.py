"""The folder in which remotes of this machine listen: its place, its owner, its mode."""

import os
import stat

from mboxio._os.whose import myself, user, why
from mboxio.errors import AddressError
from mboxio.local.elsewhere import invoker

__all__ = ["check_private", "folder_path", "make_folder", "may_own", "runtime_folder"]


def runtime_folder() -> str:
    """Return the folder of the sockets, which is the user's alone; it is made if it is missing.

    Raises:
        AddressError: it cannot be made, or others can get at it.
    """
    folder = folder_path()
    make_folder(folder)
    return folder


def folder_path() -> str:
    """Return where the folder is, whether it exists or not."""
    own = os.environ.get("MBOXIO_RUNTIME_DIR")
    if own:
        return os.path.abspath(own)
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and os.path.isabs(session):
        return os.path.join(session, "mboxio")
    return f"/tmp/mboxio-{os.geteuid()}"


def make_folder(folder: str) -> None:
    """Make the folder if it is missing, for this user alone; raises AddressError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise AddressError(f"the folder {folder} cannot be made: {why(error, folder)}") from None
    check_private(folder, may_own(False))


def may_own(host: bool) -> frozenset[int] | None:
    """Return whose the folder of now may be; None: anybody's, because root named it.

    Anybody can be the first to make a folder in /tmp, so its name says nothing about its owner.
    """
    uid = os.geteuid()
    if not host or uid != 0:
        return frozenset({uid})
    if os.environ.get("MBOXIO_RUNTIME_DIR"):
        return None
    # Only `sudo -E` and the like leave a user's session to root.
    return frozenset({0, invoker()} if os.environ.get("XDG_RUNTIME_DIR") else {0})


def check_private(folder: str, owners: frozenset[int] | None) -> None:
    """Refuse a folder in which others could put a socket of theirs; none at all is fine."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise AddressError(f"the folder {folder} cannot be used: {why(error, folder)}") from None
    if stat.S_ISLNK(status.st_mode):
        wrong = "is a symbolic link"
    elif not stat.S_ISDIR(status.st_mode):
        wrong = "is no folder"
    elif owners is not None and status.st_uid not in owners:
        wrong = f"belongs to {user(status.st_uid)}, and this is {myself()}"
    elif status.st_mode & 0o077:
        # Whose folder it is does not matter: /tmp must stay what it is.
        wrong = f"can be used by others (mode {stat.S_IMODE(status.st_mode):o})"
    else:
        return
    raise AddressError(
        f"{folder} {wrong}: set MBOXIO_RUNTIME_DIR, for host and remote, to a folder of your own "
        "that is made by mkdir -m 700"
    )
