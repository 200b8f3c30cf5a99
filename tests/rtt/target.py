"""Firmware with RTT, in Python: its memory, its control block, and what it does with them."""

import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mboxio.controllers.rtt.layout import ID
from mboxio.errors import RemoteGone
from mboxio.regions import Kind, Region
from mboxio.regions.region import Memory

ADDRESS = 0x2000_0000
BASE = 0x40
HEADER = struct.Struct("<16s2I")
ENTRY = struct.Struct("<6I")


class Ram(Region):
    """Memory behind a probe: words, bytes if it takes them, and nothing else.

    Args:
        memory: the target's own, in which it works at the same time.
        widths: accesses other than of words that it takes.
    """

    kind = Kind.REMOTE

    def __init__(self, memory: bytearray, widths: tuple[int, ...] = (1, 4)) -> None:
        self.memory = memory
        self.size_bytes = len(memory)
        self.widths = widths
        self.accesses = 0
        self.before: Callable[[], object] = lambda: None
        self.wrote: list[tuple[int, int]] = []
        self.broken = False

    def access(self) -> None:
        self.accesses += 1
        if self.broken:
            raise RemoteGone("the probe is gone")
        self.before()

    def require(self, width: int) -> None:
        if width not in self.widths:
            raise ValueError(f"the probe does accesses of {self.widths} bytes, not of {width}")

    def read(self, offset: int, width: int) -> int:
        self.check_width(offset, width)
        self.require(width)
        self.access()
        return int.from_bytes(self.memory[offset : offset + width], "little")

    def write(self, offset: int, value: int, width: int) -> None:
        self.check_width(offset, width)
        self.require(width)
        self.access()
        self.wrote.append((offset, width))
        self.memory[offset : offset + width] = value.to_bytes(width, "little")

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        self.access()
        return list(struct.unpack_from(f"<{count}I", self.memory, offset))

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        self.access()
        self.wrote.append((offset, 4 * len(words)))
        struct.pack_into(f"<{len(words)}I", self.memory, offset, *words)


class NormalRam(Memory):
    """Mapped memory; the target goes on whenever the host looks."""

    def __init__(self, memory: bytearray) -> None:
        super().__init__(memory)
        self.before: Callable[[], object] = lambda: None

    def read_words(self, offset: int, count: int) -> list[int]:
        self.before()
        return super().read_words(offset, count)


class Target:
    """The firmware's side.

    Args:
        ups, downs: sizes of the buffers; 0: not set up.
        gap: bytes between two buffers, which do not end with a word then.
        names: where the names are that the entries point to.
        base: offset of the control block.
        size_bytes: of its memory.
    """

    def __init__(
        self,
        ups: Sequence[int] = (64,),
        downs: Sequence[int] = (64,),
        *,
        gap: int = 0,
        names: Sequence[str] = (),
        base: int = BASE,
        size_bytes: int = 4096,
    ) -> None:
        self.memory = bytearray(size_bytes)
        self.sizes = [*ups, *downs]
        self.ups = len(ups)
        self.gap = gap
        self.names = names
        self.base = base
        self.boot()

    # -- lives

    def boot(self, base: int | None = None) -> None:
        """Start anew: everything is zeroed first, and the mark is written last."""
        self.memory[:] = bytes(len(self.memory))
        self.base = self.base if base is None else base
        at = self.base + HEADER.size + ENTRY.size * len(self.sizes) + 32 + self.gap
        names_at = len(self.memory) - 256
        for index, size in enumerate(self.sizes):
            name = names_at + 32 * index if index < len(self.names) else 0
            if name:
                text = self.names[index].encode() + b"\0"
                self.memory[name : name + len(text)] = text
            if size:
                pointers = (ADDRESS + name if name else 0, ADDRESS + at)
                ENTRY.pack_into(self.memory, self.entry(index), *pointers, size, 0, 0, 0)
                at += size + self.gap
        HEADER.pack_into(self.memory, self.base, ID, self.ups, len(self.sizes) - self.ups)

    def entry(self, index: int) -> int:
        return self.base + HEADER.size + ENTRY.size * index

    def down(self, number: int) -> int:
        return self.ups + number

    def word(self, index: int, at: int) -> int:
        return int.from_bytes(self.memory[self.entry(index) + at :][:4], "little")

    def set_word(self, index: int, at: int, value: int) -> None:
        place = self.entry(index) + at
        self.memory[place : place + 4] = value.to_bytes(4, "little")

    # -- traffic

    def room(self, number: int = 0) -> int:
        """How much fits into an up buffer."""
        size, write, read = (self.word(number, at) for at in (8, 12, 16))
        return (read - write - 1) % size

    def write(self, data: bytes, number: int = 0) -> None:
        """Put bytes into an up buffer; they fit."""
        assert len(data) <= self.room(number)
        size, write = self.word(number, 8), self.word(number, 12)
        begin = self.word(number, 4) - ADDRESS
        for each in data:
            self.memory[begin + write] = each
            write = (write + 1) % size
        self.set_word(number, 12, write)

    def read(self, number: int = 0, limit: int = 1 << 20) -> bytes:
        """Take bytes out of a down buffer."""
        index = self.down(number)
        size, write, read = (self.word(index, at) for at in (8, 12, 16))
        begin = self.word(index, 4) - ADDRESS
        found = bytearray()
        while read != write and len(found) < limit:
            found.append(self.memory[begin + read])
            read = (read + 1) % size
        self.set_word(index, 16, read)
        return bytes(found)


class Echo:
    """Firmware that returns whatever comes on channel 0, when it has room.

    Args:
        target: its memory.
        region: in which the host looks: the firmware goes on each time.
    """

    def __init__(self, target: Target, region: Ram | NormalRam) -> None:
        self.target = target
        self.kept = bytearray()
        self.heard = bytearray()
        self.stalled = False
        self.dead = False
        self.lock = threading.RLock()  # a thread that spins looks while another one sends
        region.before = self.step

    def step(self) -> None:
        with self.lock:
            self.go_on()

    def go_on(self) -> None:
        if self.dead:
            return
        if not self.stalled:
            found = self.target.read()
            self.kept += found
            self.heard += found
        self.flush()

    def flush(self) -> None:
        """Send as much as there is room for."""
        count = min(self.target.room(), len(self.kept))
        if count:
            self.target.write(bytes(self.kept[:count]))
            del self.kept[:count]

    def stall(self) -> None:
        self.stalled = True

    def resume(self) -> None:
        self.stalled = False

    def restart(self) -> None:
        self.stalled = False
        self.kept.clear()
        self.target.boot()

    def kill(self) -> None:
        self.dead = True
        self.target.memory[self.target.base] = 0


def region_of(target: Target, kind: str) -> Ram | NormalRam:
    """Return memory of a kind: ``normal``, ``bytes`` or ``words``."""
    if kind == "normal":
        return NormalRam(target.memory)
    return Ram(target.memory, (1, 4) if kind == "bytes" else (4,))


@contextmanager
def silent(region: Ram | NormalRam) -> Iterator[None]:
    """Have the firmware stand still while the host looks."""
    before, region.before = region.before, lambda: None
    yield
    region.before = before
