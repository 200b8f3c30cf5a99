"""Records what happens at connections and remotes, on a thread of its own.

Those who tell put packets into an `EventRing` and go on; the thread writes them in batches, and
each batch with one write, so a process that is killed loses the last one at most. Nothing that goes
wrong here concerns the traffic: if the file cannot be written, that is said once.
"""

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from mboxio._base.clock import Clock
from mboxio._base.tap import Place, Tap
from mboxio.capture.blocks import interface_description
from mboxio.capture.event import Source
from mboxio.capture.output import Output
from mboxio.capture.pieces import CaptureError
from mboxio.recording.ring import UNWANTED, EventRing, RingTap
from mboxio.recording.sinks import Sink, open_sink

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RING_BYTES", "Recorder", "Tappable", "offset_now", "record"]

RING_BYTES = 16 << 20
"""What may wait for the thread: some 140,000 short messages."""
SNAP_MAX = 1 << 30
BATCH_BYTES = 1 << 20
PAUSE_S, BUSY_PAUSE_S = 0.05, 0.002
"""How long the thread waits for more, and how long if there was much."""
MUCH = RING_BYTES // 64

log = logging.getLogger("mboxio")


class Tappable(Place, Protocol):
    """A connection's host's side, or a remote: where listeners have a place."""

    @property
    def tap_clock(self) -> Clock:
        """The clock of its events."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether it is the remote's side."""
        ...

    def add_tap(self, tap: Tap) -> None:
        """Tell a listener what happens from now on."""

    def drop_tap(self, tap: Tap) -> None:
        """Tell it nothing more."""


def offset_now() -> int:
    """Return what the monotonic clock lacks to the time since 1970, in nanoseconds."""
    return time.time_ns() - time.monotonic_ns()


