"""Addresses of variables in firmware, from the symbol table of its ELF file.

Source: System V ABI, chapter 4 (symbol table).
"""

import struct
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from mboxio._os.descriptors import refuse_exhausted
from mboxio._os.whose import why
from mboxio.errors import AddressError
from mboxio.regions.finding.elf import ElfError, ElfFile, Section, read_image, text_at

__all__ = ["symbol"]

SYMBOL_TABLE, STRING_TABLE = 2, 3
UNDEFINED = 0
SECTION_NAME, FILE_NAME = 3, 4
"""Kinds of symbols that are no variable and no function."""
LOCAL = 0
CLOSE_MAX = 4
CLOSE_LENGTH = 3
"""How much longer or shorter a name may be that is meant."""


def symbol(path: str, *names: str) -> int:
    """Return the address of the first of these symbols that a firmware file defines.

    Reads the file, so it may take a while; without any lock.

    Args:
        path: an ELF file, 32 or 64 bits, little-endian; a leading ``~`` is the home folder.
        names: in the order of preference.

    Raises:
        AddressError: there is no such file, it is no ELF file or damaged, its symbols were
            stripped, or it has none of these names, or several variables of one name.
    """
    what = f"elf={path}"
    place = str(Path(path).expanduser())
    try:
        image = read_image(place, what)
    except OSError as error:
        refuse_exhausted(error, what)
        missing = isinstance(error, FileNotFoundError)
        text = f"{what}: {why(error, place)}"
        raise AddressError(text, errno=error.errno, option="elf", not_yet=missing) from None
    try:
        found = _defined(ElfFile(image))
    except ElfError as error:
        raise AddressError(f"{what} {error}", option="elf") from None
    for name in names:
        places = found.get(name.encode())
        if places is None:
            continue
        if len(places) > 1:
            several = ", ".join(f"{each:#x}" for each in sorted(places))
            raise AddressError(f"{what}: {name} is several variables: {several}", option="elf")
        return next(iter(places))
    raise AddressError(f"{what}: it defines no {' or '.join(names)}{_close(names, found)}")


def _defined(file: ElfFile) -> dict[bytes, set[int]]:
    """Return the addresses of all symbols; a local one counts where no global one has its name.

    Raises:
        ElfError: the file has no symbols, or they are damaged.
    """
    tables = [each for each in file.sections if each.type == SYMBOL_TABLE]
    if not tables:
        raise ElfError("has no symbols (it was stripped): give the file that the linker wrote")
    everywhere: dict[bytes, set[int]] = {}
    within_files: dict[bytes, set[int]] = {}
    for table in tables:
        for name, address, is_local in _symbols(file, table):
            names = within_files if is_local else everywhere
            names.setdefault(name, set()).add(address)
    return {**within_files, **everywhere}


def _symbols(file: ElfFile, table: Section) -> Iterator[tuple[bytes, int, bool]]:
    """Yield name, address and whether it is local, of what a table defines."""
    form = file.form.symbol
    symbols = file.part(table)
    if table.entsize != form.size or len(symbols) % form.size:
        raise ElfError("has a damaged symbol table")
    if table.link >= len(file.sections) or file.sections[table.link].type != STRING_TABLE:
        raise ElfError("has a symbol table without names")
    strings = file.part(file.sections[table.link])
    value, info, section = file.form.symbol_fields
    for each in struct.iter_unpack(form.format, symbols):
        if each[section] != UNDEFINED and each[info] & 15 not in (SECTION_NAME, FILE_NAME):
            yield text_at(strings, each[0]), each[value], each[info] >> 4 == LOCAL


def _close(names: Iterable[str], found: dict[bytes, set[int]]) -> str:
    """Return what to say of symbols whose names are much like these."""
    known: set[str] = set()
    for name in names:
        core = name.strip("_").lower()
        near: dict[str, str] = {}
        for each in found:
            text = each.decode(errors="replace")
            if core in text.lower():
                known.add(text)
            elif abs(len(text) - len(name)) <= CLOSE_LENGTH:
                near[text.strip("_").lower()] = text
        known |= {near[each] for each in get_close_matches(core, near, CLOSE_MAX)}
    close = sorted(known, key=lambda each: (len(each), each))[:CLOSE_MAX]
    return f"; there is {', '.join(close)}" if close else ""
