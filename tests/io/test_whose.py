"""No access: the error says what keeps whom out, and whose it is."""

import os
import pwd
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mboxio
from mboxio import AddressError, DeviceTreeError
from mboxio._os.whose import user, why
from mboxio.controllers.vcio import Vcio, VcioOptions
from mboxio.devicetree import DeviceTree
from mboxio.local.sockets import connect, listen
from mboxio.regions import open_region
from mboxio.regions.devmem import map_physical
from mboxio.regions.probes.serial import SerialPort
from mboxio.regions.uio import UioRegion
from mboxio.remote.acpm import AcpmRemote

NOBODY = pwd.getpwnam("nobody").pw_uid
UNNAMED = 4711
OWNER = "user root (uid 0)"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become others")


@contextmanager
def becoming(uid: int) -> Iterator[None]:
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter, with things of root's that nobody else may use."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "file").write_bytes(bytes(4096))
        (folder / "closed").mkdir(0o700)
        (folder / "closed" / "file").write_bytes(bytes(4096))
        for made in ("sys/class/uio/uio0/maps/map0", "dev"):
            (folder / made).mkdir(parents=True)
        (folder / "sys/class/uio/uio0/name").write_text("board")
        for attribute, value in (("addr", "0x1000"), ("size", "0x1000"), ("offset", "0")):
            (folder / "sys/class/uio/uio0/maps/map0" / attribute).write_text(value)
        for device in ("uio0", "mem"):
            (folder / "dev" / device).write_bytes(bytes(4096))
            (folder / "dev" / device).chmod(0o600)
        (folder / "file").chmod(0o600)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(folder / "socket"))
            (folder / "socket").chmod(0o600)
            listening.listen()
            os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
            yield folder


def firmware(path: str) -> None:
    remote = AcpmRemote(f"file:{path}")
    remote.channel()
    remote.start()


OPENINGS: dict[str, Callable[[Path], object]] = {
    "file": lambda folder: open_region(f"file:{folder}/file"),
    "closed": lambda folder: open_region(f"file:{folder}/closed/file"),
    "qtest": lambda folder: open_region(f"qtest:{folder}/socket@0+4"),
    "gdb": lambda folder: open_region(f"gdb:{folder}/socket@0+4"),
    "uio": lambda folder: UioRegion("board", root=folder),
    "devmem": lambda folder: map_physical(0x1000, 4, root=folder),
    "serial": lambda folder: SerialPort(str(folder / "file"), 1.0),
    "vcio": lambda folder: mboxio.Connection(Vcio("", VcioOptions(device=f"{folder}/device"))),
    "tree": lambda folder: DeviceTree.open(folder / "file"),
    "tree in a closed folder": lambda folder: DeviceTree.open(folder / "closed" / "file"),
    "firmware's file": lambda folder: firmware(f"{folder}/file"),
    "firmware's new file": lambda folder: firmware(f"{folder}/new"),
}
AT = {
    "closed": "closed",
    "tree in a closed folder": "closed",
    "qtest": "socket",
    "gdb": "socket",
    "uio": "dev/uio0",
    "devmem": "dev/mem",
    "vcio": "device",
    "firmware's new file": "",
}


@as_root
@pytest.mark.parametrize("opening", OPENINGS)
def test_what_belongs_to_somebody_else_is_told_with_its_owner(public: Path, opening: str) -> None:
    with becoming(NOBODY), pytest.raises(AddressError) as caught:
        OPENINGS[opening](public)
    text = str(caught.value)
    at = str(public / AT.get(opening, "file"))
    assert f"Permission denied: {at} belongs to {OWNER}, mode " in text
    assert f"and this is {user(NOBODY)}" in text
    assert f"(uid {NOBODY})" in text
    assert "\n" not in text
    assert not isinstance(caught.value, DeviceTreeError)


@as_root
def test_a_group_that_would_help_is_named(public: Path) -> None:
    (public / "file").chmod(0o660)
    os.chown(public / "file", 0, 44)  # as many devices: video
    with becoming(NOBODY), pytest.raises(AddressError, match=r"\(uid 0\) and group \w+, mode 660"):
        open_region(f"file:{public}/file")


@as_root
@pytest.mark.parametrize("verb", [connect, listen])
def test_a_folder_for_sockets_that_is_somebody_elses(
    public: Path, monkeypatch: pytest.MonkeyPatch, verb: Callable[[str], object]
) -> None:
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(public / "closed"))
    with becoming(NOBODY), pytest.raises(AddressError) as caught:
        verb("board")
    assert f"{public}/closed belongs to {OWNER}, and this is {user(NOBODY)}" in str(caught.value)


@as_root
@pytest.mark.parametrize("verb", [connect, listen])
def test_a_folder_for_sockets_that_is_out_of_reach(
    public: Path, monkeypatch: pytest.MonkeyPatch, verb: Callable[[str], object]
) -> None:
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(public / "closed" / "below"))
    with becoming(NOBODY), pytest.raises(AddressError) as caught:
        verb("board")
    assert f"{public}/closed belongs to {OWNER}, mode 700" in str(caught.value)


@as_root
def test_a_folder_for_sockets_that_may_not_be_made(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(public / "new"))
    with becoming(NOBODY), pytest.raises(AddressError) as caught:
        listen("board")
    assert f"cannot be made: Permission denied: {public} belongs to {OWNER}" in str(caught.value)


@as_root
def test_a_socket_of_root_in_a_folder_of_ones_own(
    public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = public / "mine"
    folder.mkdir(0o700)
    os.chown(folder, NOBODY, -1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(folder / "board.sock"))
        (folder / "board.sock").chmod(0o600)
        listening.listen()
        monkeypatch.setenv("MBOXIO_RUNTIME_DIR", str(folder))
        with becoming(NOBODY), pytest.raises(AddressError) as caught:
            connect("board")
    text = str(caught.value)
    assert text.startswith("no access to shm:board: Permission denied: ")
    assert f"{folder}/board.sock belongs to {OWNER}, mode 600" in text


def test_users_without_a_name_and_errors_that_nobody_caused() -> None:
    assert user(UNNAMED) == "user 4711"
    assert user(0) == OWNER
    assert why(FileNotFoundError(2, "No such file"), "/none") == "No such file"
