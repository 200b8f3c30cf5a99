"""What is given in place of a device tree, and how the tree is got out of it.

Magic numbers: Linux Documentation/arch/arm/booting.rst and arm64/booting.rst, AOSP bootimg.h and
dt_table.h, U-Boot image.h and doc/usage/fit.
"""

import os
import re
import stat
import struct
from typing import BinaryIO

from mboxio._base.texts import remote_text
from mboxio.devicetree.blob import BYTES_MAX, MAGIC, VERSION_MAX, VERSION_MIN, Node
from mboxio.errors import DeviceTreeError

__all__ = ["GZIP", "HEAD_BYTES", "explain", "fit", "long_fit", "unpack"]

HEAD_BYTES = 4096
SEARCHED_BYTES = 64 << 20
"""Kernels and images for booting are shorter; who names a disk does not wait for it."""

GZIP = b"\x1f\x8b"
KINDS = (
    (0, b"\xd7\xb7\xab\x1e", "a table of device trees (dtbo.img)"),
    (0, b"QCDT", "a table of device trees (Qualcomm's dt.img)"),
    (0, b"DTBH", "a table of device trees (Samsung's dt.img)"),
    (0, b"ANDROID!", "an Android boot image"),
    (0, b"VNDRBOOT", "an Android vendor boot image"),
    (0, b"\x27\x05\x19\x56", "an image for U-Boot (uImage)"),
    (0x24, b"\x18\x28\x6f\x01", "a kernel (zImage)"),
    (0x38, b"ARM\x64", "a kernel (Image)"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"\xed\xfe\x0d\xd0", "a device tree with the bytes of each word swapped"),
    (0, b"\xfd7zXZ\0", "compressed: unpack it with xz -d"),
    (0, b"\x28\xb5\x2f\xfd", "compressed: unpack it with zstd -d"),
    (0, b"\x04\x22\x4d\x18", "compressed: unpack it with lz4 -d"),
    (0, b"\x02\x21\x4c\x18", "compressed: unpack it with lz4 -d"),
    (0, b"BZh", "compressed: unpack it with bzip2 -d"),
    (0, b"PK\3\4", "an archive: unpack it with unzip"),
)
"""Where in a file, what stands there, and what that is."""

SOURCE = re.compile(rb"^\s*/(dts-v1|plugin)/\s*;", re.MULTILINE)
SOURCE_NAMES = (".dts", ".dtsi", ".dtso")
HEADER = struct.Struct(">7I")


def explain(head: bytes, file: BinaryIO, name: str) -> str:
    """Say what a file is that does not begin like a device tree.

    Args:
        head: its first bytes.
        file: the file.
        name: what it is called.
    """
    what = next((what for at, magic, what in KINDS if head.startswith(magic, at)), None)
    if head.startswith(GZIP):
        what = "compressed with gzip, and what is in it is none"
    if not head:
        return "no device tree: there is nothing in it"
    if b"\0" not in head and (SOURCE.search(head) or name.endswith(SOURCE_NAMES)):
        include = " (after cpp, for its #include)" if b"#include" in head else ""
        return f"no device tree but the source of one: compile it with dtc{include}"
    if what is None:
        return "no device tree: a .dtb begins with d0 0d fe ed"
    return f"no device tree: {what}{_where(file)}"


def _where(file: BinaryIO) -> str:
    """Say where in a file there are device trees."""
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return ""
    file.seek(0)
    data = file.read(SEARCHED_BYTES)
    magic = MAGIC.to_bytes(4)
    found: list[int] = []
    at = data.find(magic)
    while at >= 0:
        total = _total(data, at)
        if total:
            found.append(at)
        at = data.find(magic, at + max(total, len(magic)))
    if not found:
        return ""
    first = f"; a device tree begins at byte {found[0]}: tail -c +{found[0] + 1} takes it out"
    others = ", ".join(map(str, found[1:9]))
    return first + (f"; others at {others}" if others else "") + (" …" if len(found) > 9 else "")


def _total(data: bytes, at: int) -> int:
    """Return the length of the device tree at a place; 0: there is none."""
    if at + HEADER.size > len(data):
        return 0
    _, total, structure, strings, _, version, oldest = HEADER.unpack_from(data, at)
    fits = HEADER.size < max(structure, strings) <= total <= min(BYTES_MAX, len(data) - at)
    return total if fits and version >= VERSION_MIN and oldest <= VERSION_MAX else 0


def unpack(data: bytes) -> bytes:
    """Unpack what gzip packed, up to a little more than a device tree can have.

    Raises:
        DeviceTreeError: it is damaged.
    """
    import zlib

    try:
        return zlib.decompressobj(wbits=31).decompress(data, BYTES_MAX + HEAD_BYTES)
    except zlib.error as error:
        raise DeviceTreeError(f"compressed with gzip and damaged: {error}") from None


def fit(root: Node) -> str | None:
    """Say what is in a FIT image, which has the form of a device tree; None: it is none."""
    images = root.child("images")
    if images is None or root.child("configurations") is None:
        return None
    trees = [
        (at, remote_text(each.name))
        for at, each in enumerate(images.children)
        if "flat_dt" in each.strings("type")
    ]
    if not trees:
        return "a FIT image without a device tree"
    shown = ", ".join(f"{name} (-p {at})" for at, name in trees[:8]) + (" …" if trees[8:] else "")
    return (
        f"a FIT image with the device trees {shown}: dumpimage -T flat_dt -p {trees[0][0]} "
        "-o board.dtb takes one out"
    )


def long_fit(data: bytes) -> bool:
    """Whether what is too long for a device tree begins like a FIT image."""
    return b"\0\0\0\1images\0\0" in data[:HEAD_BYTES]
