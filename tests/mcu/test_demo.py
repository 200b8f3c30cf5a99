"""``mboxio demo mcu``: the whole of it, and what is left of one that ends before."""

import json
import os
import re
import select
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.cli.demo.microcontroller import BOARDS
from tests.cli.conftest import PATIENCE_S, Invoke, Start, invoke, one_line, start  # noqa: F401
from tests.tools import tool

PROGRAM = BOARDS["mps2-an385"].program


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the demo has its files; empty again afterwards."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)
        assert os.listdir(folder) == []


def machines_of(folder: Path) -> list[int]:
    """Return the processes that have their files below a folder."""
    found: list[int] = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"mem-path=" + os.fsencode(folder) in command:
            found.append(int(pid))
    return found


@pytest.mark.once
def test_the_demo(invoke: Invoke, own_folder: Path) -> None:  # noqa: F811
    tool(PROGRAM)
    result = invoke("demo", "mcu")
    assert result.exit_code == 0, result.output
    for way in ("mapped", "probe"):
        for number, before in ((1, way), (8, "")):
            assert re.search(rf"^{before} +{number} in flight: +[\d,]+ req", result.output, re.M)
    assert "a notification came, and a question of the firmware was answered" in result.output
    assert re.search(r"reset +[78] requests in flight: all over in \d+ ms with", result.output)
    assert re.search(r"hang +noticed by the heartbeat after \d+ ms", result.output)
    assert "0 mispaired, 0 held" in result.output
    assert not machines_of(own_folder)


@pytest.mark.once
def test_the_demo_as_json(invoke: Invoke) -> None:  # noqa: F811
    tool(PROGRAM)
    result = invoke("demo", "mcu", "--json")
    assert result.exit_code == 0, result.output
    assert result.output.count("\n") == 1
    found = json.loads(result.output)
    assert (found["demo"], found["broken"], found["mispaired"]) == ("mcu", [], 0)
    assert found["requests"] == found["answered"] + found["failed"]
    assert found["failed"] in (8, 9)  # those of the reset, and the one that made it hang
    assert {name: {*rates} for name, rates in found["per_second"].items()} == {
        "mapped": {"1", "8"},
        "probe": {"1", "8"},
    }


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_before(start: Start, own_folder: Path, number: signal.Signals) -> None:  # noqa: F811
    tool(PROGRAM)
    if number == signal.SIGKILL:
        tool("setpriv")
    process = start("demo", "mcu", session=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"mboxio demo mcu")
    (machine,) = machines_of(own_folder)
    end = os.pidfd_open(machine)
    try:
        process.send_signal(number)
        assert select.select([end], [], [], PATIENCE_S)[0]
    finally:
        os.close(end)
    _, complaints = process.communicate(timeout=PATIENCE_S)
    assert complaints == b""
    if number == signal.SIGKILL:  # it cannot remove its folder
        (left,) = own_folder.iterdir()
        shutil.rmtree(left)
    else:
        assert process.returncode == 128 + number


@pytest.mark.once
def test_it_says_what_it_needs(
    invoke: Invoke,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = invoke("demo", "mcu")
    assert result.exit_code == 1
    assert one_line(result.output.encode()) == (
        "this needs qemu-system-arm: apt-get install --no-install-recommends qemu-system-arm"
    )
