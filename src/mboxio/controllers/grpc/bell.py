"""A descriptor that other threads make readable, and that may be closed under their hands."""

import os
from threading import Lock

from mboxio._os.descriptors import eventfd

__all__ = ["Bell"]


class Bell:
    """An eventfd. All methods may be called from any thread, at any time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.descriptor = eventfd()

    def ring(self) -> None:
        """Make it readable, if it is still there."""
        with self.lock:  # a number that was closed may be another file's by now
            if self.descriptor >= 0:
                os.eventfd_write(self.descriptor, 1)

    def clear(self) -> None:
        """Make it unreadable until it rings again."""
        try:
            os.eventfd_read(self.descriptor)
        except BlockingIOError:
            pass  # nothing happened: somebody only looks

    def close(self) -> None:
        """Let go of it."""
        with self.lock:
            self.forget()

    def forget(self) -> None:
        """Let go of it in a forked child, in which the lock may be another thread's for ever."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
