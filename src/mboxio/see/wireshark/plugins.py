"""Our files for Wireshark: their texts, written and removed where nobody else's are lost."""

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mboxio.errors import MailboxError

__all__ = ["DISSECTOR", "PAYLOADS", "NotOurs", "dissectors", "extcap_script", "install", "remove"]

FOLDER = Path(__file__).parent
DISSECTOR = FOLDER / "mboxio.lua"
"""For ``-X lua_script:``; it loads the other one from beside it."""
PAYLOADS = FOLDER / "mboxio_payloads.lua"
EXTCAP = "mboxio-extcap"
LUA_MARK, SCRIPT_MARK = b"-- mboxio: dissector for Wireshark\n", b"# mboxio: extcap for Wireshark\n"
MARK_BYTES = 200
"""Of a file: among them it says that it is ours."""


class NotOurs(MailboxError):
    """A file of this name is somebody else's, and was left alone."""


def dissectors() -> dict[str, bytes]:
    """Return the Lua files by their names."""
    return {path.name: path.read_bytes() for path in (DISSECTOR, PAYLOADS)}


def extcap_script() -> dict[str, bytes]:
    """Return the program that Wireshark starts, by its name; it runs this Python.

    A Wireshark that was not started in a terminal does not have the PATH of one.
    """
    command = f"exec {shlex.quote(sys.executable)} -P -m mboxio.see.wireshark.extcap"
    text = b'#!/bin/sh\n%s%s "$@"\n' % (SCRIPT_MARK, os.fsencode(command))
    return {EXTCAP: text}


def install(
    files: Mapping[str, bytes], folder: Path, *, mode: int = 0o644, force: bool = False
) -> list[Path]:
    """Write files into a folder, which is made; all or none, up to failures of the disk.

    Args:
        files: contents by names.
        folder: where.
        mode: of the files.
        force: also over files that are not ours.

    Returns:
        What was written.

    Raises:
        NotOurs: a file of this name is not ours; nothing was written.
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if not force or (folder / name).is_dir():
            _check(folder / name)
    return [_write(folder / name, text, mode) for name, text in files.items()]


def remove(files: Mapping[str, bytes], folder: Path, *, force: bool = False) -> list[Path]:
    """Remove what `install` wrote, also that of another version; returns what was there.

    Raises:
        NotOurs: a file of this name is not ours; nothing was removed.
        OSError: they cannot be removed.
    """
    found = [folder / name for name in files if os.path.lexists(folder / name)]
    for path in found:
        if not force or path.is_dir():
            _check(path)
    for path in found:
        path.unlink()
    return found


def _check(path: Path) -> None:
    """Refuse what somebody else put there."""
    try:
        if path.is_dir():
            raise NotOurs(f"{path} is a folder: move it away")
        with path.open("rb") as file:
            head = file.read(MARK_BYTES)
    except FileNotFoundError:
        if path.is_symlink():
            raise NotOurs(f"{path} is a link to nowhere: remove it, or use --force") from None
        return
    if LUA_MARK not in head and SCRIPT_MARK not in head:
        raise NotOurs(f"{path} is not a file of mboxio: move it away, or use --force")


def _write(path: Path, text: bytes, mode: int) -> Path:
    """Put a file there at once, in place of one that Wireshark may be reading."""
    descriptor, name = tempfile.mkstemp(prefix=".mboxio-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path
