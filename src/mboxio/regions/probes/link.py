"""Connections to programs that do accesses for us: an emulator, a debug probe.

Such a program talks to one client, so all regions of this process behind the same address share
one `Link`. Threads take turns, and an exchange that broke off in the middle ends the connection:
later answers could not be told apart.

Nobody there is trusted: an access has one deadline and takes so many bytes, however they come.
"""

import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, Self, TypeVar

from mboxio._limits.awaited import Awaited, concerned, more_than_one
from mboxio._limits.budget import Budget
from mboxio._os.descriptors import readable
from mboxio.errors import AddressError, RemoteGone
from mboxio.regions.probes.connecting import ANSWER_S, connected
from mboxio.regions.probes.packets import Endless
from mboxio.regions.probes.patience import SLICE_S, Patience

__all__ = ["ANSWER_S", "UNASKED", "Link"]

A = TypeVar("A")
T = TypeVar("T")

SLOWER = 10
"""For each further word, this many times its usual cost is granted on top of that."""

RECEIVED_MAX = 1 << 19
"""Most bytes that come at once, in an access or between, whatever they mean, ..."""
WORD_RECEIVED_MAX = 1 << 10
"""... this many more for each word that was asked for, ..."""
RECEIVED_PER_S = 1 << 18
"""... and in each second: console output, or 10,000 interrupts."""
HEARD_BYTES = 64
"""To hear a piece costs as much as these, however short it is."""
PIECE_BYTES = 1 << 13
"""What is taken to pieces before the clock is read again."""

UNASKED = "sent an answer that nothing asked for"

PINGS = 5
"""Exchanges after which the cost of one is known well enough."""


class Allowance(threading.local):
    """What the access of the running thread may still take.

    Attributes:
        granted_s: how long it may take in all, in seconds; 0: there is no access.
        until_s: when its time is over.
        left_bytes: what it may still receive.
    """

    granted_s = 0.0
    until_s = 0.0
    left_bytes = 0


class Spoken(ABC):
    """What a subclass of `Link` knows: the language of the other side."""

    scheme: ClassVar[str]
    widths: ClassVar[frozenset[int]]
    """Accesses that the other side really does as one, in bytes."""
    how_to_start: ClassVar[str]

    @abstractmethod
    def greet(self) -> None:
        """Begin the conversation."""

    def greeting_s(self) -> float:
        """Return how long that may take, and the measuring after it, in seconds."""
        return ANSWER_S

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


_shared: dict[tuple[type, str], "Link"] = {}
_sharing = threading.Lock()


