"""What the pages say about the tree is so: links, files, tests, names, tables and pictures."""

import ast
import dataclasses
import errno
import importlib
import inspect
import os
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import mboxio
from mboxio.address import catalogue
from mboxio.driver.services import Services
from mboxio.testing import Bench, checks
from mboxio.testing.hints import USUAL
from tests.docs.pages import PAGES, ROOT, anchors, blocks, codes, links, name_of, prose
from tests.docs.states import diagram

pytestmark = pytest.mark.once

SOURCE = ROOT / "src" / "mboxio"
INDEX = ROOT / "docs" / "index.md"
GUARANTEES_PAGE = ROOT / "docs" / "guarantees.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
REFERENCE = ROOT / "docs" / "reference"
TROUBLESHOOTING = ROOT / "docs" / "how-to" / "troubleshooting.md"
CONTROLLERS = ROOT / "docs" / "write-a-controller.md"
GUARANTEES = 14
FILE = re.compile(r"[\w./-]+\.(?:h|md|pxd|py|pyx|svg|toml)")
NAME = re.compile(r"([A-Z]\w+)\.(\w+)(?:\(.*\))?")

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for text, target in links(page):
        if "://" in target:
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), f"[{text}] leads to {path}, which does not exist"
        assert not anchor or anchor in anchors(found), f"[{text}]: no heading {anchor}"


@each_page
def test_a_link_to_a_test_leads_to_its_file(page: Path) -> None:
    for text, target in links(page):
        if text.startswith("test_"):
            assert text in functions_in(page.parent / target), f"{target} has no {text}"


@each_page
def test_named_files_exist(page: Path) -> None:
    places = [
        page.parent,
        ROOT,
        SOURCE,
        ROOT / "docs",
        *(path for path in SOURCE.iterdir() if path.is_dir()),
    ]
    for code in codes(page):
        if FILE.fullmatch(code) and not code.startswith("test_"):
            assert any((place / code).exists() for place in places), f"no file {code}"


@each_page
def test_named_attributes_exist(page: Path) -> None:
    for code in codes(page):
        found = NAME.fullmatch(code)
        if found and not FILE.fullmatch(code):
            owners = classes().get(found[1])
            assert owners, f"no class {found[1]}"
            assert any(has(owner, found[2]) for owner in owners), f"no {code}"


