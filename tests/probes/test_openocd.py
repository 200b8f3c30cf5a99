"""A real OpenOCD, from its Tcl port to the pins of a probe, over memory that somebody else sees."""

import contextlib
import mmap
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mboxio
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions import Region, open_region
from mboxio.regions.probes.openocd import OpenOcd
from tests.hardening.support import until
from tests.probes.chip import RAM
from tests.tools import tool

pytestmark = pytest.mark.once  # regions are never compiled

SIZE = 1 << 16
CONFIGURATION = """
adapter driver remote_bitbang
remote_bitbang port 0
remote_bitbang host {folder}/pins
transport select jtag
tcl_port {port}
telnet_port disabled
gdb_port disabled
bindto 127.0.0.1
jtag newtap mcu cpu -irlen 4 -expected-id 0x4ba00477
dap create mcu.dap -chain-position mcu.cpu
target create mcu.ram {target}
{more}
init
"""
MEMORY = "mem_ap -dap mcu.dap -ap-num 0"
SECOND = "target create mcu.none mem_ap -dap mcu.dap -ap-num 1"


class Server:
    """A running OpenOCD.

    Args:
        process: it.
        pins: the program with the chip.
        port: the number of its Tcl port.
        memory: the chip's memory.
    """

    def __init__(
        self,
        process: "subprocess.Popen[str]",
        pins: "subprocess.Popen[str]",
        port: int,
        memory: mmap.mmap,
    ) -> None:
        self.process, self.pins, self.port, self.memory = process, pins, port, memory

    def region(self, more: str = "", offset: int = 0, size: int = 0x1000) -> Region:
        return open_region(f"openocd:127.0.0.1:{self.port}{more}@{RAM + offset:#x}+{size:#x}")


