"""``mboxio new-driver``: the package is whole, and names that cannot be are refused."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mboxio
from tests.cli.conftest import Invoke, one_line

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent
SOURCE = Path(mboxio.__file__).parent.parent


@pytest.fixture
def package(invoke: Invoke, tmp_path: Path) -> Path:
    """Write one."""
    result = invoke("new-driver", "vex-9", "--into", str(tmp_path), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    folder = tmp_path / "vex-9"
    files = sorted(str(each) for each in folder.rglob("*") if each.is_file())
    assert sorted(json.loads(result.stdout)["files"]) == files
    return folder


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a module of Python in the folder of the package, as its author would."""
    env = dict(os.environ)
    if SOURCE == ROOT / "src":  # not installed, and the path may be relative
        env["PYTHONPATH"] = str(SOURCE)
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_its_suite_passes(package: Path) -> None:
    result = run(package, "pytest", "-q", "-p", "no:cacheprovider")
    assert result.returncode == 0, result.stdout
    passed, skipped = re.findall(r"(\d+) (?:passed|skipped)", result.stdout)
    assert int(passed) > 25
    assert int(skipped) < 8


def test_its_types_are_strict(package: Path) -> None:
    """Without a cache the checker reads all of mboxio."""
    pytest.importorskip("mypy")
    result = run(package, "mypy", "--cache-dir", str(ROOT / ".mypy_cache" / "new-driver"))
    assert result.stdout.startswith("Success: no issues found in 4 source files"), result.stdout


def test_nothing_of_the_example_is_left(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text())
    entries = project["project"]["entry-points"]
    assert entries["mboxio.controllers"] == {"vex_9": "vex_9:Vex9"}
    for path in package.rglob("*"):
        assert "acme" not in path.name.lower()
        assert path.is_dir() or "acme" not in path.read_text().lower()
        assert path.is_dir() or "skeleton" not in path.read_text()


def test_the_name_that_the_documents_show(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("new-driver", "acme-k7", "--into", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    written = (tmp_path / "acme-k7" / "src" / "acme_k7" / "__init__.py").read_text()
    assert "from acme_k7.driver import AcmeK7" in written


def test_what_is_next_is_told(invoke: Invoke, tmp_path: Path) -> None:
    *files, last = invoke("new-driver", "vex", "--into", str(tmp_path)).stdout.splitlines()
    assert f"{tmp_path}/vex/src/vex/driver.py" in files
    assert last == f'next: cd {tmp_path}/vex; pip install -e ".[test]"; pytest'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Vex", "'Vex' is not a name for a package: write small letters"),
        ("9vex", "is not a name for a package"),
        ("vex--9", "is not a name for a package"),
        ("../vex", "is not a name for a package"),
        ("vex\x1b[2J", "is not a name for a package"),
        ("v" * 41, "is not a name for a package"),
        ("", "'' is not a name for a package"),
        ("lambda", "'lambda' is a keyword of Python"),
        ("json", "'json' is the name of another module"),
        ("mboxio", "'mboxio' is the name of another module"),
        ("shm", "'shm' is a name in addresses already"),
        ("uio", "'uio' is a name in addresses already"),
        ("acme-k7-options", "the example has a class AcmeK7Options already"),
        ("chip", "'chip': the example has a class Chip already"),
    ],
)
def test_names_that_are_refused(invoke: Invoke, tmp_path: Path, name: str, told: str) -> None:
    result = invoke("new-driver", name, "--into", str(tmp_path))
    assert told in one_line(result.stderr_bytes)
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "vex").symlink_to("/nowhere")
    (tmp_path / "vax").mkdir()
    for name in ("vex", "vax"):
        result = invoke("new-driver", name, "--into", str(tmp_path))
        assert f"{name} exists: nothing is written over it" in one_line(result.stderr_bytes)
        assert result.exit_code == 2
    assert list((tmp_path / "vax").iterdir()) == []


def test_a_failure_leaves_nothing_behind(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> int:
        if path.name == "model.py":
            raise OSError(28, "No space left on device")
        return path.write_bytes(text.encode())

    monkeypatch.setattr(Path, "write_text", full)
    result = invoke("new-driver", "vex", "--into", str(tmp_path))
    assert "No space left on device" in one_line(result.stderr_bytes)
    assert list(tmp_path.iterdir()) == []
