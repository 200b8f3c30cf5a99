"""Reading captures: pcapng or JSON lines, of a file, a pipe or a socket."""

import os
import sys
from collections.abc import Generator, Iterator
from typing import BinaryIO

from mboxio.capture.event import Event
from mboxio.capture.jsonl import JsonlReader
from mboxio.capture.parsing import PcapngReader
from mboxio.capture.pieces import CaptureError, Pieces, Warnings

__all__ = ["Capture", "CaptureError", "read"]

PCAPNG = b"\x0a\x0d\x0d\x0a"
PCAP = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zX", b"\x28\xb5\x2f\xfd")


def read(source: "str | os.PathLike[str] | BinaryIO") -> "Capture":
    """Return the capture of a file or stream; the first bytes say which format it has.

    Args:
        source: a path, ``-`` for stdin, or what is open for reading: it is read as it comes and not
            closed.

    Raises:
        OSError: the file cannot be opened.
    """
    if isinstance(source, str | os.PathLike):
        if source == "-":
            return Capture(sys.stdin.buffer, "stdin", False)
        path = os.fspath(source)
        return Capture(open(path, "rb"), path, True)
    return Capture(source, str(getattr(source, "name", "the stream")), False)


class Capture:
    """The events of a capture, in its order, each once: iterating goes on where it was left.

    A damaged capture gives what of it is whole. Closed at its end, by ``with`` or by `close`.

    Args:
        stream: open for reading.
        name: of the file, for errors.
        owns: whether `close` closes the stream.

    Attributes:
        name: of the file.
        warnings: what was wrong, a line each; filled as it is read.
    """

    def __init__(self, stream: BinaryIO, name: str, owns: bool) -> None:
        self.name = name
        self.warnings: list[str] = Warnings()
        self._stream = stream
        self._owns = owns
        self._pieces = Pieces(stream)
        self._reader: PcapngReader | JsonlReader | None = None
        self._events = self._read()

    @property
    def offset_ns(self) -> int | None:
        """Times in the file minus the monotonic clock of the process that wrote it, nanoseconds.

        None: it does not say, or its head was not read yet.
        """
        return None if self._reader is None else self._reader.offset_ns

    @property
    def pid(self) -> int | None:
        """The process that wrote it; None as for `offset_ns`."""
        return None if self._reader is None else self._reader.pid

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; nothing more comes of it."""
        self._events.close()
        if self._owns:
            self._stream.close()

    def _read(self) -> Generator[Event, None, None]:
        try:
            self._reader = self._find_reader()
            if self._reader is not None:
                yield from self._reader.events()
        finally:
            if self._owns:
                self._stream.close()

    def _find_reader(self) -> PcapngReader | JsonlReader | None:
        """Return what reads this format; None: there is nothing to read.

        Raises:
            CaptureError: it is none of ours.
        """
        warnings = self.warnings
        assert isinstance(warnings, Warnings)
        start = self._pieces.peek(4)
        if start == PCAPNG:
            return PcapngReader(self._pieces, warnings)
        if start.startswith(b"{"):
            return JsonlReader(self._pieces, warnings, self.name)
        if not start:
            warnings.append("it is empty")
            return None
        if PCAPNG.startswith(start):
            count = len(start)
            warnings.append(
                f"cut short: it ends inside a block, the last {count} bytes are dropped"
            )
            return None
        found = f"it begins with {start.hex(' ')}"
        if start in PCAP:
            found = "it is pcap, in which channels have no names"
        elif start.startswith(PACKED):
            found = "it is compressed: unpack it first, also through a pipe"
        raise CaptureError(f"{self.name} is no capture (pcapng or JSON lines): {found}")
