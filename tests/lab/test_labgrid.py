"""A mailbox as a resource of labgrid: coordinator, exporter, pytest plug-in, and alone."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mboxio import ClosedError, RequestTimeout
from mboxio.address.address import Address
from mboxio.remote import Remote
from tests.docs.pages import ROOT
from tests.lab.lab import PATIENCE_S, Lab
from tests.tools import lacks

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
EXAMPLES = ROOT / "examples" / "lab"
SERVE = Path(__file__).with_name("serve.py")

if find_spec("labgrid") is None:

    @pytest.fixture(autouse=True)
    def labgrid() -> None:
        lacks("labgrid")


@pytest.fixture
def board() -> Iterator[Remote]:
    remote = Remote("board1")
    remote.channel("pmic", depth=32)
    remote.handler("pmic")(bytes)
    with remote:
        yield remote


@pytest.fixture
def lab(board: Remote, tmp_path: Path) -> Iterator[Lab]:
    """The lab of the examples, on one machine: the gateway is reached without ssh."""
    text = (EXAMPLES / "exporter.yaml").read_text()
    folder = tmp_path / "private"
    folder.mkdir(0o700)
    path = f"{folder}/gateway.sock"
    address = Address.parse(text.rpartition("address: ")[2].strip())
    assert address.controller == "grpc+ssh"
    with Lab(tmp_path, text.replace(str(address), f"grpc+unix:{path}/board1")) as lab:
        lab.start(str(SERVE), "shm:board1", "board1", path, ready="serving")
        lab.client("-p", "board1", "create")
        lab.client("-p", "board1", "add-match", "lab1/board1/NetworkMailbox")
        yield lab


def run_tests(lab: Lab, user: str) -> str:
    """Run the tests of the examples as one of the team; returns what they say."""
    for name in ("env.yaml", "test_board.py"):
        shutil.copy(EXAMPLES / name, lab.folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--lg-env", "env.yaml", "test_board.py"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=lab.folder,
        env=lab.environment(user),
    )
    return done.stdout + done.stderr


def test_who_has_acquired_the_place_has_the_mailbox(lab: Lab) -> None:
    assert "place board1 is not acquired" in run_tests(lab, "alice")
    lab.client("-p", "board1", "acquire")
    assert "2 passed" in run_tests(lab, "alice")
    assert "acquired by alice" in lab.client("-p", "board1", "acquire", user="bob", fails=True)
    assert "allow bob/bob" in run_tests(lab, "bob")
    lab.client("-p", "board1", "release")
    lab.client("-p", "board1", "acquire", user="bob")


def target_with(address: str, **options: Any) -> tuple[Any, Any]:
    """Return a target with a mailbox, and its driver."""
    labgrid, ours = (import_module(name) for name in ("labgrid", "mboxio.labgrid"))
    target = labgrid.Target("main")
    ours.Mailbox(target, name=None, address=address)
    return target, ours.MailboxDriver(target, name=None, **options)


def test_a_driver_is_connected_while_it_is_active(board: Remote) -> None:
    target, driver = target_with("shm:board1")
    with pytest.raises(RuntimeError, match="is not active"):
        _ = driver.connection
    for _ in range(2):
        target.activate(driver)
        client = driver.client("pmic")
        driver.send("pmic", b"one way")
        assert driver.request("pmic", b"ask") == client.request(b"ask") == b"ask"
        board.silence()
        request = client.submit(b"never answered")
        target.deactivate(driver)
        assert isinstance(request.exception(), ClosedError)
        board.silence(False)


def test_its_time_out_is_that_of_its_clients(board: Remote) -> None:
    target, driver = target_with("shm:board1", timeout_s=0.01)
    target.activate(driver)
    board.silence()
    with pytest.raises(RequestTimeout):
        driver.request("pmic", b"never answered")
    target.deactivate(driver)


@pytest.mark.parametrize("address", ["", "board1", "shm", 7, "shm:\n"])
def test_what_is_no_address_is_refused_when_it_is_read(address: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="address of Mailbox"):
        target_with(address)
