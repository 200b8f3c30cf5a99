"""Which build runs, compiled or pure, and whether it is whole.

A build that failed half-way, or that is older than its sources, would run a mixture of compiled and
interpreted modules. setup.py therefore leaves a stamp, ``_stamp.py``, which says which modules are
compiled and from what, and ``check`` compares it with what lies in the package. The image of a
board may have byte code only: a source that is not there cannot be newer than what was made of it.
"""

import os
import sys
import warnings
import zlib
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import pairwise
from types import ModuleType

__all__ = [
    "check",
    "checksums",
    "describe",
    "hide_frames",
    "modules",
    "name",
    "optimized",
    "short",
    "sources",
    "summary",
]

_ROOT = os.path.dirname(__file__)
_SHARED = (".pxd", ".h")
"""All modules are compiled with these."""
_NAMED_MAX = 3
_INSTALLATION_S = 60.0
"""Installing or copying a package gives all files their times within this many seconds."""


def check() -> None:
    """Raise ImportError unless exactly the stamp's modules are compiled, from these sources.

    Called before the first compiled module is imported, because a mixture may fail in obscure ways.
    """
    stamp = _stamp()
    if stamp is None:
        _warn_without_gil()
    wanted: set[str] = set(stamp.MODULES) if stamp else set()
    files = _files(_ROOT)
    built = {_module(file) for file in files if _is_extension(file)}
    faults: dict[str, set[str]] = {
        "not compiled": wanted - built,
        "compiled by another build": built - wanted,
        "changed since": _changed(stamp, files) if stamp else set[str](),
    }
    if any(faults.values()):
        told = "; ".join(f"{_some(who)} {what}" for what, who in faults.items() if who)
        remedy = "run `pip install .` again, or `make build`"
        text = f"stale build of mboxio in {_ROOT}: {told}: {remedy}"
        if _is_command():
            # Its own module would catch this, and cannot be imported either.
            sys.exit(f"mboxio: {text}")
        raise ImportError(text)


def hide_frames() -> None:
    """Keep pytest from showing the frames of the compiled modules that are loaded.

    It has no lines of theirs and would show ``???`` for each, between a test and what it is told.
    """
    stamp = _stamp() if "_pytest" in sys.modules else None
    for each in stamp.MODULES if stamp else ():
        if each in sys.modules:
            vars(sys.modules[each])["__tracebackhide__"] = True


def name() -> str:
    """Return ``"compiled"`` or ``"pure"``."""
    return "compiled" if _stamp() else "pure"


def optimized() -> bool:
    """Return whether this build is compiled as a release is; the demo and some tests run others."""
    stamp = _stamp()
    return stamp is not None and stamp.OPTIMIZE == "-O2"


def short() -> str:
    """Return the build's name, with the option of the compiler if it is not that of a release."""
    stamp = _stamp()
    return name() if stamp is None or optimized() else f"compiled {stamp.OPTIMIZE}"


def describe() -> str:
    """Return the build in one line, for people."""
    stamp = _stamp()
    if stamp is None:
        return "pure Python" if os.path.isdir(_ROOT) else "pure Python, from an archive"
    short = (each.removeprefix("mboxio.") for each in stamp.MODULES)
    return f"compiled by Cython {stamp.CYTHON} with {stamp.OPTIMIZE}: {', '.join(short)}"


def summary() -> str:
    """Return the build in some words, for reports."""
    stamp = _stamp()
    if stamp is None:
        return "pure Python"
    slower = "" if optimized() else f", {stamp.OPTIMIZE}: not for measuring"
    return f"compiled by Cython {stamp.CYTHON} ({len(stamp.MODULES)} modules{slower})"


def modules(root: str) -> dict[str, str]:
    """Find what is to be compiled in a package folder: each module's source file by its name."""
    return _modules(_files(root))


