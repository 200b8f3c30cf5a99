"""ELF files: their header, sections and structures, for whoever looks for something in firmware.

Source: System V ABI, chapter 4 (object files) and chapter 5 (program headers).
"""

import errno
import os
import stat
import struct
from dataclasses import dataclass
from typing import Any

from mboxio.regions.paths import open_checked

__all__ = [
    "FORMS",
    "LITTLE_ENDIAN",
    "MAGIC",
    "ElfError",
    "ElfFile",
    "ElfForm",
    "Section",
    "read_image",
    "text_at",
]

IMAGE_BYTES_MAX = 1 << 28
"""Of a file. Firmware has some megabytes, and what a debugger needs to know of it many more."""

MAGIC = b"\x7fELF"
LITTLE_ENDIAN = 1
SECTIONS_MAX = 65536
NAME_BYTES_MAX = 4096
NO_BITS = 8


class ElfError(ValueError):
    """A file cannot be read as ELF; the text goes on after its name."""


@dataclass(frozen=True, slots=True)
class ElfForm:
    """The structures of one class of ELF files.

    Args:
        header, section, segment, symbol: these structures.
        segment_fields: which fields of a segment are its physical address, its offset and size in
            the file, and its size in memory.
        symbol_fields: which fields of a symbol are its value, its info and its section.
    """

    header: struct.Struct
    section: struct.Struct
    segment: struct.Struct
    symbol: struct.Struct
    segment_fields: tuple[int, int, int, int]
    symbol_fields: tuple[int, int, int]


FORMS = {
    1: ElfForm(
        struct.Struct("<16s2H5I6H"),
        struct.Struct("<10I"),
        struct.Struct("<8I"),
        struct.Struct("<3I2BH"),
        (3, 1, 4, 5),
        (1, 3, 5),
    ),
    2: ElfForm(
        struct.Struct("<16s2HI3QI6H"),
        struct.Struct("<2I4Q2I2Q"),
        struct.Struct("<2I6Q"),
        struct.Struct("<I2BH2Q"),
        (4, 2, 5, 6),
        (4, 1, 3),
    ),
}
"""By the class that byte 4 of a file says: 1 is 32 bits, 2 is 64 bits."""


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the section headers, in the words of the ABI without their prefix."""

    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    addralign: int
    entsize: int


def read_image(path: str, what: str) -> bytes:
    """Return what is in a firmware file.

    Args:
        path: the file.
        what: this is in the address, for errors: ``elf=PATH``.

    Raises:
        AddressError: it is no regular file.
        OSError: it cannot be read, or is far too large; ``strerror`` says so.
    """
    with os.fdopen(open_checked(path, os.O_RDONLY, stat.S_ISREG, what), "rb") as file:
        if os.fstat(file.fileno()).st_size > IMAGE_BYTES_MAX:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return file.read()


class ElfFile:
    """A little-endian ELF file, of which the sections are read.

    Args:
        image: the file.

    Raises:
        ElfError: it is none, or it is damaged.

    Attributes:
        form: the structures of its class.
        sections: all of them; empty where the file has none.
    """

    def __init__(self, image: bytes) -> None:
        if image[:4] != MAGIC or len(image) < 20:
            raise ElfError("is no ELF file")
        if image[5] != LITTLE_ENDIAN:
            raise ElfError("is big-endian, and all that is read here is little-endian")
        form = FORMS.get(image[4])
        if form is None or len(image) < form.header.size:
            raise ElfError("has a damaged ELF header")
        self.image = image
        self.form = form
        self.sections: list[Section] = []
        self.names = b""
        head: tuple[Any, ...] = form.header.unpack_from(image)
        at, (size, count, names) = head[6], head[11:14]
        if count == 0:
            return
        if size < form.section.size or count > SECTIONS_MAX or names >= count:
            raise ElfError("has damaged section headers")
        for place in range(at, at + count * size, size):
            if place + form.section.size > len(image):
                raise ElfError("is cut off")
            self.sections.append(Section(*form.section.unpack_from(image, place)))
        number: int = names
        self.names = self.part(self.sections[number])

    def part(self, section: Section) -> bytes:
        """Return what is in a section; raises ElfError."""
        if section.type == NO_BITS:
            return b""
        if section.offset + section.size > len(self.image):
            raise ElfError("is cut off")
        return self.image[section.offset : section.offset + section.size]

    def name(self, section: Section) -> bytes:
        """Return the name of a section."""
        return text_at(self.names, section.name)


def text_at(strings: bytes, offset: int) -> bytes:
    """Return one text of a string table; empty where it has none there."""
    if offset >= len(strings):
        return b""
    end = strings.find(b"\0", offset, offset + NAME_BYTES_MAX)
    return strings[offset:end] if end >= 0 else strings[offset : offset + NAME_BYTES_MAX]
