"""A real pyOCD, with a probe of our own in this process, and sessions of ours and of a program."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyocd", reason="pyocd is missing: pip install pyocd")

from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.coresight.ap import AccessPort, APv1Address
from pyocd.probe.aggregator import PROBE_CLASSES

import mboxio
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Kind, Region, open_region
from mboxio.regions.probes import pyocd as module
from mboxio.regions.probes.pyocd import PyOcdRegion
from tests.hardening.support import until
from tests.probes.chip import DEMCR, DHCSR, KEY, RAM, Chip, DebugPort
from tests.probes.in_process import InProcess

SIZE = 1 << 16
WINDOW = f"@{RAM:#x}+0x1000"


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[Chip]:
    path = tmp_path / "ram"
    path.write_bytes(bytes(SIZE))
    made = Chip(path)
    PROBE_CLASSES["ours"] = InProcess
    InProcess.ports["one"] = DebugPort(made)
    yield made
    del PROBE_CLASSES["ours"]
    for each in (InProcess.ports, InProcess.failing, InProcess.opened):
        each.clear()
    assert not module._shared
    made.close()


@pytest.fixture
def region(chip: Chip) -> Iterator[Region]:
    with open_region(f"pyocd:ours:one{WINDOW}") as region:
        yield region


@pytest.fixture
def session(chip: Chip) -> Iterator[Session]:
    """A debugger's own, which halts as debuggers do."""
    with Session(InProcess("one"), options={"no_config": True}) as session:
        yield session


def test_accesses_of_every_width(chip: Chip, region: Region) -> None:
    assert region.kind is Kind.REMOTE
    assert 0 < region.access_s < 5
    region.write(0, 0x12345678, 4)
    region.write(4, 0xABCD, 2)
    region.write(7, 0x7F, 1)
    assert chip.memory[:8] == bytes.fromhex("78563412cdab007f")
    assert [region.read(2, 2), region.read(7, 1), region.read(4, 4)] == [0x1234, 0x7F, 0x7F00ABCD]
    with pytest.raises(ValueError, match="accesses of 1 or 2 or 4 bytes"):
        region.read(0, 8)


def test_each_is_one_access(chip: Chip, region: Region) -> None:
    before = chip.accesses
    region.read(4, 4)
    region.write(6, 1, 2)
    assert chip.accesses - before == 2
    region.write_words(0x100, range(700))  # across the end of what the port counts up
    assert region.read_words(0x100, 700) == list(range(700))
    assert chip.accesses - before == 1402
    region.write_words(0, [])
    assert region.read_words(0, 0) == []
    assert chip.accesses - before == 1402


def test_what_is_written_has_left_the_probe(region: Region) -> None:
    probe = region.link.session.probe  # type: ignore[attr-defined]
    for access in (lambda: region.write(0, 1, 4), lambda: region.write_words(0, [1, 2])):
        before = probe.flushes
        access()
        assert probe.flushes > before


def test_no_processor_is_halted_nor_changed_at_the_end(chip: Chip) -> None:
    chip.registers[DEMCR] = 1 << 24  # firmware counts cycles
    with open_region(f"pyocd:ours:one{WINDOW}") as region:
        region.write(0, 1, 4)
        assert chip.registers[DHCSR] & 1, "it is being debugged"
        assert region.link.session.options["auto_unlock"] is False  # type: ignore[attr-defined]
    assert not chip.halts()
    assert chip.stores[-1] == (DHCSR, KEY), "it is not debugged any more"
    assert chip.registers[DEMCR] == 1 << 24
    assert InProcess.ports["one"].control == 0, "and has no power for it"
    assert InProcess.opened == []


def test_by_default_pyocd_halts(chip: Chip, session: Session) -> None:
    assert chip.halts(), "else the test above would say nothing"