def checksums(root: str) -> dict[str, int]:
    """Return a checksum for each module that is to be compiled in a package folder.

    It covers every .pxd and header, because modules see each other's declarations.
    """
    return _checksums(root, _files(root))


def sources(root: str) -> dict[str, tuple[int, int]]:
    """Return size in bytes and checksum of each file from which a package folder is compiled."""
    files = _files(root)
    used = {*_modules(files).values(), *(each for each in files if each.endswith(_SHARED))}
    return {
        each: (os.path.getsize(os.path.join(root, each)), _checksum(root, each, 0))
        for each in sorted(used)
    }


def _some(who: set[str]) -> str:
    """Return names for a message that stays one line, whatever changed."""
    first = sorted(who)[:_NAMED_MAX]
    more = f" and {len(who) - len(first)} more" if len(who) > len(first) else ""
    return ", ".join(first) + more


def _is_command() -> bool:
    """Return whether this process is the command ``mboxio`` or ``python -m mboxio``."""
    name = sys.argv[0] if getattr(sys, "argv", None) else ""  # none where Python is embedded
    return os.path.basename(name) == "mboxio" or ("-m", "mboxio") in pairwise(sys.orig_argv)


def _warn_without_gil() -> None:
    """Say that nobody tried this; compiled modules make Python take its lock again."""
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    if is_gil_enabled is not None and not is_gil_enabled():
        warnings.warn(
            "mboxio has not been tested without the GIL: start Python with PYTHON_GIL=1",
            RuntimeWarning,
            stacklevel=4,  # the line that imports mboxio
        )


def _changed(stamp: ModuleType, files: list[str]) -> set[str]:
    """Name the sources that are others than those of the stamp."""
    changed: set[str] = set()
    stamped_s = os.path.getmtime(str(stamp.__file__))
    for file in stamp.SOURCES.keys() & set(files):
        size_bytes, checksum = stamp.SOURCES[file]
        found = os.stat(os.path.join(_ROOT, file))
        # To read them all at each import takes long on a slow card.
        suspicious = abs(found.st_mtime - stamped_s) > _INSTALLATION_S
        if found.st_size != size_bytes or (suspicious and _checksum(_ROOT, file, 0) != checksum):
            changed.add(file)
    return changed


def _files(root: str) -> list[str]:
    found: list[str] = []
    for folder, inner, names in os.walk(root):
        if "__pycache__" in inner:
            inner.remove("__pycache__")
        prefix = folder[len(root) + 1 :]
        found += [os.path.join(prefix, each) for each in names]
    return sorted(found)


def _modules(files: list[str]) -> dict[str, str]:
    present = set(files)
    sources = [file for file in files if file.endswith(".pyx")]
    for file in files:
        stem, extension = os.path.splitext(file)
        # With a .pyx of the same name, the .py is its pure twin.
        if extension == ".py" and stem + ".pxd" in present and stem + ".pyx" not in present:
            sources.append(file)
    return {_module(file): file for file in sorted(sources)}


def _checksums(root: str, files: list[str]) -> dict[str, int]:
    shared = 0
    for file in files:
        if file.endswith(_SHARED):
            shared = _checksum(root, file, shared)
    return {each: _checksum(root, file, shared) for each, file in _modules(files).items()}


def _checksum(root: str, file: str, start: int) -> int:
    with open(os.path.join(root, file), "rb") as stream:
        return zlib.crc32(stream.read(), start)


def _module(file: str) -> str:
    return "mboxio." + file.partition(".")[0].replace(os.sep, ".")


def _is_extension(file: str) -> bool:
    _, dot, suffix = file.partition(".")
    return dot + suffix in EXTENSION_SUFFIXES


def _stamp() -> ModuleType | None:
    # From an archive no compiled module can be loaded; the package then runs without them.
    if not os.path.isdir(_ROOT):
        return None
    try:
        return import_module("mboxio._stamp")
    except ModuleNotFoundError:
        return None
