"""A wheel is installed by tools that set times of their own, and is accepted as it is."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import mboxio
from mboxio import _build
from tests.tools import tool

pytestmark = pytest.mark.once

PACKAGE = Path(mboxio.__file__).parent
ABOUT = "mboxio-0.dist-info"
USE = "import mboxio; print(mboxio.open('loopback:').request(b'x'), mboxio._build.name())"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # what SOURCE_DATE_EPOCH may put into an archive


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the package under test, its modules stripped, as pip installs it from a wheel."""
    files = {path.relative_to(PACKAGE.parent): path.read_bytes() for path in _contents()}
    for name in [each for each in files if each.suffix == ".so"]:
        (tmp_path / "stripped.so").write_bytes(files[name])
        subprocess.run([tool("strip"), "-g", tmp_path / "stripped.so"], check=True)
        files[name] = (tmp_path / "stripped.so").read_bytes()
    files[Path(ABOUT, "METADATA")] = b"Metadata-Version: 2.1\nName: mboxio\nVersion: 0\n"
    files[Path(ABOUT, "WHEEL")] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n"
    files[Path(ABOUT, "RECORD")] = "".join(map(_record, files, files.values())).encode()
    wheel = tmp_path / "mboxio-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(str(name), LONG_AGO), content)
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run(
        [*pip, "--no-index", "--no-deps", f"--target={site}", "--no-compile", wheel], check=True
    )
    return site


def _contents() -> list[Path]:
    found = (path for path in PACKAGE.rglob("*") if path.is_file())
    return [path for path in found if "__pycache__" not in path.parts]


def _record(name: Path, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def use(site: Path) -> str:
    """Return what a program prints that has this mboxio and nothing else; else why it fails."""
    environment = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", USE]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)
    return done.stdout or done.stderr.splitlines()[-1]


def test_a_wheel_is_accepted_whatever_the_times_of_its_files(installed: Path) -> None:
    expected = f"b'x' {_build.name()}\n"
    assert use(installed) == expected
    # An installer may keep the archive's times, or set others, file by file.
    for number, path in enumerate(sorted(installed.rglob("*"))):
        os.utime(path, (number * 86400, number * 86400))
    assert use(installed) == expected


@pytest.mark.skipif(_build.name() == "pure", reason="without a stamp nothing is compared")
def test_an_edited_wheel_is_refused(installed: Path) -> None:
    source = installed / "mboxio" / "_queue" / "window.py"
    text = source.read_text()
    source.write_text(text.replace("self", "myself", 1))
    assert (
        f"stale build of mboxio in {installed / 'mboxio'}: _queue/window.py changed since"
        in use(installed)
    )
