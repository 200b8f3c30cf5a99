"""Where captures go: files that only their user may read, further ones by size, and streams."""

import errno
import os
import select
import socket
import stat
import struct
import sys

from mboxio._os.whose import user, why
from mboxio.capture.pieces import CaptureError

__all__ = ["Output", "open_file", "open_output"]

MODE = 0o600
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
CREDENTIALS = struct.Struct("3i")


class Output:
    """A file or stream that takes whole batches, each with one write.

    Args:
        descriptor: open for writing.
        path: of the file; for errors, and for the names of further ones.
        rotate_bytes: begin a further file rather than exceed this size; None: never.
        owns: whether `close` closes the descriptor.

    Attributes:
        streams: whether somebody may be reading it already.
        written: bytes in this file.
    """

    def __init__(
        self, descriptor: int, path: str, rotate_bytes: int | None = None, owns: bool = True
    ) -> None:
        self.path = path
        self.streams = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        self.written = 0
        self._descriptor = descriptor
        self._owns = owns
        self._rotate_bytes = rotate_bytes
        self._files = 0

    def is_terminal(self) -> bool:
        """Return whether people would see what is written."""
        return os.isatty(self._descriptor)

    def has_room(self, count: int) -> bool:
        """Return whether so many bytes should still go into this file."""
        return self._rotate_bytes is None or self.written + count <= self._rotate_bytes

    def next_file(self) -> None:
        """Begin a further file: its name has a number before the suffix.

        Raises:
            OSError, CaptureError: it cannot be made.
        """
        stem, suffix = os.path.splitext(self.path)
        self._files += 1
        descriptor = open_file(f"{stem}.{self._files}{suffix}")
        os.close(self._descriptor)
        self._descriptor = descriptor
        self.written = 0

    def write(self, data: bytes | memoryview) -> None:
        """Write a batch at once.

        Raises:
            BrokenPipeError: its reader has gone; nothing more can be written, and `close` is quiet.
            OSError: it cannot be written, the disk may be full.
        """
        left = memoryview(data)
        while left:
            try:
                count = os.write(self._descriptor, left)
            except BlockingIOError:  # a pipe that somebody else made so
                poller = select.poll()
                poller.register(self._descriptor, select.POLLOUT)
                poller.poll()
                continue
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.path) from None
            self.written += count
            left = left[count:]

    def close(self) -> None:
        """Close it; twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if self._owns and descriptor >= 0:
            os.close(descriptor)


def open_output(path: str, rotate_bytes: int | None = None) -> Output:
    """Open what a path names: ``-`` is stdout; a FIFO waits for its reader; a socket is connected.

    Args:
        path: of a file, which is overwritten, a FIFO, a Unix socket, a device; or ``-``.
        rotate_bytes: begin a further file rather than exceed this size; for files only.

    Raises:
        CaptureError: another user has a hand in it, or it cannot be rotated.
        OSError: it cannot be opened or made.
    """
    if path == "-":
        sys.stdout.flush()
        output = Output(sys.stdout.fileno(), "stdout", owns=False)
    else:
        output = Output(open_file(path), path, rotate_bytes)
    if rotate_bytes is not None and output.streams:
        output.close()
        raise CaptureError(f"{path} is no file: only files can be rotated by their size")
    return output


def open_file(path: str) -> int:
    """Open what is to be written from its start; returns the descriptor.

    A new file can be read by its user alone. Where other users can put files, no symbolic link is
    followed, and what is there has to belong to this user.

    Raises:
        CaptureError: another user may have put there what there is.
        OSError: it cannot be opened or made.
    """
    try:
        folder = os.stat(os.path.dirname(os.path.abspath(path)))
        shared = folder.st_uid not in _trusted() or bool(folder.st_mode & OTHERS_MAY_WRITE)
        descriptor = _open(path, shared)
    except OSError as error:
        raise OSError(error.errno, why(error, path), path) from None
    try:
        status = os.fstat(descriptor)
        owner = _peer(descriptor) if stat.S_ISSOCK(status.st_mode) else status.st_uid
        trusted = _trusted()
        if not folder.st_mode & OTHERS_MAY_WRITE:
            trusted |= {folder.st_uid}  # root writes to what a user has made for that
        if shared and owner not in trusted:
            raise CaptureError(f"{path} belongs to {user(owner)}: choose another name")
        if stat.S_ISREG(status.st_mode):
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _trusted() -> set[int]:
    return {os.geteuid(), 0}


def _open(path: str, shared: bool) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags | (os.O_NOFOLLOW if shared else 0), MODE)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            raise CaptureError(
                f"{path} is a symbolic link where others could have put it: name the file itself"
            ) from None
        if error.errno != errno.ENXIO or not stat.S_ISSOCK(os.stat(path).st_mode):
            raise
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        return connection.detach()


def _peer(descriptor: int) -> int:
    """Return the user whose process listens on a socket."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return int(CREDENTIALS.unpack(found)[1])
