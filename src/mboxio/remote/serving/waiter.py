"""Sleeping on descriptors, woken by any thread, for times far below a millisecond."""

import math
import os
import select
from typing import Protocol

from mboxio._os.descriptors import eventfd, refuse_exhausted

__all__ = ["Waiter"]

# select() is the only wait of the standard library that counts in microseconds, and it knows no
# higher descriptors.
SELECT_MAX = 1024

READABLE, ENDED = select.POLLIN, select.POLLHUP | select.POLLERR  # the numbers of epoll as well


class Poller(Protocol):
    """What a waiter sleeps on: epoll, or what replaces it."""

    def register(self, fd: int, eventmask: int, /) -> object: ...
    def modify(self, fd: int, eventmask: int, /) -> object: ...
    def unregister(self, fd: int, /) -> object: ...
    def poll(self, timeout: float | None, /) -> list[tuple[int, int]]: ...
    def fileno(self) -> int: ...
    def close(self) -> object: ...


class Polled:
    """The same by poll(2), for a process whose epoll is gone.

    gevent takes it away, for it would stop all greenlets; its poll lets the others run.
    """

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self.modify = self.register

    def register(self, fd: int, eventmask: int) -> None:
        """As of epoll. Another thread may be in `poll`, so no dict is changed in place."""
        self._masks = {**self._masks, fd: eventmask}

    def unregister(self, fd: int) -> None:
        """As of epoll."""
        self._masks = {known: mask for known, mask in self._masks.items() if known != fd}

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """As of epoll; the time in seconds."""
        poller = select.poll()
        for fd, mask in self._masks.items():
            poller.register(fd, mask)
        return poller.poll(None if timeout is None else math.ceil(timeout * 1e3))

    def fileno(self) -> int:
        """There is no descriptor for all of them."""
        return SELECT_MAX

    def close(self) -> None:
        """There is nothing to close."""


def _poller() -> Poller:
    if not hasattr(select, "epoll"):
        return Polled()
    try:
        return select.epoll()
    except OSError as error:
        refuse_exhausted(error, "to serve")
        raise


class Waiter:
    """Waits for any of many descriptors, for a time, or for `wake`."""

    def __init__(self) -> None:
        self._poller: Poller = _poller()
        try:
            self._bell = eventfd()
        except BaseException:
            self._poller.close()
            raise
        self.add(self._bell)

    def add(self, descriptor: int) -> None:
        """Wait for something to read there, too, or for its end."""
        self._poller.register(descriptor, READABLE)

    def mute(self, descriptor: int, muted: bool) -> None:
        """Wait only for its end, or again for both."""
        self._poller.modify(descriptor, 0 if muted else READABLE)  # an end is reported in any case

    def remove(self, descriptor: int) -> None:
        """Wait no longer for this descriptor."""
        self._poller.unregister(descriptor)

    def wake(self) -> None:
        """End the wait that runs, or the next one; any thread may call it."""
        os.eventfd_write(self._bell, 1)

    def wait(self, timeout_ns: int | None) -> list[tuple[int, bool]]:
        """Return the descriptors with something to read, and whether each has ended.

        Args:
            timeout_ns: longest wait; 0 only looks; None: no limit.
        """
        timeout_s = None if timeout_ns is None else timeout_ns / 1e9
        number = self._poller.fileno()
        if timeout_s and number < SELECT_MAX:
            select.select((number,), (), (), timeout_s)
            timeout_s = 0
        events = self._poller.poll(timeout_s)
        if not events:
            return []
        found: list[tuple[int, bool]] = []
        for descriptor, event in events:
            if descriptor == self._bell:
                os.eventfd_read(descriptor)
            else:
                found.append((descriptor, bool(event & ENDED)))
        return found

    def close(self) -> None:
        """Close the descriptors that belong to the waiter itself."""
        self._poller.close()
        os.close(self._bell)
