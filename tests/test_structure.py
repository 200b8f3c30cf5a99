"""The rules of the tree that no other tool checks."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Container, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

import mboxio

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "mboxio"
SOURCES = sorted(
    path for path in PACKAGE.rglob("*") if path.suffix in {".h", ".pxd", ".py", ".pyi", ".pyx"}
)
MODULES = [path for path in SOURCES if path.suffix in {".pxd", ".py", ".pyx"}]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# A module with a .pyx is the pure twin of one that is written in Cython.
AUGMENTED = [
    path
    for path in SOURCES
    if path.suffix == ".py"
    and path.with_suffix(".pxd").exists()
    and not path.with_suffix(".pyx").exists()
]

# Programs that the tests start (a firmware has a pace), and the one place that polls a process.
MAY_SLEEP = frozenset({"shm/firmware.py", "shm/host.py", "shm/support.py"})

LINES_MAX = 400
CLASS_LINES_MAX = 250
FILES_MAX = 16
ROOT_FILES = {"__init__.py", "__main__.py", "_build.py", "errors.py"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def text_of(path: Path) -> str:
    return path.read_text()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


@cache
def calls_in(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


@pytest.fixture(scope="module", autouse=True)
def trees_go() -> Iterator[None]:
    """A million nodes would slow the garbage collections of all later tests."""
    yield
    for each in (text_of, tree_of, calls_in):
        each.cache_clear()


each_augmented = pytest.mark.parametrize("path", AUGMENTED, ids=name_of)

# The import rule: a folder imports itself and those before it in its ladder, and everything imports
# errors. The rings and regions know nothing of messages; only controllers see both.
GROUND = ["errors", "_build", "_limits", "_base", "_os"]
CORE = [*GROUND, "driver", "_queue", "_pump", "_host"]
MEMORY = [
    *(*GROUND, "regions", "regions.probes", "regions.finding", "regions.views"),
    *("ring", "local", "virtio", "rpmsg", "rpmsg.looking"),
]
DRIVERS = [
    *MEMORY,
    *("driver", "_queue", "far", "controllers", "controllers.acpm"),
    *("controllers.rpmsg.nodes", "controllers.rpmsg", "controllers.virtio_rpmsg"),
    *("controllers.rtt", "controllers.firmware_rings", "controllers.grpc"),
]
CAPTURE = [*MEMORY, "capture", "recording"]
LOOKUP = [*GROUND, "devicetree", "address"]
FAR = [*GROUND, "far"]
USERS = [*CORE, *LOOKUP, "regions", "capture", "recording", "client", "protocols", "linux"]
AROUND = ["mboxio", *USERS, *DRIVERS, "sim", "sim.world", "sim.swarm"]
AROUND += ["remote", "remote.acpm", "remote.rpmsg", "remote.programs", "gateway"]
TESTING = ["testing.ring", "testing", "pytest_plugin", "labgrid"]
SEE = ["decoding", "wireshark", "timeline", "gain", "replay", "monitor"]
SEEING = [*(f"see.{each}" for each in SEE), "see"]
COMMANDS = [
    *("cli.shared", "cli.machine", "cli.completion", "cli.skeleton.acme_k7", "cli.skeleton"),
    *("cli.shell", "cli.gateway", "cli.commands", "cli.see", "cli.sim", "cli.demo"),
    *("cli.demo.far", "cli.rpmsg", "cli"),
]
TOOLS = [*AROUND, *TESTING, *SEEING, *COMMANDS]
ROOM = re.compile(r"(?<=^remote)\.(serving|spawning)$")  # of the remote's
MAY_IMPORT: dict[str, set[str]] = {}
LADDERS = (TOOLS, AROUND, USERS, CAPTURE, LOOKUP, DRIVERS, MEMORY, CORE, FAR)
for ladder in LADDERS:  # each narrows the last
    MAY_IMPORT |= {each: set(ladder[: place + 1]) for place, each in enumerate(ladder)}
MAY_IMPORT["mboxio"] = set(USERS) | {"mboxio"}
MAY_IMPORT["errors"] = {"errors", "_base"}  # its texts
MAY_IMPORT["__main__"] = {"cli"}


def test_the_sources_are_found() -> None:
    assert SOURCES
    assert AUGMENTED


def test_classes_are_one_concept() -> None:
    """A class that no longer fits is more than one concept; one loop may take a few lines more."""
    lines = {
        f"{path.stem}.{node.name}": node.end_lineno - node.lineno + 1
        for path in SOURCES
        if path.suffix == ".py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and node.end_lineno
    }
    assert len(lines) > 200
    large = {name: count for name, count in lines.items() if count >= CLASS_LINES_MAX}
    assert large.keys() <= {"served_channel.ServedChannel"}, large


def test_the_house_has_two_doors() -> None:
    """Four files lie at the root; a folder says in one line what it is about, and is not full."""
    assert {path.name for path in PACKAGE.glob("*.py")} == ROOT_FILES
    for folder in {path.parent for path in SOURCES} - {PACKAGE}:
        assert len(list(folder.glob("*.py"))) <= FILES_MAX, f"{folder} is full"
        sentence = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert sentence, f"{folder}/__init__.py does not say what the folder is about"


@pytest.mark.parametrize("folder", sorted({path.parent for path in AUGMENTED}), ids=name_of)
def test_folders_with_compiled_modules_say_what_they_are_and_no_more(folder: Path) -> None:
    """What a .pxd cimports is no attribute of another compiled module: names have one home."""
    body = ast.parse((folder / "__init__.py").read_text()).body
    if folder.name not in {"remote", "ring", "controllers", "rpmsg", "sim", "swarm", "world"}:
        assert len(body) == 1


def test_files_stay_short() -> None:
    lines = {name_of(path): len(text_of(path).splitlines()) for path in SOURCES}
    long = {name: count for name, count in lines.items() if count >= LINES_MAX}
    assert not long, "split the file by what its parts are about"


def test_imports_point_down() -> None:
    units = {path: unit_of(path) for path in MODULES}
    unknown = set(units.values()) - MAY_IMPORT.keys()
    assert not unknown, f"where is {', '.join(unknown)}? Give it a place in a ladder"
    upward = [
        f"{name_of(path)} must not import {name}"
        for path, unit in units.items()
        for name, target in imports(path)
        if target not in MAY_IMPORT[unit]
    ]
    assert not upward


def test_no_imports_make_a_circle() -> None:
    """Imports for type checkers count: what lies above is a `Protocol` in the file below."""
    targets = {module_of(path): path for path in SOURCES if path.suffix == ".py"}
    arrows = {name: set(files_imported(path, targets)) for name, path in targets.items()}
    assert len(arrows) > 100
    assert arrows["mboxio._queue.held"] >= {"mboxio._queue.line", "mboxio._queue.window"}
    while True:
        ground = {name for name, below in arrows.items() if not below & arrows.keys()}
        if not ground:
            break
        arrows = {name: below for name, below in arrows.items() if name not in ground}
    # What lies above a circle is left as well.
    assert not arrows, f"one of these imports, in the end, itself: {sorted(arrows)}"


# Drivers are examples: what lies behind `Services` is not for them.
@pytest.mark.parametrize(
    ("what", "where"),
    [
        pytest.param(r"self\.host\b", sorted((PACKAGE / "controllers").rglob("*.py")), id="host"),
        pytest.param("TO" + r"DO|FIX" + r"ME|\bXX" + r"X\b", SOURCES, id="stubs"),
        pytest.param(
            r"except(?: (?:Base)?Exception(?: as \w+)?)?:\s*(?:#.*)?\s(?:pass|\.\.\.|continue)\b",
            [*MODULES, *TESTS],
            id="swallowed errors",
        ),
    ],
)
def test_what_is_written_nowhere(what: str, where: list[Path]) -> None:
    assert where
    assert not [name_of(path) for path in where if re.search(what, text_of(path))]


def test_tests_do_not_sleep() -> None:
    sleeps = [
        f"{name_of(path)}:{call.lineno}"
        for path in TESTS
        if f"{path.parent.name}/{path.name}" not in MAY_SLEEP
        for call in calls_in(path)
        if is_sleep(call)
    ]
    assert not sleeps, "wait for an event, or use the virtual clock"


def test_tests_fork_where_warnings_of_it_are_known() -> None:
    forks = {
        path
        for path in TESTS
        for call in calls_in(path)
        if called(call) == "fork" and ast.unparse(call.func) == "os.fork"
    }
    assert forks == {ROOT / "tests" / "tools.py"}, "use tests.tools.fork"


@each_augmented
def test_augmented_modules_are_ordinary_python(path: Path) -> None:
    names = {name.split(".")[0] for name in absolute_imports(tree_of(path), path)}
    assert "cython" not in {name.lower() for name in names}


@each_augmented
def test_fields_agree_with_slots(path: Path) -> None:
    slots = slots_of(tree_of(path))
    for name, fields in fields_of(text_of(path.with_suffix(".pxd"))).items():
        # A base class for drivers and tests may do without __slots__.
        declared = set(slots.get(name, fields))
        assert declared == fields, f"__slots__ of {name} and its .pxd differ"


def test_import_stays_light() -> None:
    heavy = ["asyncio", "click", "dataclasses", "importlib.metadata", "rich", "typing"]
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import json, sys, mboxio; print(json.dumps([*sys.modules]))",
        ],
        check=True,
        stdout=subprocess.PIPE,
    )
    assert not set(heavy) & set(json.loads(found.stdout))


def test_every_public_name_has_a_home() -> None:
    homes = [name for names in mboxio._HOMES.values() for name in names]
    # A star shall not hide the built-in open().
    assert sorted(homes) == sorted([*mboxio.__all__, "open"])
    assert all(getattr(mboxio, name) is not None for name in homes)
    assert set(homes) <= set(dir(mboxio))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mboxio.nothing  # type: ignore[attr-defined]  # noqa: B018


def unit_of(path: Path) -> str:
    """Return the unit that a source file belongs to: its folder, or the file at the root."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    folder = ROOM.sub("", ".".join(parts[:-1]))
    return folder or ("mboxio" if parts == ("__init__",) else parts[0])


