"""What a recorded remote said of its own accord, at its place and at its time."""

import heapq
import threading
from collections.abc import Callable
from time import monotonic_ns

from mboxio.see.replay.conversation import Exchange

__all__ = ["Asides"]

LOOK_S = 0.05
"""How often to look whether the first host has come."""
Due = tuple[int, int, str, Exchange]


class Asides:
    """Does things on a thread when they are due, or before, when their place has come.

    Args:
        perform: says one thing, on a channel.
        came: whether a host is there.
        begin: called once, on the thread, when the first host is there.
    """

    def __init__(
        self,
        perform: Callable[[str, Exchange], object],
        came: Callable[[], bool],
        begin: Callable[[], object],
    ) -> None:
        self._perform = perform
        self._came = came
        self._begin = begin
        self._due: list[Due] = []
        self._sequence = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="mboxio replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more."""
        with self._changed:
            self._stopping = True
            self._due.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def put(self, after_ns: int, channel: str, exchange: Exchange) -> None:
        """Say something later.

        Args:
            after_ns: how much later, in nanoseconds.
            channel: where.
            exchange: what.
        """
        with self._changed:
            self._sequence += 1
            due = (monotonic_ns() + after_ns, self._sequence, channel, exchange)
            heapq.heappush(self._due, due)
            self._changed.notify()

    def flush(self, channel: str, exempt: Callable[[Exchange], bool]) -> None:
        """Say what waits on a channel now, since its place has come.

        Args:
            channel: whose.
            exempt: what goes on waiting.
        """
        with self._changed:
            now = [each for each in self._due if each[2] == channel and not exempt(each[3])]
            if not now:
                return
            self._due = [each for each in self._due if each not in now]
            heapq.heapify(self._due)
        for _, _, channel, exchange in sorted(now, key=lambda each: each[1]):
            self._perform(channel, exchange)

    def _run(self) -> None:
        while not self._came():
            with self._changed:
                if self._stopping or self._changed.wait_for(lambda: self._stopping, LOOK_S):
                    return
        self._begin()
        while (due := self._next()) is not None:
            self._perform(due[2], due[3])

    def _next(self) -> Due | None:
        """Wait for the next that is due; None: stop."""
        with self._changed:
            while not self._stopping:
                left_ns = self._due[0][0] - monotonic_ns() if self._due else None
                if left_ns is not None and left_ns <= 0:
                    return heapq.heappop(self._due)
                self._changed.wait(None if left_ns is None else left_ns / 1e9)
        return None
