"""Connections to programs that do accesses for us: an emulator, a debug probe.

Such a program talks to one client, so all regions of this process behind the same address share
one `Link`. Threads take turns, and an exchange that broke off in the middle ends the connection:
later answers could not be told apart.
"""

import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from mboxio.descriptors import refuse_exhausted
from mboxio.errors import AddressError, RemoteGone
from mboxio.io.handover import readable
from mboxio.io.region import Kind, Region
from mboxio.io.serial import SerialPort, is_serial_port
from mboxio.whose import why

__all__ = ["ANSWER_S", "UNASKED", "Link", "RemoteRegion"]

ANSWER_S = 5.0
"""How long an answer may take, whatever comes before it; who is slower is taken for dead."""

RECEIVED_MAX = 1 << 20
"""Bytes that mean nothing, in one piece; they show that the other side speaks something else."""

UNASKED = "sent an answer that nothing asked for"

PINGS = 5
"""Exchanges after which the cost of one is known well enough."""

_shared: dict[tuple[type, str], "Link"] = {}
_sharing = threading.Lock()


class Link(ABC):
    """A connection that carries accesses; `share` opens it, each `release` gives up one use.

    Args:
        where: the rest of the address: ``HOST:PORT``, the path of a socket or of a serial port;
            a subclass may know more.

    Raises:
        AddressError: the address means nothing.
        RemoteGone: nobody answers there.
    """

    scheme: ClassVar[str]
    widths: ClassVar[frozenset[int]]
    """Accesses that the other side really does as one, in bytes."""
    how_to_start: ClassVar[str]

    def __init__(self, where: str) -> None:
        self.where = where
        self.users = 1
        self.broken = ""
        self.at_end: list[Callable[[], object]] = []  # wakes those who sleep on the connection
        self.owed = 0  # answers that have not come
        self.until_s = 0.0
        self.lock = threading.Lock()
        self.received = bytearray()
        self.heard = 0  # bytes since the last that meant something
        self.socket = self._connected(self.place_of(where))
        try:
            self.greet()
            self.access_s = self._measure()
        except RemoteGone as error:
            self.socket.close()
            raise RemoteGone(f"{error}; {self.how_to_start}") from None
        except BaseException:
            self.socket.close()
            raise

    @classmethod
    def share(cls, where: str) -> Self:
        """Return the connection to ``where``, made at first use; errors as for a new one."""
        place = cls.place_of(where)
        with _sharing:
            link = _shared.get((cls, place))
            if isinstance(link, cls) and not link.broken:
                if where not in (place, link.where):
                    raise AddressError(
                        f"{cls.scheme}:{where}: one connection begins in one way, and"
                        f" {cls.scheme}:{link.where} is open already"
                    )
                link.users += 1
                return link
            made = cls(where)
            _shared[cls, place] = made
            return made

    @classmethod
    def place_of(cls, where: str) -> str:
        """Return the part of ``where`` that says which program it is."""
        return where

    def again(self) -> Self:
        """Count another user of this connection."""
        with _sharing:
            self.users += 1
        return self

    def release(self) -> None:
        """One user less; the last one closes the connection."""
        with _sharing:
            self.users -= 1
            if self.users:
                return
            key = type(self), self.place_of(self.where)
            if _shared.get(key) is self:
                del _shared[key]
        self.broken = self.broken or f"the connection to {self.scheme}:{self.where} is closed"
        self.socket.close()

    # -- what a subclass knows

    @abstractmethod
    def greet(self) -> None:
        """Begin the conversation."""

    @abstractmethod
    def ping(self) -> None:
        """Make one exchange that touches nothing of the target."""

    @abstractmethod
    def read(self, address: int, width: int) -> int:
        """Read a number of `width` bytes in one access."""

    @abstractmethod
    def write(self, address: int, value: int, width: int) -> None:
        """Write a number of `width` bytes in one access."""

    def read_words(self, address: int, count: int) -> list[int]:
        """Read 32-bit words, each once, in ascending order."""
        return [self.read(address + 4 * index, 4) for index in range(count)]

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Write 32-bit words, each once, in ascending order."""
        for index, word in enumerate(words):
            self.write(address + 4 * index, word, 4)

    # -- exchanges

    @contextmanager
    def talking(self) -> Generator[None]:
        """Hold the connection for one exchange.

        Raises:
            RemoteGone: the connection broke, now or earlier.
        """
        with self.lock:
            if self.broken:
                raise RemoteGone(self.broken)
            self.owed = self.heard = 0
            try:
                yield
            except TimeoutError:
                raise self.end(f"does not answer within {ANSWER_S:g} s") from None
            except RemoteGone:
                raise  # it has been ended
            except OSError as error:
                raise self.end(f"is gone: {error.strerror or error}") from None
            finally:
                if self.owed and not self.broken:
                    self.end("was interrupted in the middle of an access")

    def say(self, data: bytes, answers: int) -> None:
        """Send what is answered ``answers`` times. Inside `talking`."""
        self.owed += answers
        self.until_s = time.monotonic() + ANSWER_S
        self.socket.sendall(data)

    def answered(self) -> None:
        """Count an answer that came. Inside `talking`."""
        self.owed -= 1
        self.until_s = time.monotonic() + ANSWER_S

    def hear(self) -> None:
        """Wait for more bytes and add them to ``received``. Inside `talking`."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("it hung up")
        self.received += data
        self.heard += len(data)
        if self.owed and time.monotonic() > self.until_s:
            raise TimeoutError
        if self.heard > RECEIVED_MAX:
            raise ConnectionAbortedError("it sends without end")

    def arrived(self) -> Iterator[None]:
        """Hear what came unasked, piece by piece: before a question is sent. Inside `talking`.

        Raises:
            RemoteGone: it goes on and on.
        """
        until_s = time.monotonic() + ANSWER_S
        yield  # with the last answer, maybe
        while readable(self.socket.fileno(), 0):
            if time.monotonic() > until_s:
                raise self.end("sends without end")
            self.hear()
            yield

    def end(self, why: str) -> RemoteGone:
        """Take the connection for dead; returns the error to raise."""
        self.broken = f"{self.scheme}:{self.where} {why}"
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        for wake in list(self.at_end):
            wake()
        return RemoteGone(self.broken)

    def _connected(self, where: str) -> socket.socket | SerialPort:
        connection: socket.socket | None = None
        try:
            if "/" in where and is_serial_port(where):
                return SerialPort(where, ANSWER_S)
            if "/" in where:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.settimeout(ANSWER_S)
                connection.connect(where)
                return connection
            host, colon, port = where.rpartition(":")
            if not colon or not port.isdecimal():
                raise AddressError(
                    f"{self.scheme}:{where} is neither the path of a socket or of a serial port"
                    " (with a '/') nor HOST:PORT"
                )
            connection = socket.create_connection((host.strip("[]") or "localhost", int(port)), 5.0)
            connection.settimeout(ANSWER_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except (OSError, OverflowError) as error:
            if connection is not None:
                connection.close()
            refuse_exhausted(error, f"{self.scheme}:{where}")
            if isinstance(error, PermissionError) and "/" in where:
                raise AddressError(f"{self.scheme}:{where}: {why(error, where)}") from None
            text = getattr(error, "strerror", None) or str(error)
            raise RemoteGone(
                f"nobody answers at {self.scheme}:{where} ({text}); {self.how_to_start}"
            ) from None

    def _measure(self) -> float:
        costs: list[float] = []
        for _ in range(PINGS):
            begin = time.perf_counter()
            self.ping()
            costs.append(time.perf_counter() - begin)
        return min(costs)  # a busy machine makes the others longer, not the accesses dearer

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"{self.access_s * 1e6:.0f} us per access"
        return f"<{type(self).__name__} {self.where}, {state}>"


class RemoteRegion(Region):
    """Memory or registers behind a `Link`.

    Accesses raise RemoteGone when the connection is lost.

    Args:
        link: the connection; the region gives it up when it is closed.
        address: where the region begins there.
        size_bytes: its size in bytes.
    """

    kind = Kind.REMOTE

    def __init__(self, link: Link, address: int, size_bytes: int) -> None:
        self.link = link
        self.address = address
        self.size_bytes = size_bytes
        self.access_s = link.access_s
        self.place = "", (link.scheme, link.place_of(link.where)), address
        self.closed = False

    def read(self, offset: int, width: int) -> int:
        self._check_access(offset, width)
        return self.link.read(self.address + offset, width)

    def write(self, offset: int, value: int, width: int) -> None:
        self._check_access(offset, width)
        if not 0 <= value < 1 << 8 * width:
            raise ValueError(f"{value:#x} does not fit into {width} bytes")
        self.link.write(self.address + offset, value, width)

    def read_words(self, offset: int, count: int) -> list[int]:
        self._check_open()
        self.check(offset, 4 * count, 4)
        return self.link.read_words(self.address + offset, count)

    def write_words(self, offset: int, words: Sequence[int]) -> None:
        self._check_open()
        self.check(offset, 4 * len(words), 4)
        for word in words:
            if not 0 <= word < 1 << 32:
                raise ValueError(f"{word:#x} is not a 32-bit word")
        self.link.write_words(self.address + offset, words)

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


def _forget_links() -> None:
    """In a forked child: the connections are the parent's."""
    global _sharing
    _sharing = threading.Lock()
    for link in _shared.values():
        link.broken = "the connection belongs to the parent process"
        link.lock = threading.Lock()
    _shared.clear()


os.register_at_fork(after_in_child=_forget_links)
