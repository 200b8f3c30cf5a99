"""The firmware of the examples: small, made of two headers, and what comes with mboxio."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mboxio.cli.demo.microcontroller import BOARDS, firmware_file
from mboxio.regions.finding.symbols import symbol
from tests.mcu.host import Host
from tests.mcu.machine import EXAMPLE, RISCV, build, running
from tests.tools import HEADER_FOLDER, tool

pytestmark = pytest.mark.once

CODE_MAX, RAM_MAX = 2560, 256
"""For a Cortex-M3: code is all that lies in flash; the rings and the stack do not count as RAM."""
LINES_MAX = 150


def test_it_fits(tmp_path: Path) -> None:
    tool("riscv64-unknown-elf-gcc")
    rows = [line.split() for line in build(tmp_path, "-s", "sizes").splitlines()]
    assert rows[0] == ["processor", "code", "RAM", "rings"]
    sizes = {name: tuple(map(int, numbers)) for name, *numbers in rows[1:]}
    cortex = {f"cortex-m{each}" for each in ("0", "0plus", "3", "4", "33", "55")}
    assert sizes.keys() == cortex | {"rv32imac"}
    code, ram, rings = sizes["cortex-m3"]
    assert code <= CODE_MAX
    assert ram <= RAM_MAX
    assert {each[2] for each in sizes.values()} == {rings} == {2944}
    written = re.findall(r"^\| [^|]+ \| `([^`]+)` \| ([\d,]+) \| (\d+) \|$", readme(), re.M)
    assert len(written) == len(sizes)
    told = {name: (int(code.replace(",", "")), int(ram)) for name, code, ram in written}
    if compiler() in comment(firmware_file("mps2-an385")):  # another one may make a little more
        assert told == {name: each[:2] for name, each in sizes.items()}


def readme() -> str:
    return (EXAMPLE / "README.md").read_text()


def compiler() -> str:
    """Return the version of the compiler, as it writes it into files."""
    said = subprocess.run(
        [tool("arm-none-eabi-gcc"), "--version"], check=True, capture_output=True, text=True
    )
    return said.stdout.splitlines()[0].partition(" ")[2]


def comment(file: str) -> str:
    """Return which compiler made a file."""
    said = subprocess.run(
        [tool("readelf"), "--string-dump=.comment", file],
        check=True,
        capture_output=True,
        text=True,
    )
    return said.stdout


def test_it_is_one_file_and_two_headers() -> None:
    assert len((EXAMPLE / "firmware.c").read_text().splitlines()) <= LINES_MAX
    for board in BOARDS:
        needed = subprocess.run(
            [
                *(tool("arm-none-eabi-gcc"), "-MM", f"-I{HEADER_FOLDER}", "-I."),
                *(f'-DBOARD="boards/{board}.h"', "firmware.c"),
            ],
            cwd=EXAMPLE,
            check=True,
            capture_output=True,
            text=True,
        )
        files = needed.stdout.replace("\\\n", " ").split()[1:]
        ours = {Path(each).name for each in files if str(HEADER_FOLDER) in each}
        assert ours == {"mboxio_ring.h", "mboxio_firmware.h"}
        assert {Path(each).name for each in files} - ours == {
            *("firmware.c", "cortex_m.h", "cmsdk_uart.h", f"{board}.h"),
        }


def test_the_firmware_that_comes_with_mboxio_is_this_one(tmp_path: Path) -> None:
    """Wherever it is built: nothing of place and time is in it."""
    moved = shutil.copytree(EXAMPLE, tmp_path / "somewhere" / "else")
    for out, more in (
        (tmp_path / "here", []),
        (tmp_path / "there", ["-C", str(moved)]),
    ):
        build(out, *more)
        for board in BOARDS:
            shipped = Path(firmware_file(board))
            if compiler() not in comment(str(shipped)):
                pytest.skip(
                    f"another compiler made what comes with mboxio: {comment(str(shipped))}"
                )
            assert (out / f"{board}.elf").read_bytes() == shipped.read_bytes(), (
                "make -C examples/firmware_mcu package"
            )


@pytest.mark.parametrize("board", BOARDS)
def test_the_memory_has_a_symbol(board: str) -> None:
    assert symbol(firmware_file(board), "mboxio_memory") == BOARDS[board].base


@pytest.mark.parametrize("board", ["pico2", "nucleo-f446re"])
def test_it_compiles_for_boards_that_nobody_has_tried(tmp_path: Path, board: str) -> None:
    build(tmp_path, f"BOARDS={board}")
    file = tmp_path / f"{board}.elf"
    assert symbol(str(file), "mboxio_memory") >> 24 == 0x20
    # The boot ROM of an RP2350 looks for this in the first 4 KiB.
    assert (b"\xd3\xde\xff\xff" in file.read_bytes()) == (board == "pico2")


def test_it_may_spin(tmp_path: Path) -> None:
    """Then it is rung by nobody, and answers at once."""
    build(tmp_path, "SPIN=1", "BOARDS=mps2-an385")
    with (
        running(firmware=str(tmp_path / "mps2-an385.elf")) as machine,
        Host(machine) as host,
    ):
        host.quiet = True
        host.meet()
        for tag in range(100):
            assert host.request(b"spin", tag)[1] == tag
        host.beats(2)
        assert not host.slept()


def test_it_runs_on_risc_v(tmp_path: Path) -> None:
    tool("riscv64-unknown-elf-gcc")
    build(tmp_path, "BOARDS=riscv-virt")
    with (
        running(RISCV, firmware=str(tmp_path / "riscv-virt.elf")) as machine,
        Host(machine, probe=True) as host,
    ):
        host.meet()
        for tag in range(100):
            assert host.request(b"RISC-V"[1:], tag) == (3, tag, b"ISC-V")
        assert host.slept()
        epoch = host.layout.epoch
        host.push(b"R")
        host.until(lambda: host.laid_out().epoch == epoch + 1, "it resets itself")
        assert host.meet().request(b"again", 1) == (3, 1, b"again")
        host.push(b"F")
        host.stands_still()
