"""Where Wireshark looks for plug-ins, as it says itself."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROGRAMS", "Folders", "folders"]

PROGRAMS = ("tshark", "wireshark")
"""Either says where both look."""
PATIENCE_S = 60
LINE = re.compile(r"([^:]+):\s+(\S.*)")
LUA = "Personal Lua Plugins"
EXTCAP = ("Personal Extcap path", "Extcap path", "Global Extcap path")
"""The first that there is. Before Wireshark 4.2 there is no personal one."""


@dataclass(frozen=True)
class Folders:
    """Folders of one user's Wireshark; they need not exist yet.

    Args:
        program: that named them.
        lua: for Lua scripts; None: this Wireshark runs none.
        extcap: for programs that capture; None: it starts none.
    """

    program: str
    lua: Path | None
    extcap: Path | None


def folders() -> Folders | None:
    """Ask the first of `PROGRAMS` that answers; None: there is none.

    Raises:
        OSError: one is there, and gives no answer; the text says why.
    """
    found = [path for path in map(shutil.which, PROGRAMS) if path is not None]
    failure: OSError | None = None
    for program in found:
        try:
            return _asked(program)
        except OSError as error:
            failure = error
    if failure is not None:
        raise failure
    return None


def _asked(program: str) -> Folders:
    command = [program, "-G", "folders"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise OSError(None, f"no answer within {PATIENCE_S} s", " ".join(command)) from None
    lines = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    named = {match[1].strip(): match[2] for match in map(LINE.fullmatch, lines) if match}
    if not named:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no folders"]
        raise OSError(None, said[-1], " ".join(command))
    extcap = next((named[name] for name in EXTCAP if name in named), None)
    lua = named.get(LUA)
    return Folders(program, Path(lua) if lua else None, Path(extcap) if extcap else None)
