"""The number of buffers stands in the file of the firmware, wherever the kernel looks for it."""

from pathlib import Path

import pytest

from mboxio.controllers.rpmsg.buffers import buffers_of
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.rpmsg.image import make_image
from mboxio.rpmsg.table import VirtioDevice, Vring, pack_table


def firmware(num: int) -> bytes:
    ring = Vring(0xFFFF_FFFF, num, 4096)
    table = pack_table([VirtioDevice((ring, ring))])
    return make_image(table, 0x1000, 0, len(table))


@pytest.fixture
def processor(tmp_path: Path) -> Path:
    folder = tmp_path / "sys/class/remoteproc/remoteproc0"
    folder.mkdir(parents=True)
    (folder / "firmware").write_text("vendor/core.elf\n")
    return folder


def put(root: Path, folder: str, image: bytes) -> None:
    path = root / folder / "vendor/core.elf"
    path.parent.mkdir(parents=True)
    path.write_bytes(image)


@pytest.mark.parametrize(("num", "buffers"), [(16, 16), (256, 256), (1024, 256)])
def test_as_many_as_the_table_says(tmp_path: Path, processor: Path, num: int, buffers: int) -> None:
    put(tmp_path, "lib/firmware", firmware(num))
    assert buffers_of(System(tmp_path), processor) == buffers


def test_the_folder_that_the_kernel_was_told_comes_first(tmp_path: Path, processor: Path) -> None:
    put(tmp_path, "lib/firmware", firmware(16))
    put(tmp_path, "run/images", firmware(32))
    told = tmp_path / "sys/module/firmware_class/parameters/path"
    told.parent.mkdir(parents=True)
    told.write_text("/run/images\n")
    assert buffers_of(System(tmp_path), processor) == 32


def test_what_cannot_be_known(tmp_path: Path, processor: Path) -> None:
    system = System(tmp_path)
    assert buffers_of(system, None) is None
    assert buffers_of(system, processor) is None
    put(tmp_path, "lib/firmware", b"no ELF file")
    assert buffers_of(system, processor) is None
    (processor / "firmware").unlink()
    assert buffers_of(system, processor) is None
