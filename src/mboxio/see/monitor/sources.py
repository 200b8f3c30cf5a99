"""Bytes of files, pipes and sockets, whose reading another thread can end."""

import io
import os
import select
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Stream"]

GROWN_MS = 100
"""How often a file that may grow is looked at."""
BUFFER_BYTES = 1 << 16


class Interruptible(io.RawIOBase):
    """Reads a descriptor until its end, or until it is woken: then that is its end.

    Args:
        descriptor: of what is read; stays open.
        name: for messages.
        grows: the end of the file is not the end: more may be written.
    """

    def __init__(self, descriptor: int, name: str, grows: bool = False) -> None:
        self.name = name
        self._descriptor = descriptor
        self._grows = grows
        self._woken = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._both = select.poll()
        self._both.register(self._woken, select.POLLIN)
        self._both.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """See `io.RawIOBase`; 0 is the end."""
        while True:
            ready = {number for number, _ in self._both.poll()}
            if self._woken in ready:
                return 0
            got = os.readv(self._descriptor, [buffer])
            if got or not self._grows:
                return got
            self._poll.poll(GROWN_MS)

    def wake(self) -> None:
        """Make a read that waits, and all that follow, return the end. From any thread."""
        if not self.closed:
            os.eventfd_write(self._woken, 1)

    def close(self) -> None:
        """See `io.RawIOBase`."""
        if not self.closed:
            super().close()
            os.close(self._woken)


class Stream:
    """A capture that is read from a descriptor; a context manager, which closes it.

    Args:
        file: an unbuffered file, pipe or socket; it is closed with this.
        name: for messages.
        grows: see `Interruptible`.
    """

    def __init__(self, file: "BinaryIO | io.RawIOBase", name: str, grows: bool = False) -> None:
        self._file = file
        self._raw = Interruptible(file.fileno(), name, grows)
        self.bytes = io.BufferedReader(self._raw, BUFFER_BYTES)
        """To read from, on one thread."""

    @classmethod
    def of_file(cls, path: str, grows: bool = False) -> "Stream":
        """Open a file or a named pipe, whose writer may come later.

        Raises:
            OSError: it cannot be opened.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            file = io.FileIO(descriptor, "r")
        except OSError:  # a folder
            os.close(descriptor)
            raise
        return cls(file, path, grows)

    def wake(self) -> None:
        """See `Interruptible.wake`."""
        self._raw.wake()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.bytes.close()
        self._file.close()
