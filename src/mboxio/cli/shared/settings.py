"""Defaults of options: from the environment, and from a file of the user's.

The current folder has no say. An address in a file there would be a command by whoever wrote that
folder, run by anybody who calls mboxio in it.
"""

import errno
import math
import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import click

from mboxio._base.texts import remote_text
from mboxio._base.timeouts import nanoseconds
from mboxio._os.whose import user, why
from mboxio.address.address import Address
from mboxio.client.patience import WAIT_MAX_S
from mboxio.errors import AddressError
from mboxio.local.elsewhere import invoker

__all__ = [
    "ENDIANS",
    "FORMS",
    "VARIABLES",
    "Endian",
    "Setting",
    "WrongSetting",
    "default",
    "file",
    "in_force",
    "kinds_of",
    "limit",
    "own_file",
    "patience",
    "setting",
]

FORMS = ("dump", "hex", "word", "text", "raw", "json")
"""How messages are written."""
Endian = Literal["little", "big"]
ENDIANS: tuple[Endian, ...] = ("little", "big")
FILE_BYTES_MAX = 1 << 16


@dataclass(frozen=True)
class Setting:
    """A default that is in force.

    Args:
        name: of it, as in the file.
        text: its value as an option has it.
        origin: a variable of the environment, or the file.
    """

    name: str
    text: str
    origin: str


class WrongSetting(click.ClickException):
    """A default that cannot be used: the command is not to blame, but will not run."""

    exit_code = 2


def limit(text: str) -> float:
    """Read a time-out: seconds, or ``none``, which is infinity; raises ValueError."""
    if text.lower() == "none":
        return math.inf
    try:
        seconds = float(text)
        nanoseconds(seconds)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time: write seconds (0 or more), or none for no limit."
        ) from None
    return seconds


def patience(text: str) -> float:
    """Read how long to wait for a remote, in seconds; raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= WAIT_MAX_S:
        raise ValueError(f"{text!r} is not a time: write seconds, 0 to {WAIT_MAX_S:.0f}.")
    return seconds


def kinds_of(text: str) -> tuple[str, ...]:
    """Return the names of controllers and regions in a list such as ``shm,peer``."""
    return tuple(filter(None, text.replace(" ", "").split(",")))


def _address(text: str) -> None:
    try:
        Address.parse(text)
    except AddressError as error:
        raise ValueError(str(error)) from None


def _one_of(names: tuple[str, ...]) -> Callable[[str], object]:
    def check(text: str) -> None:
        if text not in names:
            raise ValueError(f"{text!r} is not one of {', '.join(names)}.")

    return check


CHECKS: dict[str, Callable[[str], object]] = {
    "address": _address,
    "allow": kinds_of,
    "endian": _one_of(ENDIANS),
    "out": _one_of(FORMS),
    "timeout_s": limit,
    "wait_s": patience,
}
"""What can be set, and what its value has to be."""
VARIABLES = {
    "address": "MBOXIO_ADDRESS",
    "allow": "MBOXIO_ALLOW",
    "endian": "MBOXIO_ENDIAN",
    "out": "MBOXIO_OUT",
    "timeout_s": "MBOXIO_TIMEOUT_S",
    "wait_s": "MBOXIO_WAIT_S",
}
"""The variable of the environment that sets it."""


def own_file(variable: str, otherwise: str, name: str) -> str:
    """Return the path of a file of this user's; empty if there is no place that is the user's.

    Args:
        variable: of the XDG base directories, such as ``XDG_CONFIG_HOME``.
        otherwise: where that is below the home, if it is not set.
        name: of the file.
    """
    folder = os.environ.get(variable, "")
    if not os.path.isabs(folder):
        folder = os.path.join(os.path.expanduser("~"), otherwise)
    # Without a home it would lie below the current folder.
    return os.path.join(folder, "mboxio", name) if os.path.isabs(folder) else ""


def file() -> str:
    """Return where the settings of the user are, whether they exist or not."""
    return own_file("XDG_CONFIG_HOME", ".config", "config.toml")


def setting(name: str) -> Setting | None:
    """Return a default that is in force, None if there is none.

    Raises:
        WrongSetting: it cannot be used, or the file cannot.
    """
    variable = VARIABLES[name]
    text = os.environ.get(variable, "")
    if text:
        return _checked(Setting(name, text, variable))
    return _from_file().get(name)


def in_force() -> list[Setting]:
    """Return all defaults that are in force; raises WrongSetting."""
    return [found for name in CHECKS if (found := setting(name)) is not None]


def default(name: str) -> Callable[[], str | None]:
    """Return what an option of click has as its default: it is asked for when it is needed."""

    def ask() -> str | None:
        context = click.get_current_context(silent=True)
        if context is not None and context.resilient_parsing:
            return None  # a line that is being completed
        found = setting(name)
        return None if found is None else found.text

    return ask


def _checked(found: Setting) -> Setting:
    try:
        CHECKS[found.name](found.text)
    except ValueError as error:
        by_name = found.origin in VARIABLES.values()
        where = found.origin if by_name else f"{found.origin}: {found.name}"
        raise WrongSetting(f"{where}: {error}") from None
    return found


def _from_file() -> dict[str, Setting]:
    path = file()
    found: dict[str, Setting] = {}
    for name, value in _read(path).items():
        if name not in CHECKS:
            known = ", ".join(CHECKS)
            raise WrongSetting(f"{path}: no setting {remote_text(name)!r}; there are: {known}")
        found[name] = _checked(Setting(name, _text(path, name, value), path))
    return found


def _text(path: str, name: str, value: object) -> str:
    """Return a value of TOML as the option would have it."""
    kinds = _names(value) if name == "allow" else None
    if kinds is not None:
        return ",".join(kinds)
    if name.endswith("_s") and type(value) in (int, float):
        return str(value)
    if not isinstance(value, str):
        kind = "a number" if name.endswith("_s") else "a text"
        raise WrongSetting(f"{path}: {name} is {kind}, not {remote_text(repr(value))}")
    return value


def _names(value: object) -> list[str] | None:
    """Return a list of texts; None: it is not one."""
    if not isinstance(value, list):
        return None
    found = cast("list[object]", value)
    texts = [each for each in found if isinstance(each, str)]
    return texts if len(texts) == len(found) else None


def _read(path: str) -> dict[str, Any]:
    """Read the file of the user; nobody else may have a hand in it."""
    if not path:
        return {}
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return {}
        raise WrongSetting(f"{path}: {why(error, path)}") from None
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise WrongSetting(f"{path}: not a regular file")
        if status.st_uid not in (os.geteuid(), invoker(), 0):
            raise WrongSetting(f"{path} belongs to {user(status.st_uid)}: it is not read")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise WrongSetting(f"{path} can be written by others: chmod go-w {path}")
        data = stream.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise WrongSetting(f"{path}: longer than {FILE_BYTES_MAX >> 10} KiB")
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise WrongSetting(f"{path}: not TOML: {remote_text(str(error))}") from None
