"""A pair of rings in a memory of this process, with a link on each side."""

from mboxio.regions import Memory
from mboxio.rpmsg.link import HostLink, Pool, RemoteLink
from mboxio.virtio.layout import SplitLayout
from mboxio.virtio.ring import HostRing, RemoteRing
from mboxio.virtio.words import RegionWords, Window, Windows, Words

try:
    from mboxio.virtio.memory_words import MemoryWords
except ImportError:
    MemoryWords = None  # type: ignore[assignment,misc]

ACCESSES = [RegionWords] if MemoryWords is None else [RegionWords, MemoryWords]
ADDRESS = 0x1000_0000


class Pair:
    """Both sides over one memory.

    Args:
        num: descriptors of each ring.
        align: of each ring.
        buffer_bytes: size of a buffer.
        access: how both sides reach the memory.
    """

    def __init__(
        self, num: int = 4, align: int = 16, buffer_bytes: int = 64, access: object = RegionWords
    ) -> None:
        first = SplitLayout(0, num, align)
        second = SplitLayout(-(-first.size_bytes // 4096) * 4096, num, align)
        pool_at = -(-(second.base + second.size_bytes) // 4096) * 4096
        self.layouts = first, second
        self.pool_at = pool_at
        self.memory = bytearray(pool_at + 2 * num * buffer_bytes)
        self.region = Memory(self.memory)
        self.words: Words = access(self.region)  # type: ignore[operator]
        pool = Pool(self.words, pool_at, ADDRESS + pool_at, buffer_bytes)
        rings = HostRing(self.words, first), HostRing(self.words, second)
        self.host = HostLink(*rings, pool)
        self.host.start()
        self.remote = self.join()

    def join(self) -> RemoteLink:
        """Return the remote's side, where the rings stand now."""
        rings = [RemoteRing(self.words, each) for each in self.layouts]
        return RemoteLink(rings[0], rings[1], Windows(Window(ADDRESS, self.words)))
