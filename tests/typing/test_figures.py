"""How much of the package has no type. The figures may only get better: then write the new ones."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "mboxio"

CORE = """
    _base.counts _base.gate _base.request _host.endpoint _host.flush _host.host _host.life
    _host.subscriptions _host.waited _pump.loops _pump.pump _pump.spinner _pump.turns
    _pump.worker _queue.answers _queue.backlog _queue.channel _queue.ends _queue.held
    _queue.line _queue.order _queue.queue _queue.stats _queue.window client.sending client.verbs
    driver.controller driver.correlate
""".split()  # noqa: SIM905
"""What a message passes through."""

ANY_PARAMETERS_MAX = 1.9
"""Percent of all parameters of the package whose type is a bare ``Any``."""
TYPED_IN_CORE_MIN = 98.8
"""Percent of the expressions there of whose type mypy knows something."""
TYPED_MIN = 97.2
"""The same, of the whole package."""

FORWARDED = {
    ("_queue.ends", "error", "more"),
    # Keywords of an error, or arguments of whatever verb there is, go on as they came.
    ("client.verbs", "submit", "options"),
}


def test_few_parameters_are_any() -> None:
    found = list(parameters())
    bare = [each for *each, kind in found if kind == "Any"]
    percent = 100 * len(bare) / len(found)
    print(f"{len(bare)} of {len(found)} parameters are Any: {percent:.2f} %")
    assert len(found) > 2000
    assert percent <= ANY_PARAMETERS_MAX
    assert {tuple(each) for each in bare if each[0] in CORE} == FORWARDED


def test_mypy_knows_the_types(tmp_path: Path) -> None:
    if find_spec("mypy") is None:
        pytest.skip("not installed")
    subprocess.run(
        [sys.executable, "-m", "mypy", "--any-exprs-report", str(tmp_path), "src"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    report = (tmp_path / "any-exprs.txt").read_text()
    rows = re.findall(r"^\s*([\w.]+)\s+(\d+)\s+(\d+)", report, re.M)
    figures = {name: (int(unknown), int(all_)) for name, unknown, all_ in rows}
    core = [figures[f"mboxio.{name}"] for name in CORE]
    in_core = typed_percent(sum(each[0] for each in core), sum(each[1] for each in core))
    in_all = typed_percent(*figures["Total"])
    print(f"typed expressions: {in_core:.2f} % in the core, {in_all:.2f} % in all")
    assert in_core >= TYPED_IN_CORE_MIN
    assert in_all >= TYPED_MIN


def parameters() -> Iterator[tuple[str, str, str, str]]:
    """Yield module, function, name and type of each parameter."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = node.args
            named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            rest = [each for each in (given.vararg, given.kwarg) if each is not None]
            for each in named + rest:
                if each.annotation is not None:
                    yield module, node.name, each.arg, ast.unparse(each.annotation)


def typed_percent(unknown: int, all_: int) -> float:
    """Return the share of expressions that have a type."""
    return 100 - 100 * unknown / all_
