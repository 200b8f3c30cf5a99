"""An event loop's readers of a pump's descriptors, which pause while it is flooded."""

import asyncio
import os
from collections.abc import Callable


class Ears:
    """Private copies of descriptors, to which a loop listens.

    All is called on the loop, `close` also after its end. The loop keeps what it calls.

    Args:
        loop: who listens.
        heard: called when one is readable.
        resumed: called after a pause in which nothing was heard.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        heard: Callable[[], object],
        resumed: Callable[[], object],
    ) -> None:
        self.loop = loop
        self.copies: list[int] = []
        self.pause: asyncio.TimerHandle | None = None
        self._heard = heard
        self._resumed = resumed

    def add(self, descriptor: int) -> None:
        """Listen to a copy of a descriptor, too.

        Raises:
            OSError: there is no copy.
        """
        # The driver may close its own, whose number is then used again; the copy stays ours.
        copy = os.dup(descriptor)
        self.copies.append(copy)
        self.loop.add_reader(copy, self._heard)

    def rest(self, pause_ns: int) -> None:
        """Hear nothing for a while: the loop has better things to do."""
        for copy in self.copies:
            self.loop.remove_reader(copy)
        self._end_pause()
        self.pause = self.loop.call_later(pause_ns / 1e9, self._resume)

    def close(self, inherited: bool = False) -> None:
        """Hear nothing more, and close the copies.

        Args:
            inherited: by a fork; the loop is the parent's, and is left alone.
        """
        if not inherited:
            self._end_pause()
        for copy in self.copies:
            if not inherited and not self.loop.is_closed():
                self.loop.remove_reader(copy)
            os.close(copy)
        self.copies.clear()

    def _resume(self) -> None:
        self.pause = None
        for copy in self.copies:
            self.loop.add_reader(copy, self._heard)
        self._resumed()

    def _end_pause(self) -> None:
        if self.pause is not None:
            self.pause.cancel()
            self.pause = None
