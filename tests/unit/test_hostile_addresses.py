"""Addresses of somebody who means harm: one line, before anything is opened, sent or waited for."""

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

import mboxio
from mboxio import AddressError
from mboxio.address.address import Address
from mboxio.regions import open_region
from mboxio.regions.probes.serial import SerialPort

pytestmark = pytest.mark.once  # addresses are never compiled

CONTROLS = ["\n", "\r", "\0", "\x1b", "\x7f", "\x9b", "\x85", "\u202e", "\u2028", "\t"]

PLACES = [
    "shm:a{}b",
    "shm:a/b{}",
    "loopback:?dep{}th=1",
    "bcm2835:?at=qtest:/nowhere,irq_in=/x{}outb,line=1@0+4",
    "exynos_mbox:x?at=file:/tmp/{}",
    "dt:/x{}y",
    "dt:/x?dtb=/x{}",
    "no{}body:x",
]


@pytest.mark.parametrize("control", [*CONTROLS, *map(quote, CONTROLS)])
@pytest.mark.parametrize("place", PLACES)
def test_control_characters_are_refused_everywhere(place: str, control: str) -> None:
    if control.startswith("%") and "?" not in place:
        place = f"{place.format('')}?{{}}=1"  # only options are decoded
    with pytest.raises(AddressError, match="has a control character") as caught:
        mboxio.connect(place.format(control))
    assert str(caught.value).isprintable()
    assert ascii(unquote(control))[1:-1] in str(caught.value)


def test_a_device_tree_brings_none_in_either() -> None:
    with pytest.raises(AddressError, match=r"has a control character, '\\n'"):
        Address("bcm2835", "", "", {"at": "uio:a\nb"})


@pytest.mark.parametrize("control", CONTROLS)
def test_a_region_has_none(control: str) -> None:
    with pytest.raises(AddressError, match="has a control character"):
        open_region(f"qtest:/nowhere,irq_in=/x{control}outb,line=0@0+4")


@pytest.mark.parametrize("option", ["irq_in", "irq_out"])
def test_what_qemu_is_told_is_one_word(option: str) -> None:
    with pytest.raises(AddressError, match="is no path of a device"):
        open_region(f"qtest:/nowhere,{option}=/x y,line=0@0+4")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


THINGS: dict[str, Callable[[Path], object]] = {
    "a FIFO": _fifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a character device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", THINGS)
def test_a_file_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    THINGS[kind](tmp_path / "x")
    with pytest.raises(AddressError, match=f"x is {kind}, and has to be a regular file$"):
        open_region(f"file:{tmp_path}/x@0+4")


@pytest.mark.parametrize("kind", [each for each in THINGS if each != "a character device"])
def test_the_device_of_vcio_is_a_device(tmp_path: Path, kind: str) -> None:
    THINGS[kind](tmp_path / "x")
    with pytest.raises(AddressError, match=f"x is {kind}, and has to be a character device$"):
        mboxio.connect(f"vcio:?device={tmp_path}/x")


@pytest.mark.parametrize("kind", [each for each in THINGS if each != "a folder"])
def test_a_device_tree_is_a_file_or_a_folder(tmp_path: Path, kind: str) -> None:
    THINGS[kind](tmp_path / "x")
    with pytest.raises(AddressError, match="/x is neither a file nor"):
        mboxio.connect(f"dt:/x?dtb={tmp_path}/x")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is opened meanwhile."""
    paths: list[str] = []
    real = os.open

    def note(path: str, *arguments: int, **more: int) -> int:
        paths.append(str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, "open", note)
    return paths


def test_a_device_that_is_no_serial_port_is_not_even_opened(opened: list[str]) -> None:
    """To open some of them does something: a watchdog starts."""
    with pytest.raises(AddressError, match="/dev/zero is no serial port"):
        open_region("gdb:/dev/zero@0+4")
    assert "/dev/zero" not in opened


def test_a_pseudo_terminal_is_a_serial_port() -> None:
    ours, theirs = pty.openpty()
    port = SerialPort(os.ttyname(theirs), 1.0)
    port.close()
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("loopback:?channels=3000000", "option channels=3000000: write a number from"),
        ("loopback:?depth=3000000", "option depth=3000000: write a number from"),
        ("loopback:?message_bytes=0x80000000", "option message_bytes=.*: write a number from"),
        ("shm:x?spin_s=100000", "option spin_s=100000.0: spinning keeps a CPU busy, 1 s at most"),
        ("acpm:?spin_s=1.5&at=file:/x", "option spin_s=1.5: spinning keeps a CPU busy"),
        ("bcm2835:?at=gdb:localhost:65536@0%2B0x100", "a port is 1 to 65535"),
        (f"bcm2835:?at=gdb:localhost:{'9' * 6000}@0%2B0x100", "a port is 1 to 65535"),
        ("bcm2835:?at=gdb:localhost:0@0%2B0x100", "a port is 1 to 65535"),
        (f"bcm2835:?at=uio:{'9' * 6000}", "is no number of a device"),
        (f"bcm2835:?at=gdb:localhost:1,attach=0x1{'0' * 20}@0%2B0x100", "is more than 64 bits"),
        (f"loopback:{'x' * 20000}", "an address has 16384 characters at most"),
    ],
)
def test_numbers_have_limits(address: str, says: str) -> None:
    with pytest.raises(AddressError, match=says) as caught:
        mboxio.connect(address)
    assert len(str(caught.value)) < 300


# -- files that others can make shorter


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(bytes(4096))
    return path


@pytest.mark.parametrize(
    ("owner", "mode", "says"),
    [
        (4321, 0o644, "user 4321 can write it"),
        (None, 0o666, "everybody can write it"),
        (None, 0o664, r"its group \(4321\) can write it"),
    ],
)
def test_a_file_that_others_can_write_is_refused(
    image: Path, owner: int | None, mode: int, says: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(image, os.geteuid() if owner is None else owner, 4321)
    image.chmod(mode)
    with pytest.raises(AddressError, match=f"{says}, and to make it shorter would end this"):
        open_region(f"file:{image}")
    with open_region(f"file:{image},trusted=yes@0x100+0x40") as region:
        region.write(0, 7, 4)
    assert image.read_bytes()[0x100] == 7


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_of_ones_own_is_mapped(image: Path, mode: int) -> None:
    image.chmod(mode)
    with open_region(f"file:{image}") as region:
        assert region.size_bytes == 4096


def test_memory_that_cannot_shrink_is_mapped_whoever_can_write_it() -> None:
    import fcntl

    descriptor = os.memfd_create("image", os.MFD_ALLOW_SEALING)
    os.truncate(descriptor, 4096)
    os.fchmod(descriptor, 0o666)
    path = f"/proc/self/fd/{descriptor}"
    with pytest.raises(AddressError, match="everybody can write it"):
        open_region(f"file:{path}")
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    with open_region(f"file:{path}") as region:
        assert region.size_bytes == 4096
    os.close(descriptor)


def test_a_file_of_ones_own_that_is_made_shorter_ends_the_program(image: Path) -> None:
    """As documented: what this user's programs do is not guarded against, and nothing can be."""
    program = (
        "import os, sys; from mboxio.regions import open_region; region = open_region(sys.argv[1]);"
        "os.truncate(sys.argv[1][5:], 0); region.read(0, 4)"
    )
    ended = subprocess.run([sys.executable, "-c", program, f"file:{image}"], check=False)
    assert ended.returncode == -signal.SIGBUS
