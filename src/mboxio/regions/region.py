"""Memory or registers behind any access path, and what each kind of them allows."""

import enum
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from mboxio.errors import no_copy

if TYPE_CHECKING:
    from typing import NoReturn, Self

    from _typeshed import ReadableBuffer, WriteableBuffer

    from mboxio.regions.interrupts import Doorbell, Interrupt

__all__ = ["Kind", "Memory", "Region"]

FORMATS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Kind(enum.Enum):
    """What a region is made of."""

    NORMAL = "normal"
    """Ordinary memory: any access, also in blocks."""
    DEVICE = "device"
    """Registers and device memory: aligned accesses only, each of them happens as it is written."""
    REMOTE = "remote"
    """Behind a probe or another program: as device, and each access takes its time."""


class Region(ABC):
    """A window of memory or registers, addressed by byte offset; numbers are little-endian.

    Every method raises IndexError outside the region and ValueError where the offset is not
    aligned to the width, before anything is accessed. No lock is taken and nothing is cached.
    """

    kind: Kind
    size_bytes: int
    access_s: float = 0.0
    """What one access costs, in seconds, where it is more than memory takes."""
    interrupt: "Interrupt | None" = None
    """Where events of this region come from; None: nothing tells, it has to be polled."""
    place: "tuple[str, Any, int] | None" = None
    """What other regions may be windows of, too, and where this one begins there: the path of a
    file, or "" and something else that is equal; None: of nothing but itself."""
    doorbell: "Doorbell | None" = None
    """How the other side is woken where the region itself can do that; None: it cannot."""

    @abstractmethod
    def read(self, offset: int, width: int) -> int:
        """Read a number of `width` bytes (1, 2, 4 or 8) in one access."""

    @abstractmethod
    def write(self, offset: int, value: int, width: int) -> None:
        """Write a number of `width` bytes (1, 2, 4 or 8) in one access."""

    @abstractmethod
    def read_words(self, offset: int, count: int) -> list[int]:
        """Read `count` 32-bit words, each once, in ascending order."""

    @abstractmethod
    def write_words(self, offset: int, words: Sequence[int]) -> None:
        """Write 32-bit words, each once, in ascending order."""

    def read_block(self, offset: int, size_bytes: int) -> bytes:
        """Copy bytes out of normal memory, in accesses of any width and order.

        Raises:
            TypeError: the region is not normal memory.
        """
        raise self._no_blocks()

    def write_block(self, offset: int, data: "ReadableBuffer") -> None:
        """Copy bytes into normal memory, in accesses of any width and order.

        Raises:
            TypeError: the region is not normal memory.
        """
        raise self._no_blocks()

    def buffer(self) -> memoryview | None:
        """Return normal memory itself for compiled code, or None where there is none."""
        return None

    def again(self) -> "Region | None":
        """Reach the same place once more, after the connection to it was lost. Never waits.

        Returns:
            The region to use from now on, which is this one if nothing was lost; None: not yet,
            ask again.

        Raises:
            RemoteError, RemoteGone: what is there now cannot be used; ask again.
        """
        return self

    @property
    def lost(self) -> bool:
        """Whether the connection behind this region broke; no access gets through any more."""
        return False

    def reopen(self) -> None:
        """Reach the same over a new connection if the old one broke; nobody else uses the region.

        The interrupt is another one afterwards, and it may take seconds until nobody answered.

        Raises:
            RemoteGone, AddressError: it cannot be reached now; the region is as it was.
        """
        assert not self.lost, f"{type(self).__name__} can be lost and does not say how to reopen it"

    def close(self) -> None:
        """Let go of what the region holds open; a second call does nothing.

        Raises:
            BufferError: something still looks at the memory, for example a compiled ring.
        """
        if self.interrupt is not None:
            self.interrupt.close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> "NoReturn":
        raise no_copy(self)

    def check(self, offset: int, size_bytes: int, alignment: int = 1) -> None:
        """Raise IndexError or ValueError unless the access is inside and aligned."""
        if offset < 0 or size_bytes < 0 or offset + size_bytes > self.size_bytes:
            raise IndexError(
                f"{size_bytes} bytes at offset {offset} are outside a region"
                f" of {self.size_bytes} bytes"
            )
        if offset % alignment:
            raise ValueError(f"offset {offset} is not a multiple of {alignment}")

    def check_width(self, offset: int, width: int) -> None:
        """Raise as `check` does, and ValueError for a width that no machine has."""
        if width not in FORMATS:
            raise ValueError(f"the width is 1, 2, 4 or 8 bytes, not {width}")
        self.check(offset, width, width)

    def _no_blocks(self) -> TypeError:
        return TypeError(f"a region of kind {self.kind.value} has no block access, only words")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind.value}, {self.size_bytes} bytes>"


class Memory(Region):
    """Normal memory: any writable buffer such as a bytearray or an mmap.

    The buffer stays exported, so an mmap cannot be closed while the region lives.

    Raises:
        ValueError: the buffer cannot be written, or the machine is big-endian.
    """

    kind = Kind.NORMAL

    def __init__(self, buffer: "WriteableBuffer") -> None:
        if sys.byteorder != "little":
            raise ValueError("mailbox memory is little-endian and this machine is not")
        self._bytes = memoryview(buffer).cast("B")
        if self._bytes.readonly:
            raise ValueError("the buffer cannot be written")
        self.size_bytes = len(self._bytes)
        # A cast view moves one item with one access of its width: no index is ever seen torn.
        self._views = {
            width: self._bytes[: self.size_bytes // width * width].cast(code)
            for width, code in FORMATS.items()
        }

    def read(self, offset: int, width: int) -> int:
        self.check_width(offset, width)
        number: int = self._views[width][offset // width]
        return number

    def write(self, offset: int, value: int, width: int) -> None:
        self.check_width(offset, width)
        self._views[width][offset // width] = value

    def read_words(self, offset: int, count: int) -> list[int]:
        self.check(offset, 4 * count, 4)
        words: list[int] = self._views[4][offset // 4 : offset // 4 + count].tolist()
        return words

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self.check(offset, 4 * len(words), 4)
        view = self._views[4]
        # Not as a slice, which may be copied in any width and order.
        for index, word in enumerate(words, offset // 4):
            view[index] = word

    def read_block(self, offset: int, size_bytes: int) -> bytes:
        self.check(offset, size_bytes)
        return bytes(self._bytes[offset : offset + size_bytes])

    def write_block(self, offset: int, data: "ReadableBuffer") -> None:
        source = memoryview(data).cast("B")
        self.check(offset, len(source))
        self._bytes[offset : offset + len(source)] = source

    def buffer(self) -> memoryview:
        return self._bytes

    def close(self) -> None:
        super().close()
        for view in self._views.values():
            view.release()
        self._bytes.release()
