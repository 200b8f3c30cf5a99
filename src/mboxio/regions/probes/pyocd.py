"""Memory and registers through a debug probe that pyOCD drives, while the processor runs.

pyOCD (Apache-2.0, https://pyocd.io, tried with 0.46) is imported where it is used. It knows
CMSIS-DAP probes, ST-LINK and J-Link. Either a session is opened for it here, or a program shares
its own: then debugger and mailbox use one probe. Accesses go through pyOCD's own locks.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, Self, TypeVar

from mboxio._base.texts import remote_text
from mboxio.errors import AddressError, RemoteError, RemoteGone
from mboxio.regions.access import number, options
from mboxio.regions.probes.far_region import RemoteRegion
from mboxio.regions.probes.pyocd_session import Session, attach, detach, drop, module

__all__ = ["PyOcd", "PyOcdRegion", "open_pyocd"]

T = TypeVar("T")

ASSUMED_S = 0.001
"""What an access costs where there is no debug port with which it could be measured."""
PINGS = 5
CTRL_STAT = 4
"""A register of the debug port; to read it touches nothing of the target (ARM IHI 0031)."""


class Memory(Protocol):
    """What pyOCD's targets, processors and memory access ports have in common."""

    def read_memory(self, addr: int, transfer_size: int = 32) -> int: ...
    def write_memory(self, addr: int, data: int, transfer_size: int = 32) -> None: ...
    def read_memory_block32(self, addr: int, size: int) -> Sequence[int]: ...
    def write_memory_block32(self, addr: int, data: Sequence[int]) -> None: ...


_shared: dict[str, "PyOcd"] = {}
_sharing = threading.Lock()


