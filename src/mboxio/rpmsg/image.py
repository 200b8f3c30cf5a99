"""Firmware files: ELF with a resource table in it, read and made.

Only what a loader of remoteproc looks at: the section ``.resource_table``, and the loaded segment
in which its copy lies. Source: System V ABI, chapter 4 (object files); Linux,
drivers/remoteproc/remoteproc_elf_loader.c (facts only).
"""

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mboxio.errors import RemoteError
from mboxio.rpmsg.table import TABLE_BYTES_MAX

__all__ = ["FirmwareImage", "find_table", "make_image", "read_image"]

IMAGE_BYTES_MAX = 1 << 26
"""Of a file. Firmware has some megabytes."""

SECTION = b".resource_table"
SECTIONS_MAX = 65536
LOADED = 1
PROGRAM_BITS, STRINGS = 1, 3
ARM = 40


@dataclass(frozen=True, slots=True)
class _Form:
    """The structures of one class of ELF files."""

    header: struct.Struct
    section: struct.Struct
    section_fields: tuple[int, int, int]
    """Which fields of a section are its address, its offset in the file, its size."""
    segment: struct.Struct


_FORMS = {
    1: _Form(
        struct.Struct("<16s2H5I6H"),
        struct.Struct("<10I"),
        (3, 4, 5),
        struct.Struct("<8I"),
    ),
    2: _Form(
        struct.Struct("<16s2HI3QI6H"),
        struct.Struct("<2I4Q2I2Q"),
        (3, 4, 5),
        struct.Struct("<2I6Q"),
    ),
}


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """What was found in a firmware file.

    Args:
        table: the resource table, as it lies in the file.
        address: where the firmware has it, in its own addresses: the loaded copy is the live one.
    """

    table: bytes
    address: int


def read_image(path: Path) -> bytes:
    """Return what is in a firmware file.

    Raises:
        OSError: it cannot be read, or is far too large; ``strerror`` says so.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > IMAGE_BYTES_MAX:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read()


def find_table(image: bytes) -> FirmwareImage | None:
    """Find the resource table of a firmware file; None: it has none.

    Raises:
        RemoteError: the file is no ELF file, or it is damaged.
    """
    if image[:4] != b"\x7fELF" or len(image) < 20:
        raise RemoteError("the firmware is no ELF file")
    if image[5] != 1:
        raise RemoteError("the firmware is big-endian, and RPMsg is not spoken with such cores")
    form = _FORMS.get(image[4])
    if form is None or len(image) < form.header.size:
        raise RemoteError("the ELF header of the firmware is damaged")
    head: tuple[Any, ...] = form.header.unpack_from(image)
    sections_at, (size, count, names) = head[6], head[11:14]
    if size < form.section.size or count > SECTIONS_MAX or names >= count:
        if count == 0:
            return None
        raise RemoteError("the section headers of the firmware are damaged")
    sections: list[tuple[int, ...]] = [
        _unpack(form.section, image, sections_at + number * size) for number in range(count)
    ]
    address_field, offset_field, size_field = form.section_fields
    named = sections[int(names)]
    strings = _part(image, named[offset_field], named[size_field])
    for each in sections:
        if _name(strings, each[0]) != SECTION:
            continue
        if each[size_field] > TABLE_BYTES_MAX:
            raise RemoteError(f"a resource table of {each[size_field]} bytes")
        table = _part(image, each[offset_field], each[size_field])
        return FirmwareImage(table, each[address_field])
    return None


def make_image(
    memory: bytes, address: int, table_at: int, table_bytes: int, *, wide: bool = False
) -> bytes:
    """Return an ELF file with one segment and the section of its resource table.

    Args:
        memory: what is loaded.
        address: where to, in the remote's addresses.
        table_at: where in it the resource table lies, in bytes.
        table_bytes: how long that is.
        wide: of 64 bits, not 32.
    """
    form = _FORMS[2 if wide else 1]
    names = b"\0" + SECTION + b"\0.shstrtab\0"
    at = 0x1000
    names_at = at + len(memory)
    sections_at = (names_at + len(names) + 7) // 8 * 8
    identity = bytes((0x7F, *b"ELF", 2 if wide else 1, 1, 1)).ljust(16, b"\0")
    header = form.header.pack(
        *(identity, 2, 183 if wide else ARM, 1, address, form.header.size, sections_at, 0),
        *(form.header.size, form.segment.size, 1, form.section.size, 3, 2),
    )
    place = (at, address, address, len(memory), len(memory))
    segment = form.segment.pack(
        *((LOADED, 7) if wide else (LOADED,)), *place, *((0x1000,) if wide else (7, 0x1000))
    )
    sections = (
        bytes(form.section.size),
        form.section.pack(
            *(1, PROGRAM_BITS, 2, address + table_at, at + table_at, table_bytes, 0, 0, 4, 0)
        ),
        form.section.pack(*(len(SECTION) + 2, STRINGS, 0, 0, names_at, len(names), 0, 0, 1, 0)),
    )
    body = (header + segment).ljust(at, b"\0") + memory + names
    return body.ljust(sections_at, b"\0") + b"".join(sections)


def _unpack(form: struct.Struct, image: bytes, offset: int) -> tuple[int, ...]:
    if offset + form.size > len(image):
        raise RemoteError("the firmware file is cut off")
    return form.unpack_from(image, offset)


def _part(image: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(image):
        raise RemoteError("the firmware file is cut off")
    return image[offset : offset + size]


def _name(strings: bytes, offset: int) -> bytes:
    return strings[offset : offset + 64].split(b"\0")[0]
