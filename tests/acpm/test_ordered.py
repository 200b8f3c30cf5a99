"""On a machine that needs fences, the pure build shares no SRAM, whatever way leads there."""

import mmap
import platform
from pathlib import Path

import pytest

import mboxio
from mboxio.controllers.acpm import layout as acpm
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.regions import Kind, devmem, uio
from mboxio.regions.files import MappedFile
from mboxio.remote.acpm import AcpmRemote
from mboxio.ring import implementations
from mboxio.sim.words_only import WordsOnly

from .support import BASE, Board

PURE = len(implementations()) == 1
PLAN = acpm.plan((AcpmSpec(8, 16),), BASE)
AT = 0x1000
MACHINES = ["aarch64", "armv7l", "riscv64"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Describe one SRAM in a file, in /dev/mem and in a UIO device of a file system."""
    maps = tmp_path / "sys/class/uio/uio0/maps/map0"
    for folder in (tmp_path / "dev", tmp_path / "proc", maps):
        folder.mkdir(parents=True)
    (tmp_path / "proc/iomem").write_text("10000000-1fffffff : System RAM\n")
    (maps / "size").write_text(hex(mmap.PAGESIZE))
    (maps / "offset").write_text("0x0")
    monkeypatch.setattr(devmem, "ROOT", tmp_path)
    monkeypatch.setattr(uio, "ROOT", tmp_path)
    for path, start in (("sram", 0), ("dev/uio0", 0), ("dev/mem", AT)):
        file = tmp_path / path
        file.write_bytes(bytes(start + mmap.PAGESIZE))
        with MappedFile(str(file), start) as region:
            acpm.write(region, PLAN)
    return tmp_path


@pytest.mark.parametrize("at", ["file:{}/sram", "uio:0/0", f"devmem:{AT:#x}+{mmap.PAGESIZE:#x}"])
@pytest.mark.parametrize("machine", [platform.machine(), *MACHINES])
def test_a_host_shares_no_sram(
    root: Path, monkeypatch: pytest.MonkeyPatch, machine: str, at: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    address = f"acpm:/0?at={at.format(root)}&base={BASE}"
    if PURE and machine in MACHINES:
        with pytest.raises(RuntimeError, match=f"cannot share rings on {machine}"):
            mboxio.open(address)
        with pytest.raises(RuntimeError, match="install the compiled build"):
            mboxio.connect(address.replace("/0", ""))
    else:
        with mboxio.open(address) as client:
            assert client._channel.name == "0"


@pytest.mark.parametrize("machine", MACHINES)
def test_firmware_shares_no_file(root: Path, monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    remote = AcpmRemote(f"file:{root}/sram")
    remote.channel(slots=8)
    if PURE:
        with pytest.raises(RuntimeError, match=machine):
            remote.start()
    else:
        with remote:
            assert remote.srams


@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
def test_what_is_reached_by_one_access_after_the_other_needs_no_fence(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    region = WordsOnly(PLAN.size_bytes, kind)
    acpm.write(region, PLAN)
    if PURE and kind is Kind.DEVICE:
        with pytest.raises(RuntimeError, match="aarch64"):
            Board(AcpmSpec(8, 16), region=region)
    else:
        with Board(AcpmSpec(8, 16), region=region).connect() as connection:
            assert connection.client(0)._channel.name == "0"
