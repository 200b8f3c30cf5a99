"""Opening the hardware may take root; serving users does not."""

import os
import pwd

from mboxio.errors import AddressError

__all__ = ["become", "find_user", "require_user"]

PACKAGE = os.path.dirname(os.path.dirname(__file__))


def require_user(user: str | None) -> None:
    """Refuse to serve users as root unless that was asked for; raises AddressError."""
    if user is not None:
        find_user(user)
    elif os.geteuid() == 0:
        raise AddressError(
            "a gateway does not serve users as root: say whom it becomes once the mailboxes are"
            " open, with --user NAME"
        )


def find_user(user: str) -> pwd.struct_passwd:
    """Return what this machine knows of a user; raises AddressError."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise AddressError(f"there is no user {user!r} here") from None


def become(user: str) -> None:
    """Be this user from now on, for good, with that user's groups, home and folder for sockets.

    What has not been imported by now may be out of reach.

    Raises:
        AddressError: there is no such user, one may not become somebody else, or that user cannot
            read this package, parts of which are imported when they are needed.
    """
    entry = find_user(user)
    if entry.pw_uid == os.geteuid():
        return
    is_folder = os.path.isdir(PACKAGE)  # not so in an archive
    try:
        os.initgroups(user, entry.pw_gid)
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    except OSError as error:
        raise AddressError(f"{error.strerror}: only root becomes {user}") from None
    if is_folder and not os.access(PACKAGE, os.R_OK | os.X_OK):
        raise AddressError(
            f"{user} cannot read {PACKAGE}: install mboxio where {user} can, for example in /opt"
        )
    os.environ |= {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user}
    os.environ.pop("XDG_RUNTIME_DIR", None)  # it is root's
    session = f"/run/user/{entry.pw_uid}"
    if os.path.isdir(session):
        os.environ["XDG_RUNTIME_DIR"] = session
