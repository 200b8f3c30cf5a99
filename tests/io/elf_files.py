"""ELF files with symbols and nothing else, as tests need them."""

from collections.abc import Sequence
from dataclasses import dataclass

from mboxio.regions.finding.elf import FORMS

SYMBOLS, STRINGS = 2, 3
LOCAL, GLOBAL = 0, 1
VARIABLE, SECTION_NAME, FILE_NAME = 1, 3, 4
SOMEWHERE, UNDEFINED = 1, 0


@dataclass(frozen=True)
class Symbol:
    """One entry of the symbol table."""

    name: str
    address: int
    binding: int = GLOBAL
    kind: int = VARIABLE
    section: int = SOMEWHERE


def elf_file(symbols: Sequence[Symbol] | None, *, wide: bool = False) -> bytes:
    """Return an ELF file; without symbols it is a stripped one.

    Args:
        symbols: what it defines.
        wide: of 64 bits, not 32.
    """
    form = FORMS[2 if wide else 1]
    strings, table = b"\0", bytes(form.symbol.size)
    for each in symbols or ():
        info = each.binding << 4 | each.kind
        values = (
            (len(strings), info, 0, each.section, each.address, 4)
            if wide
            else (len(strings), each.address, 4, info, 0, each.section)
        )
        table += form.symbol.pack(*values)
        strings += each.name.encode() + b"\0"
    table_at = form.header.size
    strings_at = table_at + len(table)
    sections = [bytes(form.section.size)]
    if symbols is not None:
        rest = (len(table), 2, 1, 4, form.symbol.size)
        sections.append(form.section.pack(0, SYMBOLS, 0, 0, table_at, *rest))
        rest = (len(strings), 0, 0, 1, 0)
        sections.append(form.section.pack(0, STRINGS, 0, 0, strings_at, *rest))
    header = form.header.pack(
        bytes((0x7F, *b"ELF", 2 if wide else 1, 1, 1)).ljust(16, b"\0"),
        *(2, 40, 1, 0, 0, strings_at + len(strings), 0, form.header.size),
        *(form.segment.size, 0, form.section.size, len(sections), 0),
    )
    return header + table + strings + b"".join(sections)
