"""The access paths by name: from ``file:sram.bin`` to an open region."""

import re
from importlib import import_module
from typing import TYPE_CHECKING

from mboxio._base.plain import refuse_controls
from mboxio._os.descriptors import refuse_exhausted
from mboxio.errors import AddressError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mboxio.regions.region import Region

__all__ = ["SCHEMES", "nowhere", "number", "open_region", "options"]

SCHEMES = {
    "file": "mboxio.regions.files:open_file",
    "devmem": "mboxio.regions.devmem:open_devmem",
    "uio": "mboxio.regions.uio:open_uio",
    "qtest": "mboxio.regions.probes.qtest:open_qtest",
    "gdb": "mboxio.regions.probes.gdb:open_gdb",
    "openocd": "mboxio.regions.probes.openocd:open_openocd",
    "pyocd": "mboxio.regions.probes.pyocd:open_pyocd",
    "peer": "mboxio.local.peer:open_peer",
}
"""How a region's name begins, and where the function is that opens the rest of it."""


ADDRESS_END = 1 << 64


def nowhere(example: str, what: str = "", option: str = "at") -> AddressError:
    """Return the error for an address that does not say where something is."""
    where = f"say where {what}".rstrip()
    return AddressError(
        f"{where}: ?{option}=REGION, for example ?{option}={example}", option=option
    )


def open_region(text: str, size_bytes: int | None = None) -> "Region":
    """Open memory or registers behind an access path.

    Args:
        text: ``scheme:where@offset+size``; what ``where`` means is the scheme's, the offset in
            bytes (or the physical address) and the size may be left out where they are known.
        size_bytes: the size where ``text`` gives none.

    Raises:
        AddressError: no such access path, or it cannot be opened; the text says why.
    """
    refuse_controls(text)
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SCHEMES:
        known = ", ".join(f"{each}:" for each in SCHEMES)
        raise AddressError(f"{text!r} is no region: it begins with one of {known}")
    module, _, name = SCHEMES[scheme].partition(":")
    if rest.startswith("//") and not rest.startswith("///") and scheme != "file":
        raise AddressError(f"{text!r}: leave out the //")
    where, offset, size = split(rest)
    if size == 0 or offset + (size or 0) > ADDRESS_END:
        raise AddressError(f"{text!r}: a region has at least one byte, and ends within 64 bits")
    opener: Callable[[str, int, int | None], Region] = getattr(import_module(module), name)
    try:
        return opener(where, offset, size_bytes if size is None else size)
    except OSError as error:
        refuse_exhausted(error, text)
        raise


def split(rest: str) -> tuple[str, int, int | None]:
    """Take ``where@offset+size`` apart; offset 0 and size None where they are left out."""
    where, at, window = rest.rpartition("@")
    if not at or "/" in window:  # that is part of a name
        where, window = rest, ""
    offset, _, size = window.partition("+")
    return where, number(offset) if offset else 0, number(size) if size else None


def options(scheme: str, where: str, known: "tuple[str, ...]") -> tuple[str, dict[str, str]]:
    """Take ``where,name=value,name=value`` apart.

    Raises:
        AddressError: an option is not among the known ones, which are listed.
    """
    first, *rest = where.split(",")
    if re.match("[a-z_]+=", first):  # options and nothing else
        first, rest = "", [first, *rest]
    found: dict[str, str] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if not equals or name not in known:
            raise AddressError(f"{scheme}: no option {part!r}; there are: {', '.join(known)}")
        found[name] = value
    return first, found


def number(text: str) -> int:
    """Read a number as people write them in addresses: 4096, 0x1000.

    Raises:
        AddressError: it is none, or negative, or more than 64 bits.
    """
    try:
        found = int(text, 0)
        if found < 0:
            raise ValueError
    except ValueError:
        raise AddressError(f"{text[:40]!r} is no number; write 4096 or 0x1000") from None
    if found > ADDRESS_END:
        raise AddressError(f"{text[:40]!r} is more than 64 bits")
    return found
