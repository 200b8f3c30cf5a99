"""Say whether this tree can be released, and after that what is left to do by hand.

usage: python tools/release.py before|after
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEXT = """
Everything in dist/ is checked, and nothing was uploaded. What is left (docs/releasing.md):

    git tag -a v{version} -m "mboxio {version}"
    git push origin v{version}

The tag starts .github/workflows/wheels.yml, which builds the wheels for all Pythons and machines,
tests them, waits for an approval of the environment `pypi`, and publishes them.
"""


def faults(root: Path) -> list[str]:
    """Return what stands against a release of a tree, in sentences."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    found: list[str] = []
    if changed := git(root, "status", "--porcelain"):
        found.append(f"the tree is not clean:\n{changed}")
    if git(root, "tag", "--list", f"v{version}"):
        found.append(f"v{version} is already tagged: raise `version` in pyproject.toml")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, (root / "CHANGELOG.md").read_text(), re.M):
        found.append(f"CHANGELOG.md has no heading `## [{version}] - YYYY-MM-DD`")
    if f'__version__ = "{version}"' not in (root / "src/mboxio/__init__.py").read_text():
        found.append(f"src/mboxio/__init__.py has another __version__ than {version}")
    return found


def git(root: Path, *command: str) -> str:
    """Return what git prints."""
    return subprocess.run(
        ["git", *command], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.rstrip()


def main(when: str) -> None:
    """Leave with the faults, or print what comes next."""
    if found := faults(ROOT):
        sys.exit("This tree cannot be released yet:\n" + "\n".join(f"- {each}" for each in found))
    if when == "after":
        version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        print(NEXT.format(version=version))


if __name__ == "__main__":
    main(sys.argv[1])
