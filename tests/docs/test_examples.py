"""What stands in the blocks of the pages: Python runs, commands exist, TOML is TOML."""

import gc
import re
import shlex
import subprocess
import sys
import tomllib
from code import InteractiveConsole
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import SkipTest

import pytest

from mboxio.remote import Remote
from tests.docs.pages import (
    FIRMWARE_MCU,
    LAB,
    LANGUAGES,
    LINUX_DRIVER,
    PAGES,
    ROOT,
    SEE,
    Block,
    blocks,
    codes,
    name_of,
)
from tests.tools import HEADER_FOLDER, compile_c, tool

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RULES = re.findall(r"^([\w -]+):(?!=)", (ROOT / "Makefile").read_text(), re.M)
TARGETS = {target for targets in RULES for target in targets.split()}

PYTHONS_OWN = frozenset({"PYTHONPATH"})

FIRST_DRIVER = ROOT / "docs" / "tutorial" / "first-driver.md"
CONTROLLER_LINES_MAX = 40
PASTED = [
    ROOT / "README.md",
    *(
        ROOT / "docs" / "tutorial" / f"{name}.md"
        for name in ("first-mailbox", "firmware-in-python")
    ),
]
"""What newcomers try line by line."""

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@each_page
def test_every_block_is_checked(page: Path) -> None:
    strange = [str(block) for block in blocks(page) if block.language not in LANGUAGES]
    assert not strange, f"write one of {', '.join(sorted(LANGUAGES))} after the fence"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(not each.file for each in blocks(page, "python"))],
    ids=name_of,
)
def test_python_runs(
    page: Path, sockets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a page run in order in one module; the tests that they define run, too."""
    module = ModuleType("example")
    if page == LINUX_DRIVER:  # its reader has made a file there
        monkeypatch.chdir(ROOT / "examples" / "linux_driver")
    elif page == SEE:  # it makes files
        monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(page, "python"):
        if block.file:
            continue
        before = set(vars(module))
        # The lines of a traceback are those of the page.
        text = "\n" * (block.line - 1) + block.text
        exec(compile(text, str(page), "exec"), vars(module))
        for name in vars(module).keys() - before:
            if name.startswith("test_"):
                run_test(vars(module)[name])
    vars(module).clear()
    gc.collect()  # what belongs to an example goes with it


@pytest.mark.parametrize("page", PASTED, ids=name_of)
def test_python_can_be_pasted(
    page: Path, sockets: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into the prompt of Python 3.11, which takes an empty line as the end of what is indented."""
    module = ModuleType("pasted")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    console = InteractiveConsole(vars(module))
    for block in blocks(page, "python"):
        for number, line in enumerate([*block.text.splitlines(), ""], block.line):
            console.push(line)
            assert not capsys.readouterr().err, f"{name_of(page)}:{number}"
    vars(module).clear()
    gc.collect()


def run_test(function: Callable[..., Any]) -> None:
    """Run a test of an example, once for each value of its one parameter if it has any."""
    marks = getattr(function, "pytestmark", [])
    if not marks:
        function()
    for mark in marks:
        name, values = mark.args
        for value in values:
            with suppress(SkipTest):  # the others run all the same
                function(**{name: value})


@pytest.mark.once
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page != LAB and any(each.file for each in blocks(page, "python"))],
    ids=name_of,
)
def test_files_make_a_folder_in_which_pytest_passes(
    page: Path, sockets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With firmware and with a board; and programs run."""
    assert sockets
    files = {each.file: each.text for each in blocks(page, "python") if each.file}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    build_firmware(tmp_path / "build")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-W error -p mboxio.pytest_plugin --strict-markers")
    assert "skipped" not in run_python(tmp_path, "-m", "pytest")
    with Remote.spawn(tmp_path / "firmware.py") as board:
        shown = run_python(tmp_path, "-m", "pytest", f"--mboxio={board.address}", "-k", "either")
        assert f"board {board.address}" in shown
    for name, text in files.items():
        if "__main__" in text:
            assert "ended by SIGKILL" in run_python(tmp_path, name)


def run_python(folder: Path, *arguments: str) -> str:
    """Run Python in a folder and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, stdout=subprocess.PIPE, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build_firmware(folder: Path) -> None:
    """Build the example in C."""
    folder.mkdir()
    example = ROOT / "examples" / "firmware_c"
    make = [tool("make"), "-C", str(example), f"OUT={folder}", f"RING={HEADER_FOLDER}", "CC=gcc"]
    tool("gcc")
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)


def test_a_controller_is_short() -> None:
    """The tutorial promises little work."""
    (controller,) = (
        block for block in blocks(FIRST_DRIVER, "python") if "(Controller)" in block.text
    )
    assert controller.text.count("\n") < CONTROLLER_LINES_MAX


