"""Regions that are files: an image of a memory, or memory that another process maps, too."""

import mmap
import os

from mboxio.descriptors import refuse_exhausted
from mboxio.errors import AddressError, MailboxError
from mboxio.io.region import Memory
from mboxio.whose import why

__all__ = ["MappedFile", "open_file"]


class MappedFile(Memory):
    """A mapped file, or a window of one.

    Args:
        path: the file; it exists and is not changed in size while it is mapped.
        offset: where the window begins, in bytes.
        size_bytes: its size; None: to the end of the file.

    Raises:
        AddressError: there is no such file or window in it.
    """

    def __init__(self, path: str, offset: int = 0, size_bytes: int | None = None) -> None:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            refuse_exhausted(error, f"file:{path}")
            missing = isinstance(error, FileNotFoundError)
            raise AddressError(f"file:{path}: {why(error, path)}", not_yet=missing) from None
        try:
            whole = os.fstat(descriptor).st_size
            end = whole if size_bytes is None else offset + size_bytes
            if not 0 <= offset < end <= whole:
                raise AddressError(
                    f"file:{path} has {whole} bytes, nothing to map at {offset:#x} to {end:#x}",
                    not_yet=whole == 0,  # who makes it gives it its size in a second step
                )
            start = offset - offset % mmap.ALLOCATIONGRANULARITY
            self.mapping = mmap.mmap(descriptor, end - start, offset=start)
        except (OSError, ValueError) as error:
            if isinstance(error, MailboxError):
                raise
            refuse_exhausted(error, f"file:{path}")
            raise AddressError(f"file:{path}: cannot be mapped: {error}") from None
        finally:
            os.close(descriptor)
        self.path = path
        self.place = os.path.abspath(path), None, offset
        super().__init__(memoryview(self.mapping)[offset - start : end - start])

    def close(self) -> None:
        """See `Region.close`."""
        super().close()
        self.mapping.close()


def open_file(where: str, offset: int, size_bytes: int | None) -> MappedFile:
    """Open ``file:PATH@offset+size``."""
    return MappedFile(where, offset, size_bytes)
