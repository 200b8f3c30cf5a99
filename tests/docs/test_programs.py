"""The programs in examples/python do what they promise, against firmware in Python."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio.controllers.bcm2835 import Bcm2835
from mboxio.regions.pool import Pool
from mboxio.remote.acpm import AcpmRemote
from mboxio.remote.acpm.pmic import PmicModel
from mboxio.sim.videocore import VideoCore
from tests.docs.pages import ROOT

PROGRAMS = ROOT / "examples" / "python"

Run = Callable[..., list[str]]


def firmware() -> AbstractContextManager[Any]:
    """Return the remote that `firmware.py` makes."""
    remote: AbstractContextManager[Any] = runpy.run_path(str(PROGRAMS / "firmware.py"))["remote"]
    return remote


def pmic() -> AbstractContextManager[Any]:
    """Return a PMIC that refuses one register."""
    remote = AcpmRemote("peer:board")
    remote.channel(PmicModel(refused=[(0, 1, 0x40)]))
    return remote


CASES: dict[str, tuple[Callable[[], AbstractContextManager[Any]], list[str], list[str]]] = {
    "send_one": (nullcontext, [], ["hello"]),
    "many_in_flight": (nullcontext, [], ["each has its own reply"]),
    "with_asyncio": (nullcontext, [], ["power clocks", "later"]),
    "burst_with_time_outs": (
        nullcontext,
        [],
        ["11 answered, 5 timed out", "the watchdog bites: RemoteGone", "held: 0"],
    ),
    "prometheus": (
        nullcontext,
        [],
        ['mboxio_requests_total{address="loopback:",channel="0",outcome="done"} 1.0'],
    ),
    "driver": (nullcontext, [], ["0xff 0xfe 0xfd 0xfc"]),
    "firmware": (firmware, ["shm:demo/control", "version"], ["1.0"]),
    "notifications": (firmware, [], ["40 degrees", "41 degrees", "42 degrees"]),
    "pmic": (pmic, ["acpm:/0?at=peer:board", "0x12", "0x40"], ["0x12: 0x00", "0x40: refused"]),
}
"""Each program: its far side, its arguments, and what it prints. `send_one` asks `firmware`."""


@pytest.mark.parametrize("name", CASES)
def test_it_prints_what_it_promises(
    name: str, sockets: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    far_side, arguments, lines = CASES[name]
    program = PROGRAMS / f"{'send_one' if name == 'firmware' else name}.py"
    monkeypatch.setattr(sys, "argv", [str(program), *arguments])
    with far_side():
        runpy.run_path(str(program), run_name="__main__")
    shown = capsys.readouterr().out
    for line in lines:
        assert line in shown


def test_an_error_is_one_line(sockets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["send_one.py", "shm:demo/control", "nonsense"])
    with firmware(), pytest.raises(SystemExit, match=r"no such command \(status 22\)"):
        runpy.run_path(str(PROGRAMS / "send_one.py"), run_name="__main__")


def test_a_raspberry_pi(capsys: pytest.CaptureFixture[str]) -> None:
    core = VideoCore()
    pool = Pool(core.memory, core.bus_address, slot_bytes=256, count=8)
    show = runpy.run_path(str(PROGRAMS / "pi_temperature.py"))["show"]
    with mboxio.Connection(Bcm2835(region=core.registers, pool=pool)) as connection:
        show(connection.client("property"))
    assert capsys.readouterr().out == "revision 0xa02082\n48.312 degrees at 600 MHz\n"


@pytest.mark.once
def test_the_tests_of_a_host_program_pass(sockets: str) -> None:
    tests = str(PROGRAMS / "test_host_program.py")
    subprocess.run([sys.executable, "-m", "pytest", "-qp", "no:cacheprovider", tests], check=True)


def test_every_program_is_tried_and_described() -> None:
    programs = {path.stem for path in PROGRAMS.glob("*.py")}
    assert programs == {*CASES, "pi_temperature", "test_host_program"}
    described = (PROGRAMS / "README.md").read_text()
    assert all(f"({name}.py)" in described for name in programs)
    assert all(len(_lines(PROGRAMS / f"{name}.py")) < 60 for name in programs)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
