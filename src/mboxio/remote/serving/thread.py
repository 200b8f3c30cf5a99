"""What every remote does: serve in this thread or another one, until it is told to stop."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from threading import RLock, Thread, get_ident
from typing import Generic, NoReturn, Protocol, Self, TypeVar

from mboxio._base.clock import SYSTEM, Clock
from mboxio._base.tap import RECORD_VARIABLE, Tap, together
from mboxio._os.descriptors import refuse_exhausted
from mboxio.errors import no_copy
from mboxio.remote.channel import RemoteChannel
from mboxio.remote.failures import log
from mboxio.remote.stats import RemoteStats
from mboxio.ring import require_ordered_memory

__all__ = ["Serving"]

STOP_S = 5.0


class Runs(Protocol):
    """A server: it runs on one thread, and any may stop it."""

    thread: int | None
    left_behind: bool

    def run(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


Server = TypeVar("Server", bound=Runs)


class Serving(Generic[Server]):
    """The serving half of a remote.

    Args:
        address: what hosts connect to.
        lock: guards what is served.
        spin_s: longest time to look at the rings before sleeping, in seconds. Left out,
            it is 50 µs, and 0 on a single CPU.

    Raises:
        ValueError: ``spin_s`` is negative.
    """

    def __init__(self, address: str, lock: RLock, spin_s: float | None) -> None:
        if spin_s is None:
            spin_s = 50e-6 if (os.cpu_count() or 1) > 1 else 0.0
        if not spin_s >= 0:
            raise ValueError(f"spin_s is {spin_s}, which is negative")
        self._address = address
        self._lock = lock
        self._spin_ns = round(spin_s * 1e9)
        self._stats = RemoteStats()
        self._server: Server | None = None
        self._thread: Thread | None = None
        self._taps: list[Tap] = []
        self._recorded = False

    @property
    def address(self) -> str:
        """What hosts connect to."""
        return self._address

    @abstractmethod
    def _make_server(self) -> Server:
        """Return a new server of what was declared. Under the lock; raises as `start`."""

    def start(self) -> None:
        """Serve in a background thread; hosts can connect when this returns.

        Raises:
            AddressError: somebody serves this address already, or it cannot be used.
            RuntimeError: this remote serves already, or cannot on this machine.
            ValueError: no channel is declared.
        """
        server = self._listen()
        self._thread = Thread(
            target=self._run, args=(server,), name=f"mboxio remote {self.address}", daemon=True
        )
        try:
            self._thread.start()
        except BaseException:
            self._server = None
            server.close()
            raise

    def serve(self) -> None:
        """Serve in this thread until `stop`; raises as `start`."""
        self._run(self._listen())

    def stop(self) -> None:
        """Close all connections and stop serving; `start` may be called again."""
        server, thread = self._server, self._thread
        if server is None:
            return
        server.stop()
        if thread is not None and server.thread != get_ident():
            thread.join(STOP_S)
            if thread.is_alive():
                log.warning("%s does not stop: a handler has not returned", self.address)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def __reduce__(self) -> NoReturn:
        raise no_copy(self)

    def stats(self) -> RemoteStats:
        """Return a copy of what was counted since this remote was made."""
        return self._stats.copy()

    # -- who listens to what happens

    @abstractmethod
    def _numbered(self) -> Sequence[RemoteChannel]:
        """Return the channels, in the order of their numbers."""

    def facts_of(self, channel: int) -> tuple[str, int, int]:
        """See `mboxio._base.tap.Place`."""
        found = self._numbered()[channel]
        return found.name, found.spec.depth, found.spec.message_bytes

    @property
    def tap_clock(self) -> Clock:
        """See `mboxio.recording.recorder.Tappable`."""
        return SYSTEM

    @property
    def is_remote(self) -> bool:
        """See `mboxio.recording.recorder.Tappable`."""
        return True

    def add_tap(self, tap: Tap) -> None:
        """Tell a listener what happens from now on."""
        tap.join(self)
        with self._lock:
            self._taps.append(tap)
            self._tell_channels()

    def drop_tap(self, tap: Tap) -> None:
        """Tell it nothing more."""
        with self._lock:
            self._taps = [each for each in self._taps if each is not tap]
            self._tell_channels()

    def _tell_channels(self) -> None:
        for number, channel in enumerate(self._numbered()):
            channel.number = number
            channel.tap = together(self._taps)

    def _listen(self) -> Server:
        require_ordered_memory()
        with self._lock:
            if self._server is not None and not self._server.left_behind:
                raise RuntimeError(f"{self.address} is served already by this remote")
            self._tell_channels()
            if not self._recorded and os.environ.get(RECORD_VARIABLE):
                from mboxio.recording.program import begin  # which few programs need

                self._recorded = True
                begin(self, None)
            try:
                self._server = self._make_server()
            except OSError as error:
                refuse_exhausted(error, self.address)
                raise
            return self._server

    def _run(self, server: Server) -> None:
        try:
            server.run()
        finally:
            with self._lock:
                self._server = self._thread = None