class Recorder:
    """A recording: one file or stream, of any number of connections and remotes.

    All methods may be called from any thread.

    Args:
        output: a path, see `mboxio.capture.writing.open_writer`, or what is open already.
        snap: keep no more bytes of a message; None: all.
        rotate_bytes: begin a further file rather than exceed this size; for files.
        channels: names of the channels that are recorded; None: all.
        ring_bytes: what may wait for the thread.
        offset_ns: what the clocks lack to the time since 1970, in nanoseconds; None: found now.

    Raises:
        CaptureError: the path has no suffix of a capture, or another user has a hand in it.
        OSError: it cannot be opened.
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        output: "str | os.PathLike[str] | Output",
        *,
        snap: int | None = None,
        rotate_bytes: int | None = None,
        channels: Collection[str] | None = None,
        ring_bytes: int = RING_BYTES,
        offset_ns: int | None = None,
    ) -> None:
        if offset_ns is None:
            offset_ns = offset_now()
        self.offset_ns = offset_ns
        self.error: OSError | CaptureError | None = None
        """Why nothing is written any more, if so."""
        self._snap = snap
        self._channels = None if channels is None else frozenset(channels)
        kept_bytes = SNAP_MAX if snap is None else min(snap, SNAP_MAX)
        self._ring = EventRing(ring_bytes, kept_bytes, offset_ns)
        self._sources: list[bytes] = []  # descriptions, in the order of the interfaces
        self._numbers: dict[Source, int] = {}
        # Of the sources, and of the thread's beginning; a finalizer may close a connection within.
        self._guard = threading.RLock()
        self._places = 0
        self._taps: weakref.WeakKeyDictionary[Tappable, Tap] = weakref.WeakKeyDictionary()
        self._owned = False  # it ends when the last place has left
        self._stop = threading.Event()
        self._pid = os.getpid()
        self._sink: Sink = open_sink(output, offset_ns, self._pid, snap, rotate_bytes)
        self._thread: threading.Thread | None = None
        _ALL.add(self)

    @property
    def events(self) -> int:
        """How many events were taken down."""
        return self._ring.events

    @property
    def lost(self) -> int:
        """How many were not: they came faster than they could be written."""
        return self._ring.lost

    def tap_for(self, place: Tappable, *, last: bool = False) -> Tap:
        """Return a listener for one place.

        Args:
            place: where it will listen.
            last: the recording ends when the place is closed.
        """
        with self._guard:
            self._places += 1
            self._owned = last
            if self._thread is None and not self._stop.is_set():
                thread = threading.Thread(target=self._run, name="mboxio recorder", daemon=True)
                thread.start()
                self._thread = thread
            remote = place.is_remote
            clock = place.tap_clock
            tap = RingTap(self._ring, clock, self._describe(remote), self._place_left, remote)
            self._taps[place] = tap
            return tap

    def leave(self, place: Tappable) -> None:
        """Listen at a place no longer."""
        with self._guard:
            tap = self._taps.pop(place, None)
        if tap is not None:
            place.drop_tap(tap)

    def leave_all(self) -> None:
        """Listen nowhere any longer."""
        with self._guard:
            taps = list(self._taps.items())
            self._taps.clear()
        for place, tap in taps:
            place.drop_tap(tap)

    def close(self, timeout_s: float | None = None) -> bool:
        """Write what is left, and close the file; twice is fine. What comes later is lost.

        Args:
            timeout_s: how long to wait for who reads a stream; None: as long as that takes.

        Returns:
            False if not all was read in this time; close again.
        """
        if self._pid != os.getpid():
            return True  # a child has no thread, and the file is its parent's
        with self._guard:
            self._stop.set()
            thread = self._thread
            if thread is None:
                self._sink.close()
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def forked(self) -> None:
        """This is a child now: who reads a stream must not wait for its end."""
        self._guard = threading.RLock()  # a thread that stayed behind may hold the old one
        self._sink.forked()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _describe(self, remote: bool) -> Callable[[Place, int], int]:
        def described(place: Place, channel: int) -> int:
            name, depth, message_bytes = place.facts_of(channel)
            if self._channels is not None and name not in self._channels:
                return UNWANTED
            side = "remote" if remote else "host"
            source = Source(place.address, name, side, channel, depth, message_bytes)
            with self._guard:
                number = self._numbers.setdefault(source, len(self._sources))
                if number == len(self._sources):
                    self._sources.append(interface_description(source, self._snap))
                return number

        return described

    def _place_left(self) -> None:
        with self._guard:
            self._places -= 1
            over = self._owned and self._places <= 0
        if over:
            self.close()

    # -- on the thread

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                before = self._ring.events
                self._empty()
                much = (self._ring.events - before) * 100 > MUCH
                self._stop.wait(BUSY_PAUSE_S if much else PAUSE_S)
            self._empty()
            self._ring.tell_lost(time.monotonic_ns())
            self._empty()
        finally:
            self._sink.close()

    def _empty(self) -> None:
        while self._ring.take(self._write, BATCH_BYTES):
            pass

    def _write(self, blocks: "Buffer") -> None:
        """Write packets, behind the descriptions of their interfaces."""
        if self.error is not None:
            return
        try:
            # Asked for after the packets were taken: none is there before its interface.
            self._sink.write(self._sources, blocks)
        except (OSError, CaptureError) as error:
            self.error = error
            if not isinstance(error, BrokenPipeError | ConnectionResetError):
                log.error("recording stopped after %d events: %s", self.events, error)


_ALL: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


def _after_fork() -> None:
    for recorder in list(_ALL):
        recorder.forked()


os.register_at_fork(after_in_child=_after_fork)


class Hosted(Protocol):
    """A connection, or a client."""

    @property
    def _host(self) -> Tappable:
        """What it belongs to."""
        ...


@contextmanager
def record(
    place: "Hosted | Tappable",
    output: "str | os.PathLike[str] | Output",
    *,
    snap: int | None = None,
) -> Generator[Recorder]:
    """Record what happens at a connection, or at a remote, within the block.

    Args:
        place: a connection or a client of it, or a `mboxio.remote.Remote`.
        output: the path of the file; its suffix says how: .pcapng, .jsonl.
        snap: keep no more bytes of a message; None: all.
    """
    with Recorder(output, snap=snap) as recorder:
        listened: Any = getattr(place, "_host", place)
        listened.add_tap(recorder.tap_for(listened))
        try:
            yield recorder
        finally:
            recorder.leave(listened)