def line_with(process: "subprocess.Popen[str]", needle: str) -> str:
    """Return the first line in which this stands; those before it are in the error."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if needle in line:
            return line
        said.append(line)
    raise AssertionError("".join(said))


@contextlib.contextmanager
def serving(folder: Path, more: str = "", target: str = MEMORY, port: int = 0) -> Iterator[Server]:
    """Start an OpenOCD with a chip behind it; both end by their own process ids.

    Args:
        folder: for its files; the memory of the chip, ``ram``, is kept if it is there.
        more: further commands.
        target: what the chip is for OpenOCD.
        port: for Tcl; 0: any.
    """
    path = tool("openocd")
    (folder / "pins").unlink(missing_ok=True)
    (folder / "ram").touch()
    with (folder / "ram").open("r+b") as file, contextlib.ExitStack() as stack:
        file.truncate(SIZE)
        memory = mmap.mmap(file.fileno(), 0)
        pins = subprocess.Popen(
            [sys.executable, "-m", "tests.probes.bitbang", str(folder / "pins"), file.name],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        stack.callback(end, pins)
        line_with(pins, "ready")
        (folder / "openocd.cfg").write_text(
            CONFIGURATION.format(folder=folder, more=more, target=target, port=port)
        )
        with (folder / "openocd.log").open("w") as log:  # it tells all that it is asked
            process = subprocess.Popen(
                [path, "-f", str(folder / "openocd.cfg")], stdout=log, stderr=log, text=True
            )
        stack.callback(end, process)
        listens = re.compile(r"port (\d+) for tcl connections")
        said = (folder / "openocd.log").read_text
        until(lambda: listens.search(said()) is not None or process.poll() is not None)
        found = listens.search(said())
        assert found is not None, said()
        yield Server(process, pins, int(found[1]), memory)
        memory.close()


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as running:
        yield running


def test_accesses_of_every_width(server: Server) -> None:
    with server.region() as region:
        assert 0 < region.access_s < 5
        region.write(0, 0x12345678, 4)
        region.write(4, 0xABCD, 2)
        region.write(7, 0x7F, 1)
        assert server.memory[:8] == bytes.fromhex("78563412cdab007f")
        assert [region.read(2, 2), region.read(7, 1), region.read(4, 4)] == [
            0x1234,
            0x7F,
            0x7F00ABCD,
        ]
        with pytest.raises(RemoteError, match="failed to read memory"):
            region.read(8, 8)  # since 0.13, where the bus does it
        assert region.read(0, 4) == 0x12345678


def test_blocks_are_in_order_and_whole(server: Server) -> None:
    words = [0x9E37_79B1 * number & 0xFFFF_FFFF for number in range(2500)]
    with server.region(offset=0x20, size=0x4000) as region:
        region.write_words(4, words)
        assert server.memory[0x24 : 0x24 + 4 * len(words)] == b"".join(
            word.to_bytes(4, "little") for word in words
        )
        assert region.read_words(4, len(words)) == words
        assert region.read_words(0, 1) == [0]


def test_what_the_other_side_writes_is_seen_at_once(server: Server) -> None:
    with server.region() as region:
        for number in range(20):
            server.memory[0:4] = number.to_bytes(4, "little")
            assert region.read(0, 4) == number


def test_an_access_that_the_bus_refuses(server: Server) -> None:
    with server.region(offset=SIZE, size=0x100) as nothing, server.region() as region:
        for access in (
            lambda: nothing.read(0, 4),
            lambda: nothing.write(0, 1, 4),
            lambda: nothing.read_words(0, 8),
            lambda: nothing.write_words(0, [1, 2]),
        ):
            with pytest.raises(RemoteError, match=r"failed to (read|write) memory'; OpenOCD takes"):
                access()
            assert not nothing.lost
            region.write(0, 5, 4)
            assert region.read(0, 4) == 5


def test_the_end_of_openocd_is_noticed(server: Server) -> None:
    with server.region() as region:
        server.process.kill()
        server.process.wait()
        with pytest.raises(RemoteGone, match="is gone"):
            region.read(0, 4)
        assert region.lost
        with pytest.raises(RemoteGone, match="nobody answers"):
            region.reopen()


def test_it_may_be_asked_to_end(server: Server) -> None:
    with server.region() as region:
        link = region.link  # type: ignore[attr-defined]
        with pytest.raises(RemoteGone):
            link.ask("shutdown")
        assert region.lost


def test_a_probe_that_is_unplugged(server: Server) -> None:
    with server.region() as region:
        server.pins.kill()
        server.pins.wait()
        with pytest.raises((RemoteError, RemoteGone)):
            region.read(0, 4)


def test_one_of_several_targets(tmp_path: Path) -> None:
    with serving(tmp_path, SECOND) as server:
        with pytest.raises(AddressError, match=r"there are: mcu\.ram mcu\.none$"):
            server.region()
        with server.region(",target=mcu.ram") as region:
            link = region.link  # type: ignore[attr-defined]
            assert isinstance(link, OpenOcd)
            assert link.ask("target current") == "mcu.none", "which is not what was asked for"
            region.write(0, 7, 4)
            assert server.memory[0] == 7


def test_tcl_does_not_see_what_a_command_says(server: Server) -> None:
    with server.region() as region:
        link = region.link  # type: ignore[attr-defined]
        assert link.ask("version").startswith("Open On-Chip Debugger 0.")
        assert link.ask("set nasty {[shutdown] $x {y} \\} 1 0}").startswith("[shutdown] $x")
        with pytest.raises(RemoteError, match="invalid command name"):
            link.ask("no_such_command")
        assert region.read(0, 4) == 0


def test_a_driver_works_over_it(server: Server) -> None:
    """Two sides of a mailbox unit, as far as memory can be one."""
    with mboxio.connect(f"mhu:?at=openocd:127.0.0.1:{server.port}@{RAM:#x}%2B0x20") as connection:
        assert connection.stats()["0"].in_flight == 0
        connection.client(2).ring()
        assert int.from_bytes(server.memory[0x14:0x18], "little") == 4
