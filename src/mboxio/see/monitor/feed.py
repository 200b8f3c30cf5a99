"""The thread that reads events and hands them to a model, as they come or at a pace."""

from collections import deque
from collections.abc import Callable, Iterable
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic_ns

from mboxio._base.texts import printable
from mboxio.capture.event import Event
from mboxio.see.monitor.model import Model, Notable

__all__ = ["Feed"]

BATCH = 256
"""Events that the thread hands over at once, unless somebody fetches them earlier."""
EARLY_S = 0.02
"""A player hands over what is due so soon: it wakes up less often, and the screen is slower yet."""
LOOK_S = 0.1
"""How long a player waits before it looks whether it is still to go on."""


class Playback:
    """Time that runs at a speed, and stands still while it is paused.

    Args:
        speed: 2.0 for twice as fast.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.paused = False
        self._done_ns = 0
        self._since_ns = monotonic_ns()

    def position_ns(self) -> int:
        """Return how far it is, in nanoseconds of what is played."""
        if self.paused:
            return self._done_ns
        return self._done_ns + int((monotonic_ns() - self._since_ns) * self.speed)

    def move(self, position_ns: int) -> None:
        """Be there now."""
        self._done_ns, self._since_ns = position_ns, monotonic_ns()

    def pause(self, paused: bool) -> None:
        """Stand still, or go on."""
        self._done_ns = self.position_ns()
        self._since_ns = monotonic_ns()
        self.paused = paused


class Feed:
    """Reads events on a thread of its own and feeds a model with them.

    Use `model` under `lock` only. The source is never read faster than the model takes events in.

    Args:
        events: makes the source of events; called on the thread, for it may wait.
        model: what is fed.
        live: the events happen while they are read, so time goes on when none comes.
        speed: play the events in their own time, this much faster; None: as they come.
        wake: makes the source end soon, from another thread.
    """

    def __init__(
        self,
        events: Callable[[], Iterable[Event]],
        model: Model,
        *,
        live: bool = False,
        speed: float | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.lock = Lock()
        self.live = live
        self.playback = None if speed is None else Playback(speed)
        self.ended = Flag()
        self.failure = ""
        """Why reading ended, if that was not its end."""
        self._events = events
        self._wake = wake
        self._stop = Flag()
        self._pending: deque[Event] = deque()
        self._arrived_ns = monotonic_ns()
        self._source: Iterable[Event] = ()
        self._thread = Thread(target=self._run, name="mboxio-monitor", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; returns when the thread has ended."""
        self._stop.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the source, each in a line."""
        return [printable(each) for each in getattr(self._source, "warnings", ())]

    def flush(self) -> None:
        """Hand over what was read."""
        with self.lock:
            for _ in range(BATCH):  # not for ever: more may come all the time
                if not self._pending:
                    return
                self.model.take(self._pending.popleft())

    def now_ns(self) -> int:
        """Return the time up to which events are known, by their own clock. Under the lock."""
        first_ns, last_ns = self.model.first_ns, self.model.last_ns
        if first_ns is None or self.ended.is_set():
            return last_ns
        if self.playback is not None:
            return max(first_ns + self.playback.position_ns(), last_ns)
        return last_ns + (monotonic_ns() - self._arrived_ns if self.live else 0)

    def fetch_notable(self) -> list[Notable]:
        """See `Model.fetch_notable`. Not under the lock."""
        with self.lock:
            return self.model.fetch_notable()

    def pause(self, paused: bool) -> None:
        """Stop playing, or go on; what happens live goes on."""
        if self.playback is not None:
            self.playback.pause(paused)

    # -- the thread

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:  # it is shown: hostile bytes end the reading, not the monitor
            self.failure = printable(str(error) or type(error).__name__)
        while self._pending:
            self.flush()
        self.ended.set()

    def _read(self) -> None:
        self._source = self._events()
        first_ns: int | None = None
        for event in self._source:
            if first_ns is None:
                first_ns = event.time_ns
                if self.playback is not None:
                    self.playback.move(0)
            if self.playback is not None:
                self._await(event.time_ns - first_ns, self.playback)
            if self._stop.is_set():
                return
            self._arrived_ns = monotonic_ns()
            self._pending.append(event)
            if len(self._pending) >= BATCH:
                self.flush()

    def _await(self, due_ns: int, playback: Playback) -> None:
        """Wait until it is time for an event."""
        while (left_ns := due_ns - playback.position_ns()) > EARLY_S * 1e9 * playback.speed:
            self.flush()
            if self._stop.wait(min(left_ns / playback.speed / 1e9, LOOK_S)):
                return
        if -left_ns > LOOK_S * 1e9 * playback.speed:  # too fast for us: else all would look stuck
            playback.move(due_ns)
