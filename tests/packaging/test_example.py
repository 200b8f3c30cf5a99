"""The driver package in examples/linux_driver is installed as anybody's, and passes its tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mboxio
from mboxio.devicetree import DeviceTree, describe
from tests.tools import tool

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "examples" / "linux_driver"
SOURCE = Path(mboxio.__file__).resolve().parent.parent
PASSED_MIN = 65


def run(folder: Path, site: Path, *command: str) -> str:
    """Run a module of Python that finds the installed packages and nothing of the checkout."""
    places = [site, SOURCE] if SOURCE == ROOT / "src" else [site]  # the pure build lies there
    environment = {**os.environ, "PYTHONPATH": ":".join(map(str, places))}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_installed_and_conforms(tmp_path: Path) -> None:
    package, site, tests = tmp_path / "package", tmp_path / "site", tmp_path / "tests"
    shutil.copytree(EXAMPLE, package, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip = ("pip", "--quiet", "--disable-pip-version-check", "install", "--no-index", "--no-deps")
    run(tmp_path, site, *pip, "--no-build-isolation", f"--target={site}", str(package))
    # Without its sources, what is tested is what was installed.
    (package / "tests").rename(tests)
    (package / "board.dtb").rename(tmp_path / "board.dtb")
    shutil.rmtree(package)
    told = run(tests, site, "pytest", "-q", "-rs", "-W", "error", "-p", "no:cacheprovider")
    assert "install the package" not in told
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None
    assert int(passed[1]) >= PASSED_MIN
    pytest.importorskip("click")
    address = "acme_fifo_sim:/2?node=mailbox&dtb=board.dtb"
    shown = run(tmp_path, site, "mboxio", "request", address, "--word", "0x7", "--out", "word")
    assert shown == "0x01000007\n"


def test_it_needs_nothing_that_is_private() -> None:
    sources = [*EXAMPLE.rglob("*.py")]
    assert len(sources) > 5
    for path in sources:
        assert not re.search(r"\bmboxio(\.\w+)*\._", path.read_text()), path


def test_its_tree_is_that_of_its_source() -> None:
    made = subprocess.run(
        [tool("dtc"), "-q", "-@", "-I", "dts", "-O", "dtb", str(EXAMPLE / "board.dts")],
        check=True,
        stdout=subprocess.PIPE,
    )
    expected, found = DeviceTree(made.stdout), DeviceTree.open(EXAMPLE / "board.dtb")
    assert describe(found, "")["providers"] == describe(expected, "")["providers"]
    assert describe(found, "")["consumers"] == describe(expected, "")["consumers"]
