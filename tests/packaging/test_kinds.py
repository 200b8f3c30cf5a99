"""Builds that are not the optimized one say so, and nothing mistakes them for it."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from mboxio import _build
from tests.tools import tool

ROOT = Path(__file__).parent.parent.parent
FOLDERS = """
import setuptools
from distutils.core import run_setup

build = run_setup("setup.py", [], stop_after="config").get_command_obj("build")
build.ensure_finalized()
print(build.build_lib, build.build_temp)
"""
CONTENTS = """
import setuptools
from distutils.core import run_setup

made = run_setup("setup.py", [], stop_after="config")
copied = made.get_command_obj("build_py")
copied.ensure_finalized()
print(*copied.packages, *(each.name for each in made.ext_modules))
"""
DEMO = """
import runpy, sys

sys.modules.update(dict.fromkeys(sys.argv[1:]))  # to import them raises ImportError
sys.argv[1:] = ["demo"]
import mboxio.cli.demo.firmware
runpy.run_module("mboxio", run_name="__main__")
"""


@pytest.mark.parametrize(("flag", "best"), [("-O2", True), ("-O0", False)])
def test_a_build_knows_its_optimization(
    flag: str, best: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = SimpleNamespace(MODULES={"mboxio.a": 1}, CYTHON="3", OPTIMIZE=flag)
    monkeypatch.setattr(_build, "_stamp", lambda: stamp)
    assert _build.optimized() == best
    assert _build.describe() == f"compiled by Cython 3 with {flag}: a"
    assert ("not for measuring" in _build.summary()) != best
    assert _build.short() == ("compiled" if best else "compiled -O0")


@pytest.mark.once
def test_builds_of_different_optimization_share_no_folder() -> None:
    found: set[str] = set()
    for optimize in ({}, {"MBOXIO_OPTIMIZE": "-O1"}, {"MBOXIO_OPTIMIZE": "-O0"}):
        environment = {**os.environ, **optimize}
        command = [sys.executable, "-c", FOLDERS]
        told = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
        )
        found |= set(told.stdout.decode().split())
    assert len(found) == 6


def planned_demo(venv: Path) -> str:
    """Return what `make demo` would do with the build in an environment."""
    make = [tool("make"), "--dry-run", "--no-print-directory", "demo"]
    # Of the `make` that may have started this test, nothing is handed down.
    environment = {key: text for key, text in os.environ.items() if not key.startswith("MAKE")}
    command = [*make, f"VENV={venv}"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@pytest.mark.once
def test_the_demo_installs_what_it_needs(tmp_path: Path) -> None:
    """In a fresh clone; where there is a build, that one is used."""
    planned = planned_demo(tmp_path)
    assert "MBOXIO_OPTIMIZE=-O0" in planned
    assert "GROUP=dev" not in planned
    (tmp_path / ".built").touch()
    planned = planned_demo(tmp_path)
    assert f"{tmp_path}/bin/mboxio demo" in planned
    assert "-O0" not in planned


@pytest.mark.once
def test_the_demo_leaves_out_what_it_never_imports(tmp_path: Path) -> None:
    left_out = re.search('MBOXIO_WITHOUT="(.+?)"', planned_demo(tmp_path))
    assert left_out

    def contents(without: str) -> set[str]:
        return set(
            subprocess.run(
                [sys.executable, "-c", CONTENTS],
                cwd=ROOT,
                env={**os.environ, "MBOXIO_WITHOUT": without},
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout.split()
        )

    gone = contents("") - contents(left_out[1])
    assert gone >= {*left_out[1].split(), "mboxio.virtio.ring"}
    assert all(any(each.startswith(name) for name in left_out[1].split()) for each in gone)
    subprocess.run([sys.executable, "-c", DEMO, *gone], check=True, stdout=subprocess.DEVNULL)


def test_a_python_without_its_lock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_build, "_stamp", lambda: None)
    monkeypatch.setattr(_build, "_files", lambda _: [])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
        _build.check()
        assert not told
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False)
        _build.check()
    assert "PYTHON_GIL=1" in str(told[0].message)
