"""Sleeping on descriptors, woken by any thread, for times far below a millisecond."""

import os
import select

__all__ = ["Waiter"]

# select() is the only wait of the standard library that counts in microseconds, and it knows no
# higher descriptors.
SELECT_MAX = 1024


class Waiter:
    """Waits for any of many descriptors, for a time, or for `wake`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        try:
            self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except BaseException:
            self._epoll.close()
            raise
        self.add(self._bell)

    def add(self, descriptor: int) -> None:
        """Wait for something to read there, too, or for its end."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def mute(self, descriptor: int, muted: bool) -> None:
        """Wait only for its end, or again for both."""
        self._epoll.modify(descriptor, 0 if muted else select.EPOLLIN)

    def remove(self, descriptor: int) -> None:
        """Wait no longer for this descriptor."""
        self._epoll.unregister(descriptor)

    def wake(self) -> None:
        """End the wait that runs, or the next one; any thread may call it."""
        os.eventfd_write(self._bell, 1)

    def wait(self, timeout_ns: int | None) -> list[tuple[int, bool]]:
        """Return the descriptors with something to read, and whether each has ended.

        Args:
            timeout_ns: how long to wait at the most; 0 only looks; None: for ever.
        """
        timeout_s = None if timeout_ns is None else timeout_ns / 1e9
        number = self._epoll.fileno()
        if timeout_s and number < SELECT_MAX:
            select.select((number,), (), (), timeout_s)
            timeout_s = 0
        events = self._epoll.poll(timeout_s)
        if not events:
            return []
        found: list[tuple[int, bool]] = []
        for descriptor, event in events:
            if descriptor == self._bell:
                os.eventfd_read(descriptor)
            else:
                found.append((descriptor, bool(event & (select.EPOLLHUP | select.EPOLLERR))))
        return found

    def close(self) -> None:
        """Close the descriptors that belong to the waiter itself."""
        self._epoll.close()
        os.close(self._bell)
