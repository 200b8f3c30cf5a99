"""Opening the hardware may take root; serving users does not."""

import os
import pwd

from mboxio._os.whose import why
from mboxio.errors import AddressError

__all__ = ["become", "require_user"]


def require_user(user: str | None) -> None:
    """Refuse to serve users as root unless that was asked for; raises AddressError."""
    if os.geteuid() == 0 and user is None:
        raise AddressError(
            "a gateway does not serve users as root: say whom it becomes once the mailboxes are"
            " open, with --user NAME"
        )


def become(user: str) -> None:
    """Be this user from now on, for good, with that user's groups and home.

    Raises:
        AddressError: there is no such user, or one may not become somebody else.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise AddressError(f"there is no user {user!r} here") from None
    if entry.pw_uid != os.geteuid():
        try:
            os.initgroups(user, entry.pw_gid)
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
        except OSError as error:
            raise AddressError(f"{why(error, '/')}: only root becomes {user}") from None
    os.environ["HOME"] = entry.pw_dir