@pytest.mark.parametrize(
    "block", [block for page in PAGES for block in blocks(page, "toml")], ids=str
)
def test_toml_is_toml(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize(
    "block", [block for page in PAGES if page != LAB for block in blocks(page, "yaml")], ids=str
)
def test_jobs_run_commands_that_exist(block: Block) -> None:
    yaml = pytest.importorskip("yaml")
    commands = list(commands_of(yaml.safe_load(block.text)))
    assert commands
    for command in commands:
        require_command(*shlex.split(command))


def commands_of(job: Any) -> Iterator[str]:
    """Yield the commands of a job of GitHub or GitLab, and check its variables."""
    for key, value in job.items() if isinstance(job, dict) else enumerate(job):
        if key in ("run", "script"):
            yield from [value] if isinstance(value, str) else value
        elif key in ("env", "variables"):
            for name in value:
                require_variable(name)
        elif isinstance(value, (dict, list)):
            yield from commands_of(value)


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES if page != LINUX_DRIVER for block in blocks(page, "c")],
    ids=str,
)
@pytest.mark.parametrize("machine", ["cortex-m0", "cortex-m4"])
def test_c_compiles(tmp_path: Path, block: Block, machine: str) -> None:
    source = tmp_path / "block.c"
    source.write_text(block.text)
    compiler = ("arm-none-eabi-gcc", "-mthumb", f"-mcpu={machine}")
    compile_c(source, tmp_path / "block.o", "-ffreestanding", "-c", compiler=compiler)


@pytest.mark.once
@pytest.mark.parametrize(
    "block",
    [block for page in PAGES if page != FIRMWARE_MCU for block in blocks(page, "sh")],
    ids=str,
)
def test_commands_exist(block: Block) -> None:
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            require_variable(words.pop(0).partition("=")[0])
        if words:
            require_command(*words)


@pytest.mark.once
@each_page
def test_commands_in_the_text_exist(page: Path) -> None:
    for code in codes(page):
        if re.match(r"(make|mboxio) [a-z]", code):
            require_command(*shlex.split(code))
        elif re.fullmatch(r"MBOXIO_\w+(=\S*)?", code):
            require_variable(code.partition("=")[0])


def require_command(program: str, *words: str) -> None:
    """Fail unless the program is one of ours and knows these arguments."""
    if program == "make":
        unknown = [word for word in words if "=" not in word and word not in TARGETS]
        assert not unknown, f"no target {unknown[0]} in the Makefile"
    elif program == "mboxio":
        is_group = len(words) > 1 and re.search(
            rf"^  {re.escape(words[1])}  ", help_of(words[0]), re.M
        )
        shown = help_of(*words[: 2 if is_group else 1])
        for option in words[1:]:
            if option.startswith("--"):
                assert re.search(rf"{option}\b", shown), f"mboxio {words[0]} has no {option}"
    elif program == "pip":
        for extra in ",".join(re.findall(r"\[([\w,]+)\]", " ".join(words))).split(","):
            assert not extra or extra in PROJECT["optional-dependencies"]
    elif program == "labgrid-client":
        found = find_spec("labgrid.remote") if find_spec("labgrid") else None
        command = next(word for word in words[2:] if not word.startswith("-"))
        if found is not None and found.submodule_search_locations:
            client = Path(found.submodule_search_locations[0], "client.py").read_text()
            assert f'"{command}"' in client, f"labgrid-client has no {command}"
    elif program.endswith("pytest"):
        for word in words:
            path = word.partition("::")[0]
            assert word.startswith("-") or (ROOT / path).exists(), f"no {path}"
    elif program.endswith("python") and words[0] == "-m":
        module = words[1].replace(".", "/")
        places = (ROOT / module, ROOT / "src" / module, ROOT / "src" / module / "__main__")
        assert any(place.with_suffix(".py").exists() for place in places), f"no {words[1]}"
    elif program.endswith("python"):
        for word in words:
            assert list(ROOT.glob(word)), f"no {word}"
    else:
        pytest.fail(f"{program} cannot be checked: teach {name_of(Path(__file__))}")


@cache
def help_of(*commands: str) -> str:
    """Return what ``mboxio COMMAND --help`` prints; a second word is a command of a group."""
    pytest.importorskip("click")
    shown = subprocess.run(
        [sys.executable, "-m", "mboxio", *commands, "--help"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return shown.stdout


def require_variable(name: str) -> None:
    """Fail unless something of ours reads this environment variable."""
    readers = [ROOT / "setup.py", *(ROOT / "tests").glob("*.py"), *(ROOT / "src").rglob("*.py")]
    readers += (ROOT / "src").rglob("*.h")
    known = name in PYTHONS_OWN or any(name in path.read_text() for path in readers)
    assert known, f"nothing reads {name}"
