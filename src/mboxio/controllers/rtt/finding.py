"""Where the control block is: at an offset, where the ELF file says, or where it is found."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mboxio.controllers.rtt.layout import (
    BLOCK_WORDS,
    ENTRY_WORDS,
    ID,
    Block,
    Memory,
    counts_of,
    parse,
)
from mboxio.controllers.rtt.options import RttOptions
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.finding.elf import ElfError, ElfFile, read_image
from mboxio.regions.finding.searching import places
from mboxio.regions.finding.symbols import symbol
from mboxio.regions.probes.far_region import RemoteRegion
from mboxio.regions.region import Region

__all__ = ["Found", "find", "read_block"]

SYMBOL = "_SEGGER_RTT"
NAME_BYTES = 64
FORBIDDEN = frozenset("/?&%#")
"""These mean something in an address."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Args:
        block: the control block.
        memory: as the firmware sees it.
        names: of the channels that have one.
    """

    block: Block
    memory: Memory
    names: dict[int, str]


def find(region: Region, options: RttOptions) -> Found:
    """Find the control block. Takes as long as it takes to read the region; without any lock.

    Raises:
        AddressError: the ELF file does not say where it is, it is not in the region, or there are
            several.
        RemoteGone: there is none, or none that is complete, yet.
    """
    memory = Memory(address_of(region, options), region.size_bytes)
    try:
        if options.base >= 0 or options.elf:
            block = read_block(region, place_of(options, memory), memory)
        else:
            block = search(region, memory)
    except RemoteError as error:
        raise RemoteGone(f"rtt: {error}") from None
    return Found(block, memory, names_of(block, region, memory, options))


def address_of(region: Region, options: RttOptions) -> int:
    """Return what the firmware calls the first byte of the region."""
    if options.address >= 0:
        return options.address
    return region.address if isinstance(region, RemoteRegion) else 0


def place_of(options: RttOptions, memory: Memory) -> int:
    """Return the offset of the block as the options say it.

    Raises:
        AddressError: they do not, or it cannot be there.
    """
    if options.base >= 0:
        if options.base > memory.size_bytes - 4 * BLOCK_WORDS:
            raise AddressError(
                f"base={options.base:#x}: the memory has {memory.size_bytes:#x} bytes",
                option="base",
            )
        return options.base
    address = symbol(options.elf, SYMBOL)
    offset = memory.offset(address, 4 * BLOCK_WORDS)
    if offset < 0 or offset % 4:
        raise AddressError(
            f"elf={options.elf}: {SYMBOL} is at {address:#x}, and the memory is {memory} "
            "(address= says what the firmware calls its first byte)",
            option="elf",
        )
    return offset


def read_block(region: Region, base: int, memory: Memory) -> Block:
    """Read the block at an offset, which is inside the region.

    Raises:
        RemoteError: there is none, or it is being written.
    """
    ups, downs = counts_of(region.read_words(base, BLOCK_WORDS), base)
    words = BLOCK_WORDS + ENTRY_WORDS * (ups + downs)
    if base + 4 * words > region.size_bytes:
        raise RemoteError(f"no RTT control block at offset {base:#x}: the memory ends within it")
    return parse(region.read_words(base, words), base, memory)


def search(region: Region, memory: Memory) -> Block:
    """Look for the block in the whole region: what an earlier firmware left is another one.

    Raises:
        AddressError: there are several.
        RemoteError: there is none.
    """
    found: list[Block] = []
    wrong: list[str] = []
    for base in places(region, ID):
        if base > region.size_bytes - 4 * BLOCK_WORDS:
            break
        try:
            found.append(read_block(region, base, memory))
        except RemoteError as error:
            wrong.append(str(error))
    if len(found) > 1:
        bases = ", ".join(f"{each.base:#x}" for each in found[:SHOWN])
        raise AddressError(
            f"rtt: there are {len(found)} control blocks, at offsets {bases}; firmware before this "
            "one may have left some: say which with base= or elf=",
            option="base",
        )
    if not found:
        but = f", only: {'; '.join(wrong[:SHOWN])}" if wrong else ""
        raise RemoteError(f"no control block in the {region.size_bytes} bytes of {memory}{but}")
    return found[0]


# -- names


def names_of(block: Block, region: Region, memory: Memory, options: RttOptions) -> dict[int, str]:
    """Return the names of the channels; constants are in flash, which only the ELF file shows."""
    looks: list[Callable[[int], str]] = [partial(text_in, region, memory)]
    if options.elf:
        looks.append(texts_of(options.elf))
    names: dict[int, str] = {}
    for number in range(max(len(block.ups), len(block.downs))):
        entries = [each[number] for each in (block.ups, block.downs) if number < len(each)]
        for address in [each.name for each in entries if each.used and each.name]:
            name = next((text for look in looks if (text := look(address))), "")
            if name and name not in names.values():
                names.setdefault(number, name)
    return names


def text_in(region: Region, memory: Memory, address: int) -> str:
    """Return the name at an address, if it is in the region."""
    offset = memory.offset(address, 4)
    if offset < 0:
        return ""
    first = offset // 4 * 4
    count = min(NAME_BYTES, region.size_bytes - first) // 4
    words = region.read_words(first, count)
    return name_of(b"".join(word.to_bytes(4, "little") for word in words)[offset - first :])


def texts_of(path: str) -> Callable[[int], str]:
    """Return what reads names out of an ELF file; without names where that is damaged."""
    what = f"elf={path}"
    try:
        file = ElfFile(read_image(str(Path(path).expanduser()), what))
    except (ElfError, OSError):
        return lambda address: ""

    def look(address: int) -> str:
        for each in file.sections:
            if each.addr and each.addr <= address < each.addr + each.size:
                return name_of(file.part(each)[address - each.addr :][:NAME_BYTES])
        return ""

    return look


def name_of(data: bytes) -> str:
    """Return the name that begins here; empty: it is none that could stand in an address."""
    name, end, _ = data.partition(b"\0")
    text = name.decode("latin-1")
    if (
        not end
        or not text.isascii()
        or not text.isprintable()
        or text.isdecimal()
        or FORBIDDEN & set(text)
    ):
        return ""
    return text.strip()