def unit_named(parts: Sequence[str]) -> str:
    """Return the unit of a dotted name below mboxio, which may go on inside the module."""
    for count in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:count])
        if path.is_dir():
            return ROOM.sub("", ".".join(parts[:count]))
        if list(path.parent.glob(f"{path.name}.py*")):
            return ROOM.sub("", ".".join(parts[: count - 1])) or parts[0]
    return "mboxio"


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a source file imports of the package, with the unit that it belongs to."""
    if path.suffix == ".py":
        names = absolute_imports(tree_of(path), path, typing=True)
    else:
        names = cython_imports(text_of(path))
    for name in names:
        if name == "mboxio" or name.startswith("mboxio."):
            yield name, unit_named(name.split(".")[1:])


def absolute_imports(tree: ast.Module, path: Path, typing: bool = False) -> Iterator[str]:
    """Yield the dotted names that a module imports.

    Args:
        typing: also those for type checkers only.
    """
    package = ("mboxio", *path.relative_to(PACKAGE).parent.parts)
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing:
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def module_of(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(("mboxio", *parts)).removesuffix(".__init__")


def files_imported(path: Path, targets: Container[str]) -> Iterator[str]:
    """Yield the modules of the package that a module names in an import of any kind."""
    for name in absolute_imports(tree_of(path), path, typing=True):
        while name and name not in targets:
            name = name.rpartition(".")[0]
        if name and name != module_of(path):
            yield name


def cython_imports(text: str) -> Iterator[str]:
    """Yield the dotted names that a .pxd or .pyx imports; the project writes them absolute."""
    for module, names in re.findall(r"^\s*from ([\w.]+) c?import \(?([^)#\n]+)", text, re.M):
        yield from (f"{module}.{name.split()[0]}" for name in names.split(",") if name.strip())
    yield from re.findall(r"^\s*c?import ([\w.]+)", text, re.M)


def is_sleep(node: ast.Call) -> bool:
    """Tell a call of a sleep; asyncio.sleep(0), which only lets others run, is none."""
    lets_others_run = (
        len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
    )
    return called(node) == "sleep" and not lets_others_run


def called(node: ast.Call) -> str:
    """Return the last part of the name that is called; "" if it has none."""
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def slots_of(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Return the __slots__ of each class of a module that has them."""
    return {
        each.name: tuple([names] if isinstance(names, str) else names)
        for each in ast.walk(tree)
        if isinstance(each, ast.ClassDef)
        for statement in each.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__"
        for names in [ast.literal_eval(statement.value)]
    }


def fields_of(text: str) -> dict[str, set[str]]:
    """Return the fields of each cdef class of a .pxd."""
    found: dict[str, set[str]] = {}
    for name, body in re.findall(
        r"^cdef class (\w+)[^\n]*\n((?:[ \t]+[^\n]*\n|\s*\n)*)", text, re.M
    ):
        found[name] = set()
        for line in body.splitlines():
            declaration = re.sub(r"\[[^\]]*\]|#.*", "", line).strip()
            if declaration.startswith("cdef ") and "(" not in declaration:
                found[name].update(part.split()[-1].lstrip("*") for part in declaration.split(","))
    return found
