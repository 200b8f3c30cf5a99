"""What `import mboxio` says to builds that are stale or mixed, and to images without sources."""

import compileall
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import SimpleNamespace

import pytest

import mboxio
from mboxio import _build, errors
from mboxio._base import gate
from mboxio.address import catalogue

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(mboxio.__file__).parent
SUFFIX = EXTENSION_SUFFIXES[0]
USE = "import mboxio; print(mboxio.open('loopback:').request(b'x'), mboxio._build.name())"
YEAR_S = 365 * 86400


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """Return a package of two compiled modules that are never loaded, with its stamp."""
    package = tmp_path / "mboxio"
    package.mkdir()
    shutil.copy(PACKAGE / "_build.py", package)
    (package / "__init__.py").write_text("from mboxio import _build\n_build.check()\n")
    for name in ("a", "b"):
        (package / f"{name}.py").write_text(f"{name} = 1\n")
        (package / f"{name}.pxd").touch()
        (package / f"{name}{SUFFIX}").touch()
    stamp = {"CYTHON": "3", "MODULES": _build.checksums(str(package))}
    stamp["SOURCES"] = _build.sources(str(package))
    (package / "_stamp.py").write_text("".join(f"{key} = {stamp[key]!r}\n" for key in stamp))
    return package


def python(program: str, package: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program on another copy of the package and nothing else."""
    environment = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-S", *options, "-c", program],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
    )


def refusal(package: Path) -> str:
    """Return why a package cannot be imported; "" if it can."""
    result = python("import mboxio", package)
    return result.stderr.splitlines()[-1] if result.returncode else ""


def test_a_whole_build_is_imported(fake: Path) -> None:
    assert refusal(fake) == ""


def test_a_module_that_is_not_compiled_is_named(fake: Path) -> None:
    (fake / f"b{SUFFIX}").unlink()
    assert f"stale build of mboxio in {fake}: mboxio.b not compiled: run" in refusal(fake)


def test_a_module_of_another_build_is_named(fake: Path) -> None:
    (fake / f"c{SUFFIX}").touch()
    assert "mboxio.c compiled by another build" in refusal(fake)
    (fake / "_stamp.py").unlink()
    assert "mboxio.a, mboxio.b, mboxio.c compiled by another build" in refusal(fake)


@pytest.mark.parametrize("command", [["-m", "mboxio"], ["mboxio"]])
def test_the_command_says_it_in_one_line(fake: Path, tmp_path: Path, command: list[str]) -> None:
    for number in range(5):
        (fake / f"c{number}{SUFFIX}").touch()
    (fake / "__main__.py").touch()
    script = tmp_path / "bin" / "mboxio"
    script.parent.mkdir()
    script.write_text("import mboxio\n")
    result = subprocess.run(
        [sys.executable, "-S", *command, "doctor"],
        cwd=script.parent,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    told = "mboxio.c0, mboxio.c1, mboxio.c2 and 2 more compiled by another build"
    remedy = "run `pip install .` again, or `make build`"
    assert result.stderr == f"mboxio: stale build of mboxio in {fake}: {told}: {remedy}\n"
    assert result.returncode == 1


@pytest.mark.parametrize("file", ["a.py", "b.pxd"])
def test_a_source_of_another_length_is_stale(fake: Path, file: str) -> None:
    with (fake / file).open("a") as source:
        source.write("# changed\n")
    assert f"stale build of mboxio in {fake}: {file} changed since" in refusal(fake)


@pytest.mark.parametrize("later_s", [YEAR_S, -YEAR_S])
def test_a_source_of_the_same_length_is_stale(fake: Path, later_s: int) -> None:
    source = fake / "a.py"
    written_s = source.stat().st_mtime + later_s
    os.utime(source, (written_s, written_s))
    assert refusal(fake) == ""  # another time, the same contents
    source.write_text("a = 2\n")
    os.utime(source, (written_s, written_s))
    assert "a.py changed since" in refusal(fake)


def test_an_import_reads_no_source(fake: Path) -> None:
    program = (
        "import sys, mboxio, mboxio._build\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(args[0]))\n"
        "mboxio._build.check()\n"
        "print([each for each in opened if str(each).endswith(('.py', '.pxd'))])\n"
    )
    assert python(program, fake).stdout == "[]\n"


@pytest.mark.parametrize("kept", [("a.py", "b.py"), ("a.pxd", "b.pxd"), ()])
def test_without_sources_only_the_modules_count(fake: Path, kept: tuple[str, ...]) -> None:
    for file in ("a.py", "a.pxd", "b.py", "b.pxd"):
        if file not in kept:
            (fake / file).unlink()
    assert refusal(fake) == ""
    (fake / f"b{SUFFIX}").unlink()
    assert "mboxio.b not compiled" in refusal(fake)


# -- what setup.py makes of a checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what a build needs."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    for file in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a checkout, without what the tests themselves may run with."""
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True
    )


