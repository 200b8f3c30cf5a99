"""The choice of access to a region: in C where the build and the memory allow it."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mboxio.regions.region import Region
from mboxio.ring import require_ordered_memory
from mboxio.virtio.words import RegionWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from mboxio.virtio.words import Words

__all__ = ["words_of"]

_in_c: "Callable[[Region], Words] | None" = None
# A compiled module that is there and does not load is an error and no reason to become slow.
if find_spec("mboxio.virtio.memory_words"):
    _in_c = import_module("mboxio.virtio.memory_words").MemoryWords


def words_of(region: Region) -> "Words":
    """Return access to the rings and buffers in a region.

    Raises:
        RuntimeError: as `mboxio.ring.require_ordered_memory`.
    """
    require_ordered_memory(region)
    if _in_c is None or region.buffer() is None:
        return RegionWords(region)
    return _in_c(region)
