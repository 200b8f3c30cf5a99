"""Finding a pattern in memory behind any access path."""

import re
from collections.abc import Iterator

from mboxio.regions.region import Region

__all__ = ["places"]

WORD_BYTES = 4


def places(
    region: Region, pattern: bytes, *, step: int = 4, block_bytes: int = 1024
) -> Iterator[int]:
    """Yield the offsets in bytes at which a pattern lies, in ascending order.

    Memory of this machine is searched where it lies. Other memory is read block by block, each word
    once, as far as the caller goes on: who stops at the first place reads no more than that. The
    memory may change meanwhile, so what lies there is to be checked. Without any lock.

    Args:
        region: what to search, from its start to its last whole word.
        pattern: a whole number of 32-bit words.
        step: offsets are multiples of so many bytes.
        block_bytes: how much is read at once.

    Raises:
        ValueError: one of the arguments is no positive multiple of 4.
        MailboxError: what an access to the region raises.
    """
    for name, size in (("pattern", len(pattern)), ("step", step), ("block_bytes", block_bytes)):
        if size <= 0 or size % WORD_BYTES:
            raise ValueError(f"{name}: {size} bytes are no whole number of 32-bit words, or none")
    if region.buffer() is None:
        found = _in_blocks(region, pattern, block_bytes)
    else:
        found = _in_memory(region, pattern)
    return (offset for offset in found if offset % step == 0)


def _in_memory(region: Region, pattern: bytes) -> Iterator[int]:
    """Yield the places in normal memory, which is not copied, nor held between two of them."""
    search = re.compile(re.escape(pattern), re.DOTALL).search
    begin = 0
    while (memory := region.buffer()) is not None:
        found = search(memory, begin, len(memory) // WORD_BYTES * WORD_BYTES)
        if found is None:
            return
        place = found.start()
        del found, memory  # each of them would keep the memory from being closed
        yield place
        begin = place + 1


def _in_blocks(region: Region, pattern: bytes, block_bytes: int) -> Iterator[int]:
    """Yield the places in memory that is read word by word; the end of each block is kept."""
    end = region.size_bytes // WORD_BYTES * WORD_BYTES
    kept = b""
    for offset in range(0, end, block_bytes):
        count = min(block_bytes, end - offset) // WORD_BYTES
        words = region.read_words(offset, count)
        data = kept + b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)
        first = offset - len(kept)
        place = data.find(pattern)
        while place >= 0:
            yield first + place
            place = data.find(pattern, place + 1)
        kept = data[-(len(pattern) - 1) :]
