"""Firmware files: ELF with a resource table in it, read and made.

Only what a loader of remoteproc looks at: the section ``.resource_table``, and the loaded segment
in which its copy lies. Source: System V ABI, chapter 4 (object files); Linux,
drivers/remoteproc/remoteproc_elf_loader.c (facts only).
"""

from dataclasses import dataclass

from mboxio.errors import RemoteError
from mboxio.regions.finding.elf import FORMS, ElfError, ElfFile
from mboxio.rpmsg.table import TABLE_BYTES_MAX

__all__ = ["FirmwareImage", "find_table", "make_image"]

SECTION = b".resource_table"
LOADED = 1
PROGRAM_BITS, STRINGS = 1, 3
ARM = 40


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """What was found in a firmware file.

    Args:
        table: the resource table, as it lies in the file.
        address: where the firmware has it, in its own addresses: the loaded copy is the live one.
    """

    table: bytes
    address: int


def find_table(image: bytes) -> FirmwareImage | None:
    """Find the resource table of a firmware file; None: it has none.

    Raises:
        RemoteError: the file is no ELF file, or it is damaged.
    """
    try:
        file = ElfFile(image)
        for each in file.sections:
            if file.name(each) != SECTION:
                continue
            if each.size > TABLE_BYTES_MAX:
                raise RemoteError(f"a resource table of {each.size} bytes")
            return FirmwareImage(file.part(each), each.addr)
    except ElfError as error:
        raise RemoteError(f"the firmware {error}") from None
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
    form = FORMS[2 if wide else 1]
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
