"""What people give in place of a .dtb: each is told as what it is, with what to do."""

import gzip
import lzma
import struct
import subprocess
from pathlib import Path

import pytest

from mboxio import DeviceTreeError
from mboxio.devicetree import DeviceTree, describe
from tests.devicetree.writer import blob
from tests.tools import tool

pytestmark = pytest.mark.once  # trees are never compiled

REAL = (Path(__file__).parent / "files" / "corstone1000-mps3.dtb").read_bytes()
LARGE = 5 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "given"


def told(path: Path) -> str:
    """Return what is told of a file, without its name; it is one line."""
    with pytest.raises(DeviceTreeError) as caught:
        DeviceTree.open(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


# -- compressed


def test_gzip_is_opened(path: Path) -> None:
    path.write_bytes(gzip.compress(REAL))
    assert DeviceTree.open(path).data == REAL


def test_gzip_that_is_damaged(path: Path) -> None:
    packed = gzip.compress(REAL)
    path.write_bytes(packed[:500])
    assert told(path).startswith("a damaged device tree: it has 3224 bytes by its header, here are")
    path.write_bytes(packed[:20] + bytes(50) + packed[70:])
    assert told(path).startswith("compressed with gzip and damaged: ")
    path.write_bytes(packed[:2])
    assert told(path) == "no device tree: compressed with gzip, and what is in it is none"


def test_gzip_of_anything_else(path: Path) -> None:
    path.write_bytes(gzip.compress(b"kernel" * 9) + REAL)
    assert told(path).startswith(
        "no device tree: compressed with gzip, and what is in it is none; a device tree begins at"
    )
    # A few KiB that would be a gigabyte.
    path.write_bytes(gzip.compress(REAL[:4] + bytes(64 << 20)))
    assert "longer than any device tree" in told(path)


def test_other_compressions_are_named(path: Path) -> None:
    path.write_bytes(lzma.compress(REAL))
    assert told(path) == "no device tree: compressed: unpack it with xz -d"


# -- trees within


def zimage(length: int) -> bytes:
    return bytes(0x24) + struct.pack("<3I", 0x016F2818, 0, length) + bytes(length - 0x30)


@pytest.mark.parametrize(
    ("before", "what"),
    [
        (zimage(1234), "a kernel (zImage)"),
        (bytes(0x38) + b"ARM\x64" + bytes(100), "a kernel (Image)"),
        (b"ANDROID!" + bytes(2040), "an Android boot image"),
        (b"VNDRBOOT" + bytes(4088), "an Android vendor boot image"),
        (b"\xd7\xb7\xab\x1e" + bytes(60), "a table of device trees (dtbo.img)"),
        (b"QCDT" + bytes(2044), "a table of device trees (Qualcomm's dt.img)"),
        (b"DTBH" + bytes(2044), "a table of device trees (Samsung's dt.img)"),
        (b"\x27\x05\x19\x56" + bytes(60), "an image for U-Boot (uImage)"),
        (b"\x7fELF" + bytes(60), "a program (ELF)"),
    ],
)
def test_a_tree_in_something_else(path: Path, before: bytes, what: str) -> None:
    path.write_bytes(before + b"more")
    assert told(path) == f"no device tree: {what}"
    # A magic number alone is no tree.
    before += b"\xd0\x0d\xfe\xed" + bytes(40)
    path.write_bytes(before + REAL + REAL + b"more")
    first = len(before)
    assert told(path) == (
        f"no device tree: {what}; a device tree begins at byte {first}: tail -c +{first + 1} takes "
        f"it out; others at {first + len(REAL)}"
    )
    # And it does.
    taken = path.with_name("board.dtb")
    taken.write_bytes(subprocess.check_output(["tail", "-c", f"+{first + 1}", path]))
    assert len(DeviceTree.open(taken).providers()) == len(DeviceTree(REAL).providers())


def test_swapped_words(path: Path) -> None:
    path.write_bytes(b"".join(REAL[at : at + 4][::-1] for at in range(0, len(REAL), 4)))
    assert told(path) == "no device tree: a device tree with the bytes of each word swapped"


def test_a_device_is_not_searched() -> None:
    with pytest.raises(DeviceTreeError, match=r"/dev/zero: no device tree: a \.dtb begins with"):
        DeviceTree.open("/dev/zero")


# -- FIT


PART = {"description": "part", "data": b"part", "type": "kernel"}


def test_a_fit_image_says_which_trees_are_in_it(path: Path) -> None:
    trees = {"fdt-1": {**PART, "type": "flat_dt"}, "fdt-2": {**PART, "type": "flat_dt"}}
    path.write_bytes(blob({"images": {"kernel": PART, **trees}, "configurations": {}}))
    assert told(path) == (
        "a FIT image with the device trees fdt-1 (-p 1), fdt-2 (-p 2): dumpimage -T flat_dt -p 1 "
        "-o board.dtb takes one out"
    )
    path.write_bytes(blob({"images": {"kernel": PART}, "configurations": {}}))
    assert told(path) == "a FIT image without a device tree"


def test_a_large_fit_image(path: Path) -> None:
    images = {"kernel": {**PART, "data": bytes(LARGE)}}
    path.write_bytes(blob({"timestamp": 1, "images": images, "configurations": {}}))
    assert told(path).startswith("a FIT image: dumpimage -l lists its parts")
    path.write_bytes(blob({"data": bytes(LARGE)}))
    assert told(path) == "longer than any device tree: more than 4 MiB"


# -- sources and old ones


@pytest.mark.parametrize(
    ("name", "text", "how"),
    [
        ("a.dts", "/dts-v1/;\n/ { };\n", "dtc"),
        ("given", "// SPDX-License-Identifier: MIT\n/dts-v1/;\n/plugin/;\n", "dtc"),
        ("a.dts", '/* */\n/dts-v1/;\n#include "b.dtsi"\n', "dtc (after cpp, for its #include)"),
        ("b.dtsi", "/ { };\n", "dtc"),
    ],
)
def test_a_source(tmp_path: Path, name: str, text: str, how: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert told(path) == f"no device tree but the source of one: compile it with {how}"


def test_nothing(path: Path) -> None:
    path.write_bytes(b"")
    assert told(path) == "no device tree: there is nothing in it"


@pytest.mark.parametrize("version", [1, 2, 3, 16, 17])
def test_versions_that_dtc_writes(path: Path, version: int) -> None:
    """With what stands before the blocks: reservations of memory, and padding behind."""
    source = "/dts-v1/; /memreserve/ 0x1000 0x2000; / { m: m { #mbox-cells = <1>; };"
    source += " a { mboxes = <&m 5>, <0>; }; };"
    command = [tool("dtc"), "-q", "-V", str(version), "-R", "8", "-p", "512", "-o", str(path)]
    subprocess.run([*command, "-O", "dtb"], input=source, text=True, check=True)
    if version < 16:
        assert told(path).startswith(f"a device tree of version {version} (readable as ")
        again = ["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", str(path), str(path)]
        assert told(path).endswith("dtc -I dtb -O dtb makes 17 of older ones")
        subprocess.run(again, check=True)
    (consumer,) = describe(DeviceTree.open(path), "t")["consumers"]
    assert [each["cells"] for each in consumer["channels"]] == [[5], []]