def test_an_editable_package_is_pure(checkout: Path) -> None:
    hook = "import setuptools.build_meta as hooks; hooks.build_editable('.')"  # what pip calls
    result = build(checkout, "-c", hook)
    assert result.returncode == 0, result.stderr
    (wheel,) = checkout.glob("*.whl")
    assert wheel.name.endswith("py3-none-any.whl")
    with zipfile.ZipFile(wheel) as file:
        (name,) = [each for each in file.namelist() if each.endswith(".pth")]
        path = file.read(name).decode().strip()
    assert Path(path) == checkout / "src"
    assert not [*(checkout / "src").rglob("*.so"), *(checkout / "src").rglob("_stamp.py")]
    result = build(checkout, "-c", f"import sys; sys.path.insert(0, {path!r}); {USE}")
    assert (result.stdout, result.stderr) == ("b'x' pure\n", "")


def test_compiled_modules_never_lie_in_the_sources(checkout: Path) -> None:
    result = build(checkout, "setup.py", "-q", "build_ext", "--inplace")
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1] == (
        "error: compiled modules would lie in src: use `pip install .`"
    )


# -- the build under test


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a copy of the package without byte code."""
    package = tmp_path / "image" / "mboxio"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package


def strip(package: Path, *suffixes: str) -> None:
    """Remove all files of a kind."""
    for path in [*package.rglob("*")]:
        if path.suffix in suffixes:
            path.unlink()


@pytest.mark.parametrize(
    ("optimize", "stripped"), [(0, (".py",)), (2, (".py", ".pyi", ".pyx", ".pxd", ".h"))]
)
def test_an_image_of_byte_code_only(image: Path, optimize: int, stripped: tuple[str, ...]) -> None:
    assert compileall.compile_dir(image, quiet=1, legacy=True, optimize=optimize)
    strip(image, *stripped)
    result = python(USE, image, *["-OO"] * (optimize == 2))
    assert (result.stdout, result.stderr) == (f"b'x' {_build.name()}\n", "")


def test_an_image_without_declarations(image: Path) -> None:
    strip(image, ".pyi", ".pyx", ".pxd", ".h")
    result = python(USE, image)
    assert (result.stdout, result.stderr) == (f"b'x' {_build.name()}\n", "")


@pytest.mark.once
@pytest.mark.parametrize("suffix", [".py", ".pyc"])
def test_from_an_archive_the_package_runs_interpreted(image: Path, suffix: str) -> None:
    assert compileall.compile_dir(image, quiet=1, legacy=True)
    archive = image.parent / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in image.rglob("*"):
            if path.suffix in {suffix, ".so", ".pxd"}:
                file.write(path, path.relative_to(image.parent))
    result = python(USE, archive / "mboxio")
    assert (result.stdout, result.stderr) == ("b'x' pure\n", "")
    result = python("print(__import__('mboxio')._build.describe())", archive / "mboxio")
    assert result.stdout == "pure Python, from an archive\n"


@pytest.mark.parametrize(
    "ask", [lambda: mboxio.__getattr__("Client"), lambda: catalogue.load("loopback")]
)
def test_frames_without_source_are_hidden_from_pytest(
    ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (gate, errors):
        monkeypatch.setattr(module, "__tracebackhide__", False, raising=False)
    stamp = SimpleNamespace(MODULES={"mboxio._base.gate": 1, "mboxio.never_loaded": 2})
    monkeypatch.setattr(_build, "_stamp", lambda: stamp)
    ask()
    assert vars(gate)["__tracebackhide__"]
    assert not vars(errors)["__tracebackhide__"], "a module in Python has lines to show"
