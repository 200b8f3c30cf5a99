"""What a process printed: a file that it writes and that is read while it does."""

import os
import tempfile

from mboxio._base.texts import printable

__all__ = ["ProcessOutput"]

TAIL_BYTES = 1 << 16
LINE_MAX = 400


class ProcessOutput:
    """Standard output and errors of a process, through all its lives.

    Args:
        path: of the file, which is made or appended to; None: one without a name.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: "str | os.PathLike[str] | None" = None) -> None:
        self.path = None if path is None else os.path.abspath(path)
        if self.path is None:
            with tempfile.TemporaryFile(buffering=0) as file:
                self._descriptor = os.dup(file.fileno())
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
        self._rest = b""

    def fileno(self) -> int:
        """Return the descriptor to write to."""
        return self._descriptor

    def text(self) -> str:
        """Return all that was printed."""
        return self._read(0).decode(errors="replace")

    def tail(self, lines: int) -> list[str]:
        """Return the last lines, as a terminal shows them whatever they contain."""
        size = os.fstat(self._descriptor).st_size if self._descriptor >= 0 else 0
        found = self._read(max(0, size - TAIL_BYTES)).decode(errors="replace").splitlines()
        return [printable(each, LINE_MAX) for each in found[-lines:]]

    def close(self) -> None:
        """Close the file; what was printed can still be read. Idempotent."""
        if self._descriptor >= 0:
            self._rest = self._read(0)
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self, offset: int) -> bytes:
        if self._descriptor < 0:
            return self._rest[offset:]
        found = b""
        while chunk := os.pread(self._descriptor, 1 << 20, offset + len(found)):
            found += chunk
        return found
