"""Requests of the remote's own, until the host has answered them."""

import errno
from collections.abc import Callable

from mboxio.errors import QueueFull
from mboxio.remote.channel import read_error
from mboxio.remote.failures import log_failure
from mboxio.ring import REPLY, REQUEST

__all__ = ["Answered", "Questions"]

Answered = Callable[[bytes, int], object]
"""Gets the reply and 0, or the text of an error and its status."""
Push = Callable[[int, int, bytes], bool]
"""Gets kind, tag and message; False: there is no place."""

QUESTIONS_MAX = 1024


class Questions:
    """What one host has been asked on one channel.

    Args:
        channel: its name.
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.open: dict[int, Answered] = {}
        self.tag = 0

    def ask(self, push: Push, message: bytes, answered: Answered) -> int:
        """Send a new one and return its tag; tags are not used again for a long time.

        Args:
            push: puts it into the ring to the host, which nobody else uses meanwhile.
            message, answered: see `Lane.ask`.

        Raises:
            QueueFull: the ring is full, or the host answers nothing.
        """
        if len(self.open) >= QUESTIONS_MAX:
            raise QueueFull("the host owes too many answers", reason="tags", channel=self.channel)
        self.tag = tag = (self.tag + 1) & 0xFFFFFFFF
        self.open[tag] = answered  # before the push: the serving thread may have the answer at once
        pushed = False
        try:
            pushed = push(REQUEST, tag, message)
        finally:
            if not pushed:
                del self.open[tag]
        if not pushed:
            raise QueueFull("the ring to the host is full", reason="slots", channel=self.channel)
        return tag

    def forget(self, tag: int) -> None:
        """Wait no longer for an answer."""
        self.open.pop(tag, None)

    def answer(self, kind: int, tag: int, message: bytes) -> bool:
        """Pass an answer on; False if nobody asked."""
        answered = self.open.pop(tag, None)
        if answered is None:
            return False
        if kind == REPLY:
            self._tell(answered, message, 0)
        else:
            status, text = read_error(message)
            self._tell(answered, text, status)
        return True

    def abandon(self) -> None:
        """Tell all waiters for answers that the host is gone; on the serving thread."""
        while self.open:
            _, answered = self.open.popitem()
            self._tell(answered, b"the host is gone", errno.EPIPE)

    def _tell(self, answered: Answered, message: bytes, status: int) -> None:
        try:
            answered(message, status)
        except Exception as error:
            log_failure(f"a callback of channel {self.channel} failed", error)
