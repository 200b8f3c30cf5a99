"""Where the rings are that a person wants to see: a region, a dump, or a coredump."""

import os
from collections.abc import Generator
from contextlib import contextmanager

from mboxio.address.allowed import names_of, require_name
from mboxio.cli.shared.options import allowed
from mboxio.errors import AddressError, RemoteError
from mboxio.regions.access import SCHEMES, number, open_region, split
from mboxio.regions.files import TRUSTED
from mboxio.rpmsg.image import find_table
from mboxio.rpmsg.looking.dump import Dump, FileDump, RegionDump, SegmentDump
from mboxio.rpmsg.table import TABLE_BYTES_MAX, ResourceTable, parse_table

__all__ = ["RingSource", "opened_source"]

IMAGE_BYTES_MAX = 1 << 28
TABLE_LENGTHS = (1 << 10, 1 << 13, TABLE_BYTES_MAX)
"""How much is read at most to have the whole table, in the order of the tries."""


class RingSource:
    """A memory, and how its places are called.

    Args:
        text: what the person wrote.
        dump: the memory.
        base: what the remote calls the first byte of it; for ELF files 0, as they say it.
        elf: the ELF file; None: it is none.
    """

    def __init__(self, text: str, dump: Dump, base: int, elf: FileDump | None = None) -> None:
        self.text = text
        self.dump = dump
        self.base = base
        self.elf = elf

    def find_table(self, where: str | None) -> int:
        """Return the remote's address of the resource table.

        Args:
            where: its offset, in an ELF file its address, or the ELF file of the firmware.
        """
        if where is not None:
            if where[:1].isdigit():
                return self.base + number(where)
            return table_of(where)
        if self.elf is None:
            return self.base
        image = self.elf.copy(0, min(self.elf.size_bytes, IMAGE_BYTES_MAX)) or b""
        found = find_table(image)
        if found is None:
            raise AddressError(
                f"{self.text}: no section of it is a resource table: give the firmware's file or "
                "the table's address with --table"
            )
        return found.address

    def read_table(self, address: int) -> ResourceTable:
        """Read the table; raises RemoteError, or AddressError where there is nothing."""
        failure: RemoteError | None = None
        for length in TABLE_LENGTHS:
            copy = self.dump.copy(address, longest(self.dump, address, length))
            if not copy:
                break
            try:
                return parse_table(copy)
            except RemoteError as error:
                failure = failure or error
        if failure is None:
            raise AddressError(f"{self.text}: {address:#x}, where a table would be, is not in it")
        raise AddressError(
            f"{self.text}: there is no resource table at {address:#x} ({failure}): say where it is "
            "with --table, or where the rings are with --rings"
        )


@contextmanager
def opened_source(text: str, address: int | None) -> Generator[RingSource]:
    """Open memory to look at; nothing is written there.

    Args:
        text: a region, or the path of a file.
        address: what the remote calls its first byte; None: as a physical address says, or 0.

    Raises:
        AddressError: it cannot be opened.
    """
    scheme, colon, rest = text.partition(":")
    names = names_of(allowed())
    if colon and scheme in SCHEMES and scheme != "file":
        if names is not None:
            require_name(scheme, names, text)
        with open_region(text) as region:
            if address is None:
                address = split(rest)[1] if scheme == "devmem" else 0
            yield RingSource(text, RegionDump(region, address), address)
        return
    if names is not None:
        require_name("file", names, text)
    # A file is read, not mapped: it may belong to anybody, and need not be writable.
    path, offset, size = split(rest) if colon and scheme == "file" else (text, 0, None)
    base = address or 0
    try:
        file = FileDump(os.path.expanduser(path.removesuffix(TRUSTED)), offset, size, base)
    except OSError as error:
        if isinstance(error, AddressError):
            raise
        raise AddressError(f"{text}: {error.strerror}", errno=error.errno) from None
    try:
        if file.copy(base, 4) != b"\x7fELF":
            yield RingSource(text, file, base)
        else:
            file.address = 0
            yield RingSource(text, SegmentDump(file), 0, file)
    finally:
        file.close()


def longest(dump: Dump, address: int, limit: int) -> int:
    """Return how many bytes from an address on are there, up to a limit."""
    least, most = 0, limit
    while least < most:
        middle = (least + most + 1) // 2
        if dump.holds(address, middle):
            least = middle
        else:
            most = middle - 1
    return least


def table_of(path: str) -> int:
    """Return where the firmware in a file has its resource table.

    Raises:
        AddressError: there is no such file, or it has none.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            found = find_table(file.read(IMAGE_BYTES_MAX))
    except OSError as error:
        if isinstance(error, RemoteError):
            raise
        raise AddressError(f"--table {path}: {error.strerror}", errno=error.errno) from None
    if found is None:
        raise AddressError(f"--table {path}: this firmware has no resource table")
    return found.address
