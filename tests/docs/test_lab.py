"""The files that docs/lab.md shows are those of examples/lab, and mean what it says."""

import configparser
import shlex

import pytest

from mboxio.gateway.allow import AllowList
from tests.docs.pages import LAB, ROOT, Block, blocks
from tests.docs.test_examples import require_command

pytestmark = pytest.mark.once
FILES = ROOT / "examples" / "lab"
SHOWN = {each.file: each for each in blocks(LAB) if each.file}


def test_every_file_is_shown() -> None:
    assert {path.name for path in FILES.iterdir() if path.is_file()} - {"README.md"} == {*SHOWN}


@pytest.mark.parametrize("block", SHOWN.values(), ids=SHOWN.keys())
def test_what_is_shown_is_what_is_there(block: Block) -> None:
    assert block.file is not None
    assert (FILES / block.file).read_text() == block.text.partition("\n")[2]


def test_the_allow_list_says_who_may_ask() -> None:
    allow = AllowList.read(FILES / "allow.toml")
    asks = {user: "request" in allow.grant(user, "board1", "pmic").rights for user in allow.entries}
    assert asks == {"team": True, "observers": False}
    assert not allow.grant("somebody", "board1", "pmic").rights


def test_the_unit_starts_a_gateway_in_folders_that_there_are() -> None:
    unit = configparser.ConfigParser(strict=False)
    unit.read(FILES / "mboxio-gateway.service")
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/mboxio")
    require_command("mboxio", *words)
    lines = (FILES / "mboxio.tmpfiles").read_text().splitlines()
    folders = {line.split()[1]: line.split()[2] for line in lines}
    sockets = [words[at + 1].partition("=") for at, word in enumerate(words) if word == "--socket"]
    assert {path.rpartition("/")[0] for _, _, path in sockets} == {*folders}
    assert {*unit["Service"]["ReadWritePaths"].split()} == {*folders}
    assert {*folders.values()} == {"2770"}, "the group is the socket's, and nobody else comes in"
    assert {user for user, _, _ in sockets} == {*AllowList.read(FILES / "allow.toml").entries}
