"""Programs that some tests need and not every machine has, C compiled with them, and forks."""

import os
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any, NoReturn

import pytest

import mboxio.ring
from mboxio import _build

HEADER_FOLDER = Path(mboxio.ring.__file__).parent
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wcast-align", "-Werror")


def tool(name: str) -> str:
    """Return the path of a program; without it the test is skipped.

    With MBOXIO_EXPECT_TOOLS=1, as `.ci/run` sets it, a program that is missing is a failure.
    """
    path = shutil.which(name)
    if path is None:
        lacks(name)
    return path


def lacks(name: str) -> NoReturn:
    """Skip or fail the test, see `tool`."""
    if os.environ.get("MBOXIO_EXPECT_TOOLS") == "1":
        pytest.fail(f"{name} is missing: .ci/run names its package")
    pytest.skip(f"{name} is missing")


def emulator() -> list[str]:
    """Return what runs a program of this machine; nothing where the machine itself does."""
    return shlex.split(os.environ.get("MBOXIO_EMULATOR", ""))


def fork() -> int:
    """Fork, also where there are threads: of that Python warns, and that is what is tested here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        return os.fork()


def examples(most: int) -> int:
    """Return how many examples Hypothesis tries: all with a release's build, a quarter with others.

    The code is the same, and what another compiler or Python breaks is no matter of a rare example.
    """
    return most if _build.optimized() else most // 4


def seeds(most: int) -> list[Any]:
    """Return the numbers of random cases: a quarter is for each build, the others run once."""
    return [pytest.param(it, marks=pytest.mark.once) if it % 4 else it for it in range(most)]


def without_preloads() -> dict[str, str]:
    """Return the environment without what the tests themselves may run under, as a sanitizer."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def compile_c(
    source: Path, output: Path, *options: str, compiler: tuple[str, ...] = ("gcc",)
) -> Path:
    """Compile a C file against the header; warnings are errors."""
    program, *machine = compiler
    common = (*STRICT, "-O2", *options, f"-I{HEADER_FOLDER}", source, "-o", output)
    subprocess.run([tool(program), *machine, *common], check=True, env=without_preloads())  # type: ignore[list-item]
    return output
