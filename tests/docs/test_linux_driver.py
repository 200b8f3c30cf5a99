"""The tutorial for authors of Linux drivers shows the package in examples/linux_driver."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import LINUX_DRIVER, ROOT, blocks
from tests.tools import tool, without_preloads

pytestmark = pytest.mark.once

PACKAGE = ROOT / "examples" / "linux_driver"


def definitions(text: str) -> dict[str, str]:
    """Return the functions and classes of a text, and what it names."""
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.Assign):
            found[ast.unparse(node.targets[0])] = ast.unparse(node.value)
    return found


def test_the_python_is_that_of_the_package() -> None:
    package: dict[str, str] = {}
    for path in sorted((PACKAGE / "src" / "acme_fifo").glob("*.py")):
        package |= definitions(path.read_text())
    shown = definitions("\n".join(block.text for block in blocks(LINUX_DRIVER, "python")))
    del package["__all__"]
    assert len(package) > 20
    assert {name: shown.get(name) for name in package} == package


@pytest.mark.parametrize(("language", "file"), [("c", "acme_fifo.c"), ("dts", "board.dts")])
def test_what_is_shown_is_that_of_the_package(language: str, file: str) -> None:
    text = (PACKAGE / file).read_text()
    found = list(blocks(LINUX_DRIVER, language))
    assert found
    for block in found:
        assert block.text in text, block
    hidden = len(text) - sum(len(block.text) for block in found)
    assert hidden < 250, "all but head and tail is shown"


def test_the_c_compiles(tmp_path: Path) -> None:
    lines = (PACKAGE / "acme_fifo.c").read_text().splitlines(keepends=True)
    source = tmp_path / "acme_fifo.c"
    declared = f'#include "{Path(__file__).parent / "kernel.h"}"\n'
    source.write_text(declared + "".join(each for each in lines if "#include" not in each))
    # As the kernel's build does: its C has extensions of GNU.
    command = [tool("gcc"), "-std=gnu11", "-O2", "-Wall", "-Werror", "-fsyntax-only", str(source)]
    subprocess.run(command, check=True, env=without_preloads())
