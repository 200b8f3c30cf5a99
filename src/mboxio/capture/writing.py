"""Writing captures: the suffix of a path says how."""

import os
import stat
from collections.abc import Callable
from typing import Protocol

from mboxio.capture.blocks import interface_description, packet_block, section_header
from mboxio.capture.event import Event, Source
from mboxio.capture.jsonl import first_line, line_of
from mboxio.capture.output import Output, open_output
from mboxio.capture.packets import BEFORE_MESSAGE, direction, packet_of
from mboxio.capture.pieces import CaptureError

__all__ = ["JsonlWriter", "PcapngWriter", "Writer", "open_writer", "register", "suffix_of"]

BATCH_BYTES = 1 << 16
"""Written at once; a process that is killed loses no more of a file."""
PCAPNG, JSONL = ".pcapng", ".jsonl"


class Writer(Protocol):
    """Writes events; not for several threads at once."""

    def write(self, event: Event, comment: str = "") -> None:
        """Write an event, by itself or with a batch.

        Args:
            event: what happened.
            comment: a text for people, where the format has a place for it.

        Raises:
            BrokenPipeError: its reader has gone; `close` is quiet about that.
            OSError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Write what is left, and close; twice is fine.

        Raises:
            OSError: as `write`.
        """
        ...


Make = Callable[[Output, int | None], Writer]
_made_elsewhere: dict[str, Make] = {}


def register(suffix: str, make: Make) -> None:
    """Let `open_writer` write another format.

    Args:
        suffix: with its dot.
        make: gets the output, which the writer closes, and ``snap``; returns the writer.
    """
    _made_elsewhere[suffix] = make


def suffix_of(path: "str | os.PathLike[str]") -> str:
    """Return the suffix that says how to write to a path; streams without one get pcapng.

    Raises:
        CaptureError: no format has it.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1]
    known = sorted([PCAPNG, JSONL, *_made_elsewhere])
    if suffix in known:
        return suffix
    try:
        if path == "-" or not stat.S_ISREG(os.stat(path).st_mode):
            return PCAPNG
    except OSError:  # it is made, or cannot be: opening it says why
        return _refuse(path, known)
    return _refuse(path, known)


def _refuse(path: str, known: list[str]) -> str:
    suffixes = f"{', '.join(known[:-1])} or {known[-1]}"
    raise CaptureError(f"{path}: the suffix says how a capture is written: {suffixes}")


def open_writer(
    path: "str | os.PathLike[str]",
    *,
    snap: int | None = None,
    rotate_bytes: int | None = None,
    offset_ns: int | None = None,
    pid: int | None = None,
    suffix: str | None = None,
) -> Writer:
    """Return a writer for a file, which is overwritten, or for a stream.

    Args:
        path: of a file, a FIFO, a Unix socket; ``-`` is stdout.
        snap: keep no more bytes of a message; None: all.
        rotate_bytes: begin a further file (FILE.1.pcapng) rather than exceed this size; for files.
        offset_ns: times minus the monotonic clock of the process, if that is known.
        pid: of the process that the events are of.
        suffix: in place of that of the path.

    Raises:
        CaptureError: no format has this suffix, or another user has a hand in the file.
        OSError: it cannot be opened or made.
        ValueError: a number is out of range.
    """
    for name, number, least in (("snap", snap, 0), ("rotate_bytes", rotate_bytes, 1)):
        if number is not None and number < least:
            raise ValueError(f"{name} is {number}, not {least} or more")
    suffix = suffix or suffix_of(path)
    make = _made_elsewhere.get(suffix)
    if make is not None and rotate_bytes is not None:
        raise CaptureError(f"{suffix} cannot be rotated by its size: choose {PCAPNG} or {JSONL}")
    output = open_output(os.fspath(path), rotate_bytes)
    try:
        if make is not None:
            return make(output, snap)
        if suffix == JSONL:
            return JsonlWriter(output, snap, first_line(offset_ns, pid))
        if output.is_terminal():
            raise CaptureError("stdout is a terminal: send pcapng to a file or a program")
        return PcapngWriter(output, snap, section_header(offset_ns, pid))
    except BaseException:
        output.close()
        raise


class _Batches:
    """Writes whole events in batches; streams get each at once.

    Args:
        output: to write to; closed with this.
        snap: keep no more bytes of a message.
        head: each file begins with it.
    """

    def __init__(self, output: Output, snap: int | None, head: bytes) -> None:
        self._output = output
        self._snap = snap
        self._head = head
        self._batch = bytearray(head)
        self._events = 0  # in this file
        self.flush()

    def flush(self) -> None:
        """Write what is waiting.

        Raises:
            OSError: it cannot be written; it is not tried again.
        """
        batch, self._batch = self._batch, bytearray()
        if batch:
            self._output.write(bytes(batch))

    def close(self) -> None:
        """See `Writer.close`."""
        try:
            self.flush()
        finally:
            self._output.close()

    def _add(self, data: bytes, head: bytes = b"") -> None:
        """Add an event, and what has to be before it in this file and each further one."""
        more = head + data
        if self._events and not self._output.has_room(len(self._batch) + len(more)):
            self.flush()
            self._output.next_file()
            self._batch += self._head
            self._events = 0
        self._head += head
        self._batch += more
        self._events += 1
        if self._output.streams or len(self._batch) >= BATCH_BYTES:
            self.flush()


class PcapngWriter(_Batches):
    """Writes pcapng; arguments as for all, see `open_writer`."""

    def __init__(self, output: Output, snap: int | None, head: bytes) -> None:
        self._numbers: dict[Source, int] = {}
        super().__init__(output, snap, head)

    def write(self, event: Event, comment: str = "") -> None:
        """See `Writer.write`."""
        source = event.source
        number = self._numbers.get(source)
        head = b""
        if number is None:
            number = self._numbers[source] = len(self._numbers)
            head = interface_description(source, self._snap)
        data = packet_of(event, self._snap)
        way = direction(event.kind, source.side == "remote")
        length = BEFORE_MESSAGE + event.length
        self._add(packet_block(number, event.time_ns, data, length, way, event.lost, comment), head)


class JsonlWriter(_Batches):
    """Writes JSON lines; arguments as for all, see `open_writer`."""

    def write(self, event: Event, comment: str = "") -> None:
        """See `Writer.write`."""
        self._add(line_of(event, self._snap, comment))
