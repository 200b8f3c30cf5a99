"""A window of the memory or registers behind a connection."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from mboxio.regions.region import Kind, Region

__all__ = ["Reached", "RemoteRegion"]


class Reached(Protocol):
    """What makes the accesses, and may be shared: a `Link`, or a session of pyOCD's."""

    @property
    def scheme(self) -> str: ...
    @property
    def widths(self) -> frozenset[int]: ...

    where: str
    broken: str
    access_s: float

    def read(self, address: int, width: int) -> int: ...
    def write(self, address: int, value: int, width: int) -> None: ...
    def read_words(self, address: int, count: int) -> list[int]: ...
    def write_words(self, address: int, words: Sequence[int]) -> None: ...
    def access(self, words: int, access_s: float) -> AbstractContextManager[None]: ...
    def release(self) -> None: ...
    @classmethod
    def share(cls, where: str) -> Self: ...
    @classmethod
    def place_of(cls, where: str) -> str: ...


class RemoteRegion(Region):
    """Memory or registers behind a connection.

    Accesses raise RemoteGone when the connection is lost.

    Args:
        link: the connection; the region gives it up when it is closed.
        address: where the region begins there.
        size_bytes: its size in bytes.
    """

    kind = Kind.REMOTE

    def __init__(self, link: Reached, address: int, size_bytes: int) -> None:
        self.link = link
        self.address = address
        self.size_bytes = size_bytes
        self.access_s = link.access_s
        self.place = "", (link.scheme, link.place_of(link.where)), address
        self.closed = False

    def read(self, offset: int, width: int) -> int:
        self._check_access(offset, width)
        with self._time_for(1):
            return self.link.read(self.address + offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self._check_access(offset, width)
        if not 0 <= value < 1 << 8 * width:
            raise ValueError(f"{value:#x} does not fit into {width} bytes")
        with self._time_for(1):
            self.link.write(self.address + offset, value, width)

    def read_words(self, offset: int, count: int) -> list[int]:
        self._check_open()
        self.check(offset, 4 * count, 4)
        with self._time_for(count):
            return self.link.read_words(self.address + offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self._check_open()
        self.check(offset, 4 * len(words), 4)
        for word in words:
            if not 0 <= word < 1 << 32:
                raise ValueError(f"{word:#x} is not a 32-bit word")
        with self._time_for(len(words)):
            self.link.write_words(self.address + offset, words)

    def _time_for(self, words: int) -> AbstractContextManager[None]:
        """Begin one access of so many words, with one deadline."""
        return self.link.access(words, self.access_s)

    @property
    def lost(self) -> bool:
        """See `Region.lost`."""
        return bool(self.link.broken) and not self.closed

    def reopen(self) -> None:
        """See `Region.reopen`."""
        if not self.lost:
            return
        link = type(self.link).share(self.link.where)
        try:
            same = self.same_over(link)
        finally:
            link.release()
        lost, self.link = self.link, same.link  # with its use of the connection
        interrupt, self.interrupt = self.interrupt, same.interrupt
        self.access_s = same.access_s
        if interrupt is not None:
            interrupt.close()
        lost.release()

    @abstractmethod
    def same_over(self, link: Any) -> "RemoteRegion":
        """Return a region for the same window, set up the same way, over a new connection.

        Raises:
            RemoteGone, AddressError: it is not possible any more.
        """

    def close(self) -> None:
        """See `Region.close`."""
        if not self.closed:
            self.closed = True
            super().close()
            self.link.release()

    def _check_access(self, offset: int, width: int) -> None:
        self._check_open()
        self.check_width(offset, width)
        if width not in self.link.widths:
            known = " or ".join(str(each) for each in sorted(self.link.widths))
            raise ValueError(
                f"{self.link.scheme}: does accesses of {known} bytes, not of {width} bytes"
            )

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the region is closed")
