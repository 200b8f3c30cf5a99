"""Makes a driver package: the example of this folder, under another name."""

import keyword
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from mboxio._os.whose import why
from mboxio.address import catalogue
from mboxio.cli.skeleton.texts import PYPROJECT, README
from mboxio.regions.access import SCHEMES

__all__ = ["WrongName", "check_name", "write_package"]

ITS_NAME = "acme_k7"
EXAMPLE = f"mboxio.cli.skeleton.{ITS_NAME}"
FILES = ("__init__.py", "driver.py", "model.py", "test_driver.py")
NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
NAME_MAX = 40


class WrongName(ValueError):
    """A package cannot have this name, or not here; the text is for people."""


def check_name(name: str) -> str:
    """Return the name of the Python package, which is also that of the controller.

    Raises:
        WrongName: it cannot be one, or something else has it.
    """
    if len(name) > NAME_MAX or not NAME.fullmatch(name):
        raise WrongName(
            f"{name[:60]!r} is not a name for a package: write small letters, digits and single"
            f" '-' or '_', up to {NAME_MAX}, such as acme-k7"
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise WrongName(f"{package!r} is a keyword of Python")
    if package in sys.stdlib_module_names or package in ("mboxio", "pytest", "tests"):
        raise WrongName(f"{package!r} is the name of another module")
    known = catalogue.found()
    if package in known or package in ("dt", *SCHEMES):
        raise WrongName(f"{package!r} is a name in addresses already")
    kind = _class_of(package)
    if package != ITS_NAME and any(re.search(rf"\b{kind}\b", text) for text in _example().values()):
        raise WrongName(f"{name!r}: the example has a class {kind} already")
    return package


def write_package(name: str, parent: Path) -> list[Path]:
    """Write a new folder with everything that a driver package needs.

    Args:
        name: of the folder and of the distribution; see `check_name`.
        parent: where the folder is made.

    Returns:
        The files.

    Raises:
        WrongName: no package can have this name, or there is something of this name, or nothing
            can be written there. Nothing is left behind.
    """
    package = check_name(name)
    folder = parent / name
    try:
        folder.mkdir()
    except FileExistsError:
        raise WrongName(f"{folder} exists: nothing is written over it") from None
    except OSError as error:
        raise WrongName(f"{folder}: {why(error, str(folder))}") from None
    written: list[Path] = []
    try:
        for place, text in _texts(name, package):
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            written.append(path)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise WrongName(f"{folder}: {why(error, str(folder))}") from None
        raise
    return written


def _texts(name: str, package: str) -> Iterator[tuple[str, str]]:
    """Yield each file of the package: its place in the folder and what stands in it."""
    yield "pyproject.toml", _renamed(PYPROJECT, name, package)
    yield "README.md", _renamed(README, name, package)
    for file, text in _example().items():
        where = "tests" if file.startswith("test_") else f"src/{package}"
        yield f"{where}/{file}", _renamed(text, name, package)
    yield f"src/{package}/py.typed", ""


def _example() -> dict[str, str]:
    """Return the modules of the example, by the names of their files."""
    folder = files(EXAMPLE)
    return {file: (folder / file).read_text() for file in FILES}


def _class_of(package: str) -> str:
    return "".join(part.capitalize() for part in package.split("_"))


def _renamed(text: str, name: str, package: str) -> str:
    text = text.replace(EXAMPLE, package).replace(ITS_NAME, package)
    return text.replace("acme-k7", name).replace("AcmeK7", _class_of(package))
