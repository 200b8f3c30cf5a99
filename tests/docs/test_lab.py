"""The files that docs/lab.md shows are those of examples/lab, and mean what it says."""

import configparser
import shlex
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

import mboxio
from mboxio.controllers.grpc.secure import PREFACE
from mboxio.controllers.loopback import Loopback
from mboxio.gateway.allow import AllowList
from mboxio.gateway.export import Export
from mboxio.gateway.places import TlsPlace
from mboxio.gateway.server import Gateway
from tests.docs.pages import LAB, ROOT, Block, blocks
from tests.docs.test_examples import require_command
from tests.tools import tool

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


@pytest.mark.usefixtures("engine_kept")
def test_the_certificates_of_the_page_are_good_for_what_it_says(tmp_path: Path) -> None:
    (block,) = (each for each in blocks(LAB, "text") if "openssl" in each.text)
    folder = str(Path(tool("openssl")).parent)
    command = ["sh", "-e", "-c", block.text]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env={"PATH": folder})
    lab1, alice = (tmp_path / each for each in ("lab1", "alice"))
    place = TlsPlace("127.0.0.1:0", f"{lab1}.pem", f"{lab1}.key", f"{tmp_path}/lab.pem")
    export = Export("board1", mboxio.Connection(Loopback(), address="loopback:"))
    allow = AllowList.parse('[alice]\n"board1/*" = ["request"]\n')
    with Gateway([export], allow, [place]):
        context = ssl.create_default_context(cafile=f"{tmp_path}/lab.pem")
        context.load_cert_chain(f"{alice}.pem", f"{alice}.key")
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(("127.0.0.1", place.port)) as bare,
            context.wrap_socket(bare, server_hostname="lab1") as secure,
        ):
            secure.sendall(PREFACE)
            assert secure.recv(9)[3:4] == b"\4", "its settings; who is refused gets nothing"
