"""What an index shows of a release, and what stands against one."""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest
from setuptools._distutils.filelist import FileList

from tests.docs.pages import FENCE, LINK, PAGES, ROOT
from tests.tools import tool

pytestmark = pytest.mark.once

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
VERSION = PROJECT["version"]
README = ROOT / "README.md"


def test_the_page_of_an_index_has_no_relative_links() -> None:
    command = [sys.executable, "setup.py", "--quiet", "--long-description"]
    page = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [*FENCE.finditer(page)], "the examples are there"
    assert [each[2] for each in FENCE.finditer(page)] == [
        each[2] for each in FENCE.finditer(README.read_text())
    ]
    targets = [target for _, target in LINK.findall(FENCE.sub("", page))]
    assert len(targets) == len(LINK.findall(FENCE.sub("", README.read_text())))
    place = re.compile(rf"{re.escape(PROJECT['urls']['Repository'])}/(blob|raw)/v{VERSION}/")
    for target in targets:
        assert target.startswith(("https://", "#")), f"{target} leads nowhere on an index"
        if place.match(target):
            path = ROOT / place.sub("", target).partition("#")[0]
            assert path.exists(), f"the repository has no {path}"
            assert ("/raw/" in target) == (path.suffix in {".svg", ".png"}), "a picture"


def test_wheels_are_built_for_each_python_that_is_named() -> None:
    named = {
        each.rpartition(" ")[2].replace(".", "")
        for each in PROJECT["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", each)
    }
    built = " ".join(PYPROJECT["tool"]["cibuildwheel"]["build"])
    assert named
    assert named <= set(re.findall(r"cp(\d+)-", built))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a checkout knows what belongs to it")
def test_the_sources_of_a_release_are_all_of_a_checkout() -> None:
    """Those outside of the package by MANIFEST.in, the others as the package's own."""
    found = subprocess.run(
        [tool("git"), "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    listed = FileList()
    listed.set_allfiles(found)
    for line in (ROOT / "MANIFEST.in").read_text().splitlines():
        if line and not line.startswith("#"):
            listed.process_template_line(line)
    data = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    own = [f"src/*{each}" for each in ("*.py", *data)]
    own += ["LICENSE", "MANIFEST.in", "pyproject.toml", "setup.py"]
    forgotten = {*found} - {*listed.files}
    assert not [name for name in forgotten if not any(fnmatch(name, each) for each in own)]


def test_byte_code_is_told_apart(tmp_path: Path) -> None:
    """An installer makes it, not the wheel; what others brought does not count either."""
    for name, size in {
        "mboxio/client/a.so": 2_000_000,
        "mboxio/__pycache__/a.pyc": 500_000,
        "mboxio-0.1.0.dist-info/RECORD": 1_000_000,
        "click/a.py": 4_000_000,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    assert runpy.run_path(str(ROOT / "tools" / "check_dist.py"))["sizes_mb"](tmp_path) == (3, 0.5)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (str(Path.home() / "python" / "lib").encode(), "names folders of this machine"),
        (b".debug_info", "with debug information"),
    ],
)
def test_a_wheel_that_knows_its_builder_is_refused(
    tmp_path: Path, content: bytes, told: str
) -> None:
    wheel = tmp_path / "mboxio-0-cp311-cp311-manylinux_2_17_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mboxio/a.so", content)
    with pytest.raises(SystemExit, match=told):
        runpy.run_path(str(ROOT / "tools" / "check_dist.py"))["check_contents"](wheel)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a repository of what `make release` looks at, ready to be released."""
    (tmp_path / "src" / "mboxio").mkdir(parents=True)
    for file in ("pyproject.toml", "src/mboxio/__init__.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "CHANGELOG.md").write_text(f"## [{VERSION}] - 2027-01-01\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(tree: Path, *command: str) -> None:
    """Run git as a committer of no machine."""
    who = [
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@example.com",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run([tool("git"), *who, *command], cwd=tree, check=True)


def commit(tree: Path) -> None:
    """Commit everything."""
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "all")


def faults(tree: Path) -> str:
    """Return what stands against a release of a tree."""
    return "\n".join(runpy.run_path(str(ROOT / "tools" / "release.py"))["faults"](tree))


def test_a_tree_that_is_ready(tree: Path) -> None:
    assert faults(tree) == ""


def test_what_is_not_committed_is_named(tree: Path) -> None:
    (tree / "forgotten.py").touch()
    assert faults(tree).startswith("the tree is not clean:\n?? forgotten.py")


def test_an_unreleased_heading_is_not_enough(tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text(f"## [Unreleased] ({VERSION})\n")
    commit(tree)
    assert faults(tree) == f"CHANGELOG.md has no heading `## [{VERSION}] - YYYY-MM-DD`"


def test_one_version_is_released_once(tree: Path) -> None:
    git(tree, "tag", f"v{VERSION}")
    assert f"v{VERSION} is already tagged" in faults(tree)


def test_two_versions_are_noticed(tree: Path) -> None:
    source = tree / "src" / "mboxio" / "__init__.py"
    source.write_text(source.read_text().replace(f'__version__ = "{VERSION}"', "__version__ = '9'"))
    commit(tree)
    assert "another __version__" in faults(tree)


def test_the_steps_of_a_release_are_documented() -> None:
    page = ROOT / "docs" / "releasing.md"
    assert page in PAGES
    text = page.read_text()
    for step in ("make wheels", "make release", "git tag -a v"):
        assert step in text
