"""The pages of the documentation, taken apart: blocks of code, links, and what stands in `code`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *(
        ROOT / "examples" / name / "README.md"
        for name in ("firmware_mcu", "linux_driver", "python")
    ),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_generated" not in page.parts),
]
LANGUAGES = frozenset({"c", "dts", "ini", "mermaid", "python", "sh", "text", "toml", "yaml"})
"""What a block may be written in: each of them is checked, except for text."""

LINUX_DRIVER = ROOT / "docs" / "tutorial" / "linux-driver.md"
FIRMWARE_MCU = ROOT / "examples" / "firmware_mcu" / "README.md"
"""Its commands are run as they are; see `test_firmware_mcu.py`."""
SEE = ROOT / "docs" / "see.md"
"""Its C is that of a kernel; see `test_linux_driver.py`."""
LAB = ROOT / "docs" / "lab.md"
"""Its files are those of examples/lab, which are tested with labgrid; see `test_lab.py`."""

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^#+ (.+)$", re.M)
INLINE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"# ([\w./-]+\.\w+)\n")
"""The first line of a block that is a whole file."""
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Args:
        page: where it stands.
        language: what the fence says.
        line: number of its first line in the page, from 1.
        text: what stands between the fences.
    """

    page: Path
    language: str
    line: int
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file that it is, if it is one."""
        found = FILE.match(self.text)
        return None if found is None else found[1]

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    """Return the name of a page as one would write it."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str | None = None) -> Iterator[Block]:
    """Yield the blocks of a page, or those in one language."""
    text = page.read_text()
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start(2)) + 1
        if language in (None, found[1]):
            yield Block(page, found[1], line, found[2])


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return FENCE.sub("", page.read_text())


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield text and target of each link and picture."""
    yield from LINK.findall(prose(page))


def codes(page: Path) -> Iterator[str]:
    """Yield what stands in `code` outside of blocks."""
    yield from INLINE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return what a link to a heading of this page may say after the #."""
    headings = (re.sub(r"[^\w\- ]", "", each.lower()) for each in HEADING.findall(prose(page)))
    return {each.strip().replace(" ", "-") for each in headings}