def test_no_script_of_the_folder_is_executed(
    chip: Chip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYOCD_PROJECT_DIR", "/")
    (tmp_path / "pyocd_user.py").write_text("open('executed', 'w')")
    (tmp_path / "pyocd.yaml").write_text("connect_mode: halt")
    with open_region(f"pyocd:ours:one{WINDOW}") as region:
        region.read(0, 4)
    assert not (tmp_path / "executed").exists()
    assert not chip.halts()
    assert os.getcwd() == str(tmp_path)


def test_regions_share_one_session(chip: Chip) -> None:
    where = "pyocd:ours:one,target=cortex_m,frequency=2000000,core=0"
    with open_region(f"{where}{WINDOW}") as first, open_region(f"{where}@{RAM:#x}+4") as second:
        first.write(0, 5, 4)
        assert second.read(0, 4) == 5
        assert first.link.session.probe.frequency == 2_000_000  # type: ignore[attr-defined]
        with open_region(f"pyocd:ours:one{WINDOW}") as third:
            assert third.read(0, 4) == 5
        with pytest.raises(AddressError, match="one probe is used in one way"):
            open_region(f"pyocd:ours:one,core=1{WINDOW}")
        first.close()
        assert second.read(0, 4) == 5
    assert InProcess.opened == []
    with pytest.raises(ValueError, match="closed"):
        second.read(0, 4)


def test_an_access_that_the_bus_refuses(chip: Chip, region: Region) -> None:
    with open_region(f"pyocd:ours:one@{RAM + SIZE:#x}+0x100") as nothing:
        for access in (
            lambda: nothing.read(0, 4),
            lambda: nothing.write(4, 1, 4),
            lambda: nothing.read_words(0, 8),
            lambda: nothing.write_words(0, [1, 2]),
        ):
            with pytest.raises(RemoteError, match=r"0x200100..* failed: .*fault") as caught:
                access()
            assert not isinstance(caught.value, RemoteGone)
            assert not nothing.lost
            region.write(0, 5, 4)
            assert region.read(0, 4) == 5


def test_a_target_that_loses_its_power_and_comes_back(chip: Chip, region: Region) -> None:
    port = InProcess.ports["one"]
    port.present = False
    with pytest.raises(RemoteError, match="no acknowledgement"):
        region.read(0, 4)
    assert not region.lost
    port.present = True
    assert region.read(0, 4) == 0


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ProbeDisconnected("pulled\x1b[2J"),
        exceptions.ProbeError(),
        OSError(19, "No such device"),
        TimeoutError("USB"),
    ],
)
def test_a_probe_that_is_pulled_and_put_back(
    chip: Chip, region: Region, error: BaseException
) -> None:
    InProcess.failing["one"] = error
    for _ in range(2):
        with pytest.raises(RemoteGone, match="the probe is gone") as caught:
            region.read(0, 4)
        assert str(caught.value).isprintable()
    assert region.lost
    with pytest.raises(RemoteGone):
        region.reopen()
    assert region.lost
    del InProcess.failing["one"]
    del InProcess.ports["one"]
    with pytest.raises(RemoteGone, match="no debug probe 'ours:one' is connected"):
        region.reopen()
    InProcess.ports["one"] = DebugPort(chip)
    region.reopen()
    region.write(0, 7, 4)
    assert chip.memory[0] == 7
    assert (region.lost, InProcess.opened) == (False, ["one"])


def test_a_driver_comes_back_with_its_probe(chip: Chip) -> None:
    with mboxio.connect(f"mhu:?at=pyocd:ours:one@{RAM:#x}%2B0x20") as connection:
        client = connection.client(0)
        client.send(b"")
        InProcess.failing["one"] = exceptions.ProbeDisconnected("pulled")
        until(lambda: refuses(client))
        del InProcess.failing["one"]
        client.send(b"", queue_timeout_s=20)


def refuses(client: mboxio.Client) -> bool:
    try:
        client.post(b"").result()
    except RemoteGone:
        return True
    return False


# -- sessions of programs


@pytest.mark.parametrize("source", ["session", "target", "core", "port"])
def test_a_program_shares_what_it_has(chip: Chip, session: Session, source: str) -> None:
    target = session.target
    sources = {
        "session": session,
        "target": target,
        "core": target.cores[0],
        "port": next(iter(target.aps.values())),
    }
    before = list(chip.stores)
    with PyOcdRegion(sources[source], RAM, 0x1000) as region:
        assert 0 < region.access_s < 5
        flushes = session.probe.flushes
        region.write(0, 5, 4)
        region.write_words(4, [6, 7])
        assert session.probe.flushes >= flushes + 2
        assert region.read_words(0, 3) == [5, 6, 7]
        assert target.read32(RAM + 4) == 6
        same = PyOcdRegion(sources[source], RAM, 0x1000)
        assert same.place == region.place
        same.close()
    assert session.is_open
    assert chip.stores == before, "no register was written"