class PyOcd:
    """A session of pyOCD's, ours or a program's; `PyOcd.share` opens one.

    Args:
        where: how it is called in messages; of our own session, the rest of the address.
        source: an open session of pyOCD's, or a target, processor or memory access port of one.
        core: number of the processor of a session whose memory it is; None: the one selected now.

    Raises:
        AddressError: the session has no such processor, or pyOCD is not installed.
        RemoteGone: the session is not open, or the probe is gone.
    """

    scheme = "pyocd"
    widths = frozenset({1, 2, 4})

    def __init__(self, where: str, source: Any, core: int | None = None) -> None:
        self.errors = module("core.exceptions")
        self.where = where
        self.broken = ""
        self.users = 1
        self.ours = False
        self.session: Session | None = None
        if isinstance(source, module("core.session").Session):
            self.session = source
        self._refuse_closed()
        if self.session is None:
            self.memory: Memory = source
        else:
            self.memory = _core_of(where, self.session.target, core)
        self.port: Any = getattr(self.memory, "dp", None) or getattr(
            getattr(self.memory, "ap", None), "dp", None
        )
        self.access_s = self._measure()

    @classmethod
    def share(cls, where: str) -> Self:
        """Return the session that ``PROBE_ID,option=value`` names, opened at first use."""
        probe, given = options("pyocd", where, ("target", "frequency", "core"))
        with _sharing:
            there = _shared.get(probe)
            if isinstance(there, cls) and not there.broken:
                if where not in (probe, there.where):
                    raise AddressError(
                        f"pyocd:{where}: one probe is used in one way, and pyocd:{there.where} is"
                        " open already"
                    )
                there.users += 1
                return there
            wanted: dict[str, object] = {}
            if "target" in given:
                wanted["target_override"] = given["target"]
            if "frequency" in given:
                wanted["frequency"] = number(given["frequency"])
            session = attach(probe, wanted)
            try:
                made = cls(where, session, number(given["core"]) if "core" in given else None)
            except BaseException:
                detach(session)
                raise
            made.ours = True
            _shared[probe] = made
            return made

    @classmethod
    def place_of(cls, where: str) -> str:
        """Return the part of ``where`` that says which probe it is."""
        return where.partition(",")[0]

    def again(self) -> Self:
        """Count another user."""
        with _sharing:
            self.users += 1
        return self

    def release(self) -> None:
        """One user less; the last one closes a session of our own."""
        with _sharing:
            self.users -= 1
            if self.users or not self.ours:
                return
            key = self.place_of(self.where)
            if _shared.get(key) is self:
                del _shared[key]
            lost, self.broken = bool(self.broken), self.broken or f"pyocd:{self.where} is closed"
            if self.session is not None and not lost:
                detach(self.session)

    def access(self, words: int, access_s: float) -> AbstractContextManager[None]:
        """Begin an access; how long it may take is pyOCD's affair."""
        return nullcontext()

    # -- accesses

    def read(self, address: int, width: int) -> int:
        """Read a number of `width` bytes in one access.

        Raises:
            RemoteError: the target refuses, or does not answer the probe.
            RemoteGone: the probe is gone, or the session was closed.
        """
        found = self._call(self.memory.read_memory, address, 8 * width)
        return self._numbers([found], 1, width)[0]

    def write(self, address: int, value: int, width: int) -> None:
        """Write a number of `width` bytes in one access; errors as for `read`."""
        self._call(self.memory.write_memory, address, value, 8 * width)
        self._flush()

    def read_words(self, address: int, count: int) -> list[int]:
        """Read 32-bit words, each once, in ascending order, by one call."""
        if not count:
            return []
        found = self._call(self.memory.read_memory_block32, address, count)
        return self._numbers(found, count, 4)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Write 32-bit words, each once, in ascending order, by one call."""
        if words:
            self._call(self.memory.write_memory_block32, address, list(words))
            self._flush()

    def ping(self) -> None:
        """Make one exchange with the probe that touches nothing of the target."""
        self._call(self.port.read_reg, CTRL_STAT)

    def try_again(self) -> None:
        """Go on with a program's session that was lost, if it works again.

        Raises:
            RemoteGone: it does not.
        """
        before, self.broken = self.broken, ""
        try:
            self._refuse_closed()
            if self.port is not None:
                self.ping()
        except RemoteError:
            return  # of the target; the probe is there
        except RemoteGone:
            self.broken = self.broken or before
            raise

    def _flush(self) -> None:
        """Have the probe do what it was told: it may collect writes until something is read."""
        flush = getattr(self.memory, "flush", None) or getattr(self.port, "flush", None)
        if flush is not None:
            self._call(flush)

    def _call(self, function: Callable[..., T], *arguments: object) -> T:
        if self.broken:
            raise RemoteGone(self.broken)
        self._refuse_closed()
        try:
            return function(*arguments)
        except (self.errors.ProbeError, OSError) as error:
            raise self._end(f"the probe is gone: {_text(error)}") from None
        except self.errors.Error as error:
            what = getattr(function, "__name__", "access").strip("_")
            at = f" at {arguments[0]:#x}" if len(arguments) > 1 else ""
            raise RemoteError(f"pyocd:{self.where}: {what}{at} failed: {_text(error)}") from None

    def _numbers(self, found: Sequence[object], count: int, width: int) -> list[int]:
        numbers = [each for each in found if isinstance(each, int) and not each >> 8 * width]
        if not len(found) == len(numbers) == count:
            raise RemoteError(
                f"pyocd:{self.where}: {remote_text(repr(found[: count + 1]))} are no {count}"
                f" numbers of {width} bytes"
            )
        return numbers

    def _refuse_closed(self) -> None:
        if self.session is not None and not self.session.is_open:
            raise self._end("the session is closed")

    def _end(self, why: str) -> RemoteGone:
        first = not self.broken
        self.broken = self.broken or f"pyocd:{self.where}: {why}"
        if first and self.ours and self.session is not None:
            drop(self.session)  # so that the probe can be opened again
        return RemoteGone(self.broken)

    def _measure(self) -> float:
        if self.port is None:
            return ASSUMED_S
        costs: list[float] = []
        for _ in range(PINGS):
            begin = time.perf_counter()
            try:
                self.ping()
            except RemoteError:
                pass  # it has cost as much
            costs.append(time.perf_counter() - begin)
        return min(costs)

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"{self.access_s * 1e6:.0f} us per access"
        return f"<{type(self).__name__} {self.where}, {state}>"


class PyOcdRegion(RemoteRegion):
    """A window of the memory and registers that a session of pyOCD's reaches.

    A region of a program's own session takes part in it, and leaves it open. It is lost when the
    probe is, or the session is closed, and `reopen` works once the program has opened it again.

    Args:
        source: an open session of pyOCD's, or a target, processor or memory access port of one.
        address: where the region begins there.
        size_bytes: its size in bytes.

    Raises:
        AddressError: the session has no processor, or pyOCD is not installed.
        RemoteGone: the session is not open, or the probe is gone.
    """

    link: PyOcd

    def __init__(self, source: Any, address: int, size_bytes: int) -> None:
        link = source if isinstance(source, PyOcd) else PyOcd("session", source)
        super().__init__(link, address, size_bytes)
        if not link.ours:
            self.place = "", (link.scheme, id(link.session or link.memory)), address

    def reopen(self) -> None:
        """See `Region.reopen`."""
        if self.link.ours:
            super().reopen()
        elif self.lost:
            self.link.try_again()

    def same_over(self, link: PyOcd) -> "PyOcdRegion":
        """See `RemoteRegion.same_over`."""
        return PyOcdRegion(link.again(), self.address, self.size_bytes)


def _core_of(where: str, target: Any, core: int | None) -> Memory:
    found = target.selected_core if core is None else target.cores.get(core)
    if found is None:
        there_are = ", ".join(str(each) for each in target.cores) or "none"
        raise AddressError(f"pyocd:{where}: no such core; there are: {there_are}")
    memory: Memory = found
    return memory


def _text(error: BaseException) -> str:
    return remote_text(str(error) or type(error).__name__)


def open_pyocd(where: str, offset: int, size_bytes: int | None) -> PyOcdRegion:
    """Open ``pyocd:PROBE_ID,target=NAME,core=N,frequency=HZ@address+size``; see `PyOcd.share`.

    The ID may be left out where one probe is connected, and the options always.
    """
    _, given = options("pyocd", where, ("target", "frequency", "core"))
    for each in ("frequency", "core"):
        if each in given:
            number(given[each])
    if size_bytes is None:
        raise AddressError(f"pyocd:{where}: say how large it is: pyocd:PROBE_ID@ADDRESS+SIZE")
    link = PyOcd.share(where)
    try:
        return PyOcdRegion(link.again(), offset, size_bytes)
    finally:
        link.release()


def _forget_sessions() -> None:
    """In a forked child: the probes are the parent's."""
    global _sharing
    _sharing = threading.Lock()
    for link in _shared.values():
        link.broken = "the probe belongs to the parent process"
    _shared.clear()


os.register_at_fork(after_in_child=_forget_sessions)
