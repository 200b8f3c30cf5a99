"""Which build runs, compiled or pure, and whether it is whole.

A build that failed half-way, or that is older than its sources, would run a mixture of compiled and
interpreted modules. setup.py therefore leaves a stamp, ``_stamp.py``, with a checksum of what each
module was compiled from, and ``check`` compares it with what lies in the package.
"""

import os
import sys
import zlib
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

__all__ = ["check", "checksums", "describe", "modules", "name", "summary"]

_ROOT = os.path.dirname(__file__)


def check() -> None:
    """Raise ImportError unless exactly the stamp's modules are compiled, from these sources.

    Called before the first compiled module is imported, because a mixture may fail in obscure ways,
    and after the last, when it is known where each came from.
    """
    stamp = _stamp()
    wanted: dict[str, int] = stamp.MODULES if stamp else {}
    files = _files(_ROOT)
    built = {_module(file) for file in files if _is_extension(file)}
    actual = _checksums(_ROOT, files) if stamp else {}
    faults = {
        "not compiled": wanted.keys() - built,
        "compiled by another build": built - wanted.keys(),
        "changed since": {each for each in wanted if actual.get(each) != wanted[each]},
        "loaded from its source": {each for each in wanted if _interpreted(each)},
    }
    if any(faults.values()):
        told = "; ".join(f"{', '.join(sorted(who))} {what}" for what, who in faults.items() if who)
        raise ImportError(
            f"stale build of mboxio in {_ROOT}: {told}: run `pip install .` again, or `make build`"
        )


def name() -> str:
    """Return ``"compiled"`` or ``"pure"``."""
    return "compiled" if _stamp() else "pure"


def describe() -> str:
    """Return the build in one line, for people."""
    stamp = _stamp()
    if stamp is None:
        return "pure Python"
    short = (each.removeprefix("mboxio.") for each in stamp.MODULES)
    return f"compiled by Cython {stamp.CYTHON}: {', '.join(short)}"


def summary() -> str:
    """Return the build in some words, for reports."""
    stamp = _stamp()
    if stamp is None:
        return "pure Python"
    return f"compiled by Cython {stamp.CYTHON} ({len(stamp.MODULES)} modules)"


def modules(root: str) -> dict[str, str]:
    """Find what is to be compiled in a package folder: each module's source file by its name."""
    return _modules(_files(root))


def checksums(root: str) -> dict[str, int]:
    """Return a checksum for each module that is to be compiled in a package folder.

    It covers every .pxd and header, because modules see each other's declarations.
    """
    return _checksums(root, _files(root))


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
        if file.endswith((".pxd", ".h")):
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


def _interpreted(module: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and not _is_extension(os.path.basename(str(loaded.__file__)))


def _stamp() -> ModuleType | None:
    try:
        return import_module("mboxio._stamp")
    except ModuleNotFoundError:
        return None
