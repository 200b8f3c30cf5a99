"""Whose a file is, in words, for errors about what belongs to somebody else."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["myself", "open_descriptors", "user", "why"]


def user(uid: int) -> str:
    """Return a user's name with the number, or the number of one who has no name here."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"user {uid}"


def myself() -> str:
    """Return as whom this process is judged."""
    return user(os.geteuid())


def why(error: OSError, path: str) -> str:
    """Return what the kernel says; where it refuses, also who owns what keeps this user out.

    Args:
        path: what was to be opened, made or connected to.
    """
    text = error.strerror or str(error)
    if not isinstance(error, PermissionError):
        return text
    barrier = _barrier(os.path.abspath(path))
    return f"{text}: {barrier}, and this is {myself()}" if barrier else text


def open_descriptors(proc: Path = Path("/proc")) -> Iterator[tuple[Path, str]]:
    """Yield the open descriptors of all processes that this user may look into.

    Each is the folder of its process, and its number there; it may have gone by then.
    """
    for process in proc.glob("[0-9]*"):
        try:
            numbers = os.listdir(process / "fd")
        except OSError:
            continue
        for number in numbers:
            yield process, number


def _barrier(path: str) -> str:
    """Describe the first thing on the way that may not be passed, or the last one that exists."""
    told = ""
    here = "/"
    for name in ("", *path.split("/")):
        here = os.path.join(here, name)
        try:
            status = os.stat(here)
        except OSError:
            break
        told = f"{here} belongs to {user(status.st_uid)}{_group(status)}"
        told += f", mode {stat.S_IMODE(status.st_mode):o}"
        if stat.S_ISDIR(status.st_mode) and not os.access(here, os.X_OK, effective_ids=True):
            break
    return told


def _group(status: os.stat_result) -> str:
    """Name the group that may do what this user may not: joining it helps."""
    if not status.st_mode & 0o060 or status.st_gid in (os.getegid(), *os.getgroups()):
        return ""
    try:
        return f" and group {grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:
        return f" and group {status.st_gid}"