def test_a_session_that_the_program_closes_and_opens(chip: Chip) -> None:
    session = Session(InProcess("one"), options={"no_config": True, "connect_mode": "attach"})
    with pytest.raises(RemoteGone, match="the session is closed"):
        PyOcdRegion(session, RAM, 0x1000)
    session.open()
    region = PyOcdRegion(session, RAM, 0x1000)
    session.close()
    with pytest.raises(RemoteGone, match="the session is closed"):
        region.read(0, 4)
    assert region.lost
    with pytest.raises(RemoteGone, match="the session is closed"):
        region.reopen()
    assert region.lost
    session.open()
    region.reopen()
    assert region.read(0, 4) == 0
    InProcess.failing["one"] = exceptions.ProbeDisconnected("pulled")
    with pytest.raises(RemoteGone):
        region.read(0, 4)
    with pytest.raises(RemoteGone, match="the probe is gone"):
        region.reopen()
    del InProcess.failing["one"]
    region.reopen()
    region.close()
    session.close()


def test_a_port_without_a_session_that_is_open(chip: Chip) -> None:
    """As in a script that knows no targets: a debug port, and its access port."""
    from pyocd.coresight.dap import DebugPort as Port

    probe = InProcess("one")
    session = Session(probe, options={"no_config": True})
    probe.open()
    port = Port(probe, session.target)
    port.create_connect_sequence().invoke()
    with PyOcdRegion(AccessPort.create(port, APv1Address(0)), RAM, 0x1000) as region:
        region.write(0, 5, 4)
        assert chip.memory[0] == 5
        assert not chip.halts()
    probe.close()


# -- which probe


@pytest.mark.parametrize(
    ("where", "error", "text"),
    [
        ("ours:none", RemoteGone, "no debug probe 'ours:none' is connected"),
        ("nothing:x", RemoteGone, "unknown debug probe type"),
        ("ours:one,target=nonsense", AddressError, "nonsense not recognized"),
        ("ours:one,core=7", AddressError, "no such core; there are: 0"),
        ("ours:one,core=x", AddressError, "'x' is no number"),
        ("ours:one,halt=yes", AddressError, "no option 'halt=yes'; there are: target, freq"),
    ],
)
def test_what_cannot_be_opened_says_why(
    chip: Chip, where: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        open_region(f"pyocd:{where}{WINDOW}")
    assert InProcess.opened == []
    assert not chip.halts()


def test_no_probe_at_all(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROBE_CLASSES.keys() - {"ours"}:  # which would look for them on USB
        monkeypatch.delitem(PROBE_CLASSES, name)
    InProcess.ports.clear()
    with pytest.raises(RemoteGone, match="no debug probe is connected: pyocd list"):
        open_region(f"pyocd:{WINDOW}")


def test_one_of_several_probes(chip: Chip) -> None:
    InProcess.ports["other"] = DebugPort(chip)
    with pytest.raises(AddressError, match=r"several probes match 'ours:o'; there are: one, other"):
        open_region(f"pyocd:ours:o{WINDOW}")


def test_a_probe_in_use(chip: Chip, session: Session) -> None:
    with pytest.raises(RemoteGone, match="does not reach the target: the probe is in use"):
        open_region(f"pyocd:ours:one{WINDOW}")


def test_a_target_without_power(chip: Chip) -> None:
    InProcess.ports["one"].present = False
    with pytest.raises(RemoteGone, match="does not reach the target: no acknowledgement"):
        open_region(f"pyocd:ours:one{WINDOW}")
    assert InProcess.opened == []


def test_the_size_is_said() -> None:
    with pytest.raises(AddressError, match="how large"):
        open_region("pyocd:ours:one")