class Link(Spoken):
    """A connection that carries accesses; `share` opens it, each `release` gives up one use.

    Args:
        where: the rest of the address: ``HOST:PORT``, the path of a socket or of a serial port;
            a subclass may know more.

    Raises:
        AddressError: the address means nothing.
        RemoteGone: nobody answers there.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.users = 1
        self.broken = ""
        self.at_end: list[Callable[[], object]] = []  # wakes those who sleep on the connection
        self.owed = 0  # answers that have not come
        self.said = False  # something was asked
        self.access_s = 0.0  # not known yet
        self.allowance = Allowance()
        self.lock = threading.Lock()
        self.patience = Patience()
        self.budget = Budget(RECEIVED_MAX, RECEIVED_PER_S)
        self.cost_bytes = 0  # of what was done since something was heard, less what was asked
        self.coming: dict[int, list[Awaited]] = {}  # who waits behind threads that wait
        self.received = bytearray()
        self.socket = connected(self.scheme, self.program_of(where), self.how_to_start)
        try:
            with self.within(self.greeting_s()):
                self.greet()
                self.access_s = self._measure()
            self.patience = Patience()  # to ask the target for something may cost much more
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
        """Return the part of ``where`` for which there is one connection."""
        return where

    @classmethod
    def program_of(cls, where: str) -> str:
        """Return the part of ``where`` that says which program it is."""
        return cls.place_of(where)

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

    # -- exchanges

    @contextmanager
    def within(self, seconds: float, words: int = 1) -> Generator[None]:
        """Have one deadline for all that this thread asks inside; of several the outermost counts.

        Args:
            seconds: how long it may take, waiting for other threads not counted.
            words: how many are asked for.
        """
        mine = self.allowance
        if mine.granted_s:
            yield
            return
        mine.granted_s = seconds
        mine.until_s = time.monotonic() + seconds
        mine.left_bytes = RECEIVED_MAX + words * WORD_RECEIVED_MAX
        try:
            yield
        finally:
            mine.granted_s = 0.0

    def access(self, words: int, access_s: float) -> AbstractContextManager[None]:
        """Begin an access of so many words that cost ``access_s`` seconds each; see `within`."""
        return self.within(ANSWER_S + SLOWER * max(0, words - 1) * access_s, words)

    @contextmanager
    def talking(self, words: int = 1) -> Generator[None]:
        """Hold the connection for one exchange.

        Raises:
            RemoteGone: the connection broke, now or earlier.
        """
        came_s = time.monotonic()
        turn = self._turn() if more_than_one() else self.lock
        with self.access(words, self.access_s), turn:
            now_s = time.monotonic()
            self.allowance.until_s += now_s - came_s
            if self.broken:
                raise RemoteGone(self.broken)
            self.owed = 0
            self.said = False
            self.patience.begin(words, now_s)
            try:
                yield
                if self.said:
                    self.patience.learn(time.monotonic())
            except TimeoutError as error:
                raise self.end(f"does not answer within {error}") from None
            except RemoteGone:
                raise  # it has been ended
            except Endless as error:
                raise self.end(str(error)) from None
            except OSError as error:
                raise self.end(f"is gone: {error.strerror or error}") from None
            finally:
                if self.owed and not self.broken:
                    self.end("was interrupted in the middle of an access")

    def say(self, data: bytes, answers: int) -> None:
        """Send what is answered ``answers`` times. Inside `talking`."""
        self.owed += answers
        self.said = True
        self.cost_bytes -= answers * WORD_RECEIVED_MAX
        self.send(data)

    def send(self, data: bytes) -> None:
        """Send what is not answered. Inside `talking`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._patiently(self.socket.send, rest) :]

    def answered(self) -> None:
        """Count an answer that came. Inside `talking`."""
        self.owed -= 1

    def hear(self) -> None:
        """Wait for more bytes and add them to ``received``. Inside `talking`."""
        data = self._patiently(self.socket.recv, PIECE_BYTES)
        if not data:
            raise ConnectionResetError("it hung up")
        self.received += data
        self.allowance.left_bytes -= len(data)
        cost_bytes, self.cost_bytes = self.cost_bytes + len(data) + HEARD_BYTES, 0
        empty = self.budget.spend(cost_bytes, int(time.monotonic() * 1e9))
        if empty or self.allowance.left_bytes < 0:
            raise _endless()

    def _patiently(self, function: Callable[[A], T], argument: A) -> T:
        """Call what waits for the other side, until the time of the access is over.

        Or until it is clear that the other side hangs, and somebody's deadline has passed.

        Raises:
            TimeoutError: so long; the text says it.
        """
        now_s = time.monotonic()
        while True:
            left_s = self.allowance.until_s - now_s
            if left_s <= 0:
                raise TimeoutError(f"{self.allowance.granted_s:.3g} s")
            slice_s = min(left_s, SLICE_S)
            self.socket.settimeout(slice_s)
            try:
                return function(argument)
            except TimeoutError:
                pass
            asked_s, now_s = now_s, time.monotonic()
            self.patience.woke(slice_s, now_s - asked_s)
            waiting = [party for each in list(self.coming.values()) for party in each]
            if self.patience.has_hung([*concerned(), *waiting], now_s):
                lasted_s = now_s - self.patience.began_s
                raise TimeoutError(f"{lasted_s:.3g} s, and the deadline of a request has passed")

    @contextmanager
    def _turn(self) -> Generator[None]:
        """Hold the connection; meanwhile whoever has it knows who waits for us."""
        me = threading.get_ident()
        try:
            self.coming[me] = concerned()
            with self.lock:
                self.coming.pop(me, None)
                yield
        finally:
            self.coming.pop(me, None)

    def arrived(self) -> Iterator[None]:
        """Hear what came unasked, piece by piece: before a question is sent. Inside `talking`.

        Raises:
            RemoteGone: it goes on and on.
        """
        yield  # with the last answer, maybe
        while readable(self.socket.fileno(), 0):
            if time.monotonic() > self.allowance.until_s:
                raise self.end("sends without end")
            self.hear()
            yield

    def end(self, why: str) -> RemoteGone:
        """Take the connection for dead; returns the error to raise."""
        self.broken = f"{self.scheme}:{self.where} {why}"
        try:
            # Not closed before `release`: other threads may sleep on this descriptor.
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        for wake in list(self.at_end):
            wake()
        return RemoteGone(self.broken)

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


def _endless() -> Endless:
    return Endless(
        f"sends without end: {RECEIVED_MAX >> 10} KiB at once, or {RECEIVED_PER_S >> 10} KiB a"
        " second, that nothing asked for"
    )


def _forget_links() -> None:
    """In a forked child: the connections are the parent's."""
    global _sharing
    _sharing = threading.Lock()
    for link in _shared.values():
        link.broken = "the connection belongs to the parent process"
        link.lock = threading.Lock()
        link.coming = {}
    _shared.clear()


os.register_at_fork(after_in_child=_forget_links)
