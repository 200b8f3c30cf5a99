"""One host on one window, in all programs together; the far side is no second user."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio import AddressError, Connection, RemoteError
from mboxio.controllers.arm_mhu import Mhu
from mboxio.controllers.bcm2835 import Bcm2835
from mboxio.controllers.exynos_mbox import ExynosMailbox
from mboxio.regions import Memory, uio
from mboxio.remote.acpm import AcpmRemote
from mboxio.sim.videocore import VideoCore
from tests.io.stubs import FakeGdb
from tests.tools import fork

EMPTY = (1 << 30).to_bytes(4, "little")
"""What the status of a VideoCore mailbox says while there is nothing in it."""
INSTEAD = "already: two hosts take each other's answers: end the other, or add shared=yes"


@pytest.fixture
def sram(tmp_path: Path) -> Iterator[str]:
    """Serve an SRAM with two channels, as firmware does."""
    path = str(tmp_path / "sram")
    firmware = AcpmRemote(f"file:{path}")
    for _ in range(2):
        firmware.channel(lambda message: message)
    with firmware:
        yield f"file:{path}"


@pytest.fixture
def registers(tmp_path: Path) -> str:
    (tmp_path / "registers").write_bytes(EMPTY * 0x400)
    return f"file:{tmp_path / 'registers'}"


def tried(address: str) -> str:
    """Open an address in another program, and return the last line of what it says."""
    code = "import sys, mboxio; mboxio.open(sys.argv[1]).close()"
    program = [sys.executable, "-c", code, address]
    return subprocess.run(program, stderr=subprocess.PIPE, text=True).stderr.rstrip()[-400:]


def test_two_programs_on_one_channel(sram: str) -> None:
    address = f"acpm:/0?at={sram}"
    with mboxio.open(address) as client:
        said = tried(address)
        assert f"pid {os.getpid()} (" in said
        assert f"uses channel 0 of {sram.removeprefix('file:')} {INSTEAD}" in said
        assert tried(f"{address}&shared=yes") == "", "the way out that the text names"
        assert tried(f"acpm:/1?at={sram}") == "", "another channel may be another driver's"
        assert client.request(bytes(16))[4:] == bytes(12)
    assert tried(address) == ""
    mboxio.open(address).close()


def test_two_connections_on_one_channel(sram: str) -> None:
    with mboxio.open(f"acpm:/0?at={sram}") as client:
        with pytest.raises(AddressError, match="another connection of this process uses channel 0"):
            mboxio.open(f"acpm:/0?at={sram}")
        with mboxio.connect(f"acpm:?at={sram}") as looking:
            assert len(looking._host.channels) == 2, "looking takes nothing"
        assert client.request(bytes(16))[4:] == bytes(12)


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("exynos_mbox:?at=REGISTERS", "exynos_mbox:?at=REGISTERS", True),
        ("exynos_mbox:?at=REGISTERS", "mhu:?at=REGISTERS", True),
        ("exynos_mbox:?at=REGISTERS", "exynos_mbox:?at=REGISTERS@0x100", False),
        ("bcm2835:?at=REGISTERS", "bcm2835:?at=REGISTERS@0x20", True),
        ("bcm2835:?at=REGISTERS", "bcm2835:?at=REGISTERS@0x40", False),
        ("bcm2835:?at=REGISTERS&shared=yes", "bcm2835:?at=REGISTERS", False),
        (
            "bcm2835:?at=REGISTERS&pool=REGISTERS@0x400+0x400&bus=0&slots=1",
            "bcm2835:?at=REGISTERS@0x40&pool=REGISTERS@0x500+0x400&bus=0&slots=1",
            True,
        ),
        ("mhu:?at=REGISTERS", "mhu:?at=REGISTERS", True),
        ("mhu:?at=REGISTERS", "mhu:?at=REGISTERS&side=1", False),
        ("mhu:?at=REGISTERS&layout=v1-low", "mhu:?at=REGISTERS&layout=v1-high", False),
    ],
)
def test_registers_have_one_host(registers: str, first: str, second: str, refused: bool) -> None:
    with mboxio.connect(first.replace("REGISTERS", registers)):
        before = Path(registers.removeprefix("file:")).read_bytes()
        if refused:
            with pytest.raises(AddressError, match=INSTEAD):
                mboxio.connect(second.replace("REGISTERS", registers))
            assert Path(registers.removeprefix("file:")).read_bytes() == before
        else:
            mboxio.connect(second.replace("REGISTERS", registers)).close()
    mboxio.connect(second.replace("REGISTERS", registers)).close()


def test_a_region_of_ones_own_has_one_host() -> None:
    core = VideoCore()
    block = Memory(bytearray(0x1000))
    with Connection(Bcm2835(region=core.registers)), Connection(ExynosMailbox(region=block)):
        with pytest.raises(AddressError, match=f"this process uses the registers of .*{INSTEAD}"):
            Connection(Bcm2835(region=core.registers))
        with pytest.raises(AddressError, match=INSTEAD):
            Connection(Mhu(region=block))
        Connection(Bcm2835(region=core.registers, options=Bcm2835.Options(shared=True))).close()
    Connection(Bcm2835(region=core.registers)).close()


def test_two_names_of_one_uio_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uio, "ROOT", tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/uio3").write_bytes(EMPTY * 0x800)
    for number in (0, 1):
        folder = tmp_path / f"sys/class/uio/uio3/maps/map{number}"
        folder.mkdir(parents=True)
        for what, value in (("addr", 0x1000), ("size", 0x1000), ("offset", 0)):
            (folder / what).write_text(f"{value:#x}\n")
    (tmp_path / "sys/class/uio/uio3/name").write_text("mailbox\n")
    with mboxio.connect("bcm2835:?at=uio:3"):
        with pytest.raises(AddressError, match=INSTEAD):
            mboxio.connect("bcm2835:?at=uio:mailbox")
        mboxio.connect("bcm2835:?at=uio:mailbox/1").close()


def test_two_windows_of_one_probe(tmp_path: Path) -> None:
    with FakeGdb(tmp_path) as stub:
        at = f"mhu:?at=gdb:{stub.path}"
        with mboxio.connect(f"{at}@0x1000+0x20"):
            with pytest.raises(AddressError, match=INSTEAD):
                mboxio.connect(f"{at},verify=yes@0x1000+0x40")
            mboxio.connect(f"{at}@0x1040+0x20").close()
        mboxio.connect(f"{at}@0x1000+0x20").close()


def test_a_child_takes_nothing_from_its_parent_and_keeps_nothing(sram: str) -> None:
    address = f"acpm:/0?at={sram}"
    client = mboxio.open(address)
    told, tell = os.pipe()
    ready, begun = os.pipe()
    child = fork()
    if child == 0:
        os.close(tell)
        os.write(begun, b"x")
        os.read(told, 1)  # until the parent has looked
        os._exit(0)
    try:
        os.read(ready, 1)
        assert INSTEAD in tried(address)
        client.close()
        mboxio.open(address).close()
    finally:
        for descriptor in (told, tell, ready, begun):
            os.close(descriptor)
        os.waitpid(child, 0)


def test_a_lie_in_memory_that_anybody_may_map_mentions_others(sram: str) -> None:
    with mboxio.open(f"acpm:/0?at={sram}", timeout_s=20.0) as client:
        layout = client._host.controller.descriptor.layout.channels[0]  # type: ignore[attr-defined]
        with mboxio.regions.open_region(sram) as other:
            other.write(layout.to_host.front, 0xFFFF, 4)
        with pytest.raises(RemoteError, match=r"the remote lied: .*, unless another program or"):
            client.request(bytes(16))