@pytest.mark.parametrize("picture", sorted((ROOT / "docs").glob("*.svg")), ids=name_of)
def test_pictures_can_be_shown(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert "viewBox" in root.attrib, "it would not fit the page"
    assert root.findtext(f"{space}title"), "it says nothing to who cannot see it"
    style = root.findtext(f"{space}style") or ""
    assert "prefers-color-scheme: dark" in style, "it would be unreadable on a dark page"
    assert not re.search(r"https?://|url\((?!#)|@import|<script", style)


# -- index


def test_every_page_can_be_found() -> None:
    """From the index, and in the navigation of the site."""
    pages = {page for page in PAGES if page.parent != ROOT} - {INDEX}
    linked = {(INDEX.parent / target).resolve() for _, target in links(INDEX)}
    assert not pages - linked, "docs/index.md does not lead to them"
    parts = tomllib.loads((ROOT / "docs" / "site" / "navigation.toml").read_text())["part"]
    shown = [ROOT / f"{page}.md" for part in parts for page in part["pages"]]
    assert len(shown) == len(set(shown))
    assert not pages - {*shown}, "docs/site/navigation.toml does not have them"
    assert {*shown} <= {*PAGES}, "there are no such pages"


# -- guarantees


def test_every_guarantee_names_its_tests() -> None:
    _, *items = re.split(r"^(\d+)\. ", GUARANTEES_PAGE.read_text(), flags=re.M)
    assert items[::2] == [str(number) for number in range(1, GUARANTEES + 1)]
    for number, text in zip(items[::2], items[1::2], strict=True):
        named = re.findall(r"^ +- \[(test_\w+)\]", text, re.M)
        assert any(name.startswith(f"test_{number}_") for name in named), number


# -- troubleshooting


def test_the_messages_of_the_page_are_those_of_the_code() -> None:
    """What stands for … in them differs each time."""
    texts = [
        re.sub(r"['\"]?\s*\n\s*f?[\"']", "", each.read_text()) for each in SOURCE.rglob("*.py")
    ]
    texts.append(os.strerror(errno.EACCES))
    for message, *_ in table(TROUBLESHOOTING, "Message"):
        for part in re.split("…|waiting for", re.findall(r"`(.+?)`", message)[0]):
            words = part.strip(" ()';:,")
            assert any(words in text for text in texts), f"{words!r} is in no message"


# -- reference


def test_every_error_is_explained() -> None:
    rows = {row[0].strip("`"): row[1] for row in table(REFERENCE / "errors.md", "Error")}
    assert rows.keys() == set(mboxio.errors.__all__) - {"MailboxError"}
    for name, number in rows.items():
        kind = getattr(mboxio.errors, name)
        assert getattr(errno, number.partition(",")[0]) == kind.default_errno, name
    (tree,) = (block.text for block in blocks(REFERENCE / "errors.md", "text"))
    told = (mboxio.errors.__doc__ or "").replace("``", "")
    assert all(line.strip() in told for line in tree.splitlines())


def test_every_option_of_an_address_is_explained() -> None:
    told = {
        (controller.strip("`"), option.strip("`")): default.strip("`-")
        for controller, option, default, _ in table(REFERENCE / "addresses.md", "Option")
    }
    options: dict[tuple[str, str], Any] = {
        (name, field.name): field.default
        for name in catalogue.BUILT_IN
        for field in dataclasses.fields(catalogue.load(name).Options)
    }
    assert told.keys() == options.keys()
    for place, default in options.items():
        if isinstance(default, bool):
            assert told[place] == ("yes" if default else "no"), place
        elif default is None or default == -1:
            assert told[place] == "", place  # it stands for none
        elif isinstance(default, int):
            assert int(told[place], 0) == default, place
        else:
            assert type(default)(told[place]) == default, place


def test_every_command_is_in_the_reference() -> None:
    pytest.importorskip("click")
    commands = importlib.import_module("mboxio.cli.app").COMMANDS
    told = {row[0].strip("`"): row[1] for row in table(REFERENCE / "cli.md", "Command")}
    assert told == {name: summary for name, (_, summary) in commands.items()}


def test_every_module_in_the_reference_is_public() -> None:
    rows = list(table(REFERENCE / "api.md", "Module"))
    assert rows
    for module, _ in rows:
        assert not re.search(r"\b_", module)
        importlib.import_module(module.strip("`"))


# -- architecture


def test_the_picture_of_the_states_is_the_table() -> None:
    (shown,) = blocks(ARCHITECTURE, "mermaid")
    assert shown.text == diagram(), "python -m tests.docs.states prints the right one"


def test_every_folder_says_what_it_is_about() -> None:
    """In the words of its own first line."""
    told = {}
    for path in SOURCE.rglob("__init__.py"):
        line = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        told[f"{path.parent.relative_to(SOURCE)}/"] = line.replace("``", "`")
    del told["./"]
    rows = {re.findall("`(.+?)`", name)[0]: text for name, text in table(ARCHITECTURE, "Folder")}
    assert rows == told


# -- writing a controller


@pytest.mark.parametrize("kind", [mboxio.Capabilities, Bench])
def test_every_field_is_explained(kind: Any) -> None:
    missing = {field.name for field in dataclasses.fields(kind)} - words(CONTROLLERS)
    assert missing <= {"controller", "notify", "stall", "resume"}, "those stand in an example"


def test_every_op_and_report_is_explained() -> None:
    names = {*vars(mboxio.Controller), *vars(Services)}
    missing = {name for name in names if name[0] != "_"} - words(CONTROLLERS)
    assert missing <= {"host"}


def test_the_mistakes_are_those_that_failures_name() -> None:
    told = {check: mistake.replace("`", "") for mistake, check in table(CONTROLLERS, "Mistake")}
    assert told == USUAL
    assert not told.keys() - set(checks())


# -- changelog


def test_the_changelog_has_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version == mboxio.__version__
    assert f"({version})" in prose(ROOT / "CHANGELOG.md") or f"[{version}]" in prose(
        ROOT / "CHANGELOG.md"
    )


def table(page: Path, heading: str) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table that has a column of this name."""
    inside = False
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif heading in cells:
            inside = True
        elif inside and not set(line) <= set("|-"):
            yield tuple(cells)


def words(page: Path) -> set[str]:
    """Return every identifier that stands in `code`."""
    return {word for code in codes(page) for word in re.findall(r"\w+", code)}


@cache
def functions_in(path: Path) -> set[str]:
    """Return the names of the test functions of a file."""
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@cache
def classes() -> dict[str, list[type]]:
    """Return every class of the package by its name; not those of the command line."""
    found: dict[str, list[type]] = {}
    for module in pkgutil.walk_packages([str(SOURCE)], "mboxio."):
        if not module.name.startswith(("mboxio.cli", "mboxio.__main__")):
            for name, kind in inspect.getmembers(
                importlib.import_module(module.name), inspect.isclass
            ):
                found.setdefault(name, []).append(kind)
    return found


def has(owner: type, attribute: str) -> bool:
    """Tell whether objects of a class have an attribute."""
    return hasattr(owner, attribute) or attribute in getattr(owner, "__annotations__", {})
