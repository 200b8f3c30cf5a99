"""Where a recorder's packets go: as they are, or converted to another format."""

import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mboxio.capture.blocks import section_header
from mboxio.capture.output import Output, open_output
from mboxio.capture.parsing import PcapngReader
from mboxio.capture.pieces import CaptureError, Pieces, Warnings
from mboxio.capture.writing import PCAPNG, JsonlWriter, Writer, open_writer, suffix_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Sink", "open_sink"]


class Sink(Protocol):
    """Takes packets in batches."""

    def write(self, sources: Sequence[bytes], blocks: "Buffer") -> None:
        """Write a batch.

        Args:
            sources: the descriptions of all interfaces so far, in their order.
            blocks: whole packets.

        Raises:
            OSError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def forked(self) -> None:
        """Let go of what is the parent's in a child, and write nothing."""
        ...


class PacketSink:
    """Writes packets as they are.

    Args:
        output: where to.
        head: each file begins with it.
    """

    def __init__(self, output: Output, head: bytes) -> None:
        self._output = output
        self._head = head
        self._described = 0
        self._packets = False  # in this file
        try:
            if output.is_terminal():
                raise CaptureError("stdout is a terminal: send pcapng to a file or a program")
            output.write(head)
        except BaseException:
            output.close()
            raise

    def write(self, sources: Sequence[bytes], blocks: "Buffer") -> None:
        """See `Sink.write`."""
        packets = memoryview(blocks)
        new = b"".join(sources[self._described :])
        if self._packets and not self._output.has_room(len(new) + len(packets)):
            self._output.next_file()
            new = self._head + b"".join(sources)
        self._described = len(sources)
        self._packets = True
        if new:
            self._output.write(new)
        self._output.write(packets)

    def close(self) -> None:
        """See `Sink.close`."""
        self._output.close()

    def forked(self) -> None:
        """See `Sink.forked`."""
        self._output.close()


class ConvertingSink:
    """Reads packets, and writes their events.

    Args:
        writer: of another format.
        head: what packets of a file begin with.
    """

    def __init__(self, writer: Writer, head: bytes) -> None:
        self._writer = writer
        self._head = head

    def write(self, sources: Sequence[bytes], blocks: "Buffer") -> None:
        """See `Sink.write`."""
        stream = io.BytesIO(b"".join((self._head, *sources, blocks)))
        for event in PcapngReader(Pieces(stream), Warnings()).events():
            self._writer.write(event)
        if isinstance(self._writer, JsonlWriter):
            self._writer.flush()

    def close(self) -> None:
        """See `Sink.close`."""
        self._writer.close()

    def forked(self) -> None:
        """See `Sink.forked`; what waits is the parent's."""


def open_sink(
    output: "str | os.PathLike[str] | Output",
    offset_ns: int | None,
    pid: int | None,
    snap: int | None,
    rotate_bytes: int | None,
    suffix: str | None = None,
) -> Sink:
    """Return where packets go; see `mboxio.capture.writing.open_writer`.

    The arguments are its own; ``output`` may also be what is open already, which gets pcapng.
    """
    head = section_header(offset_ns, pid)
    if isinstance(output, Output):
        return PacketSink(output, head)
    if rotate_bytes is not None and rotate_bytes < 1:
        raise ValueError(f"rotate_bytes is {rotate_bytes}, not 1 or more")
    if (suffix or suffix_of(output)) == PCAPNG:
        return PacketSink(open_output(os.fspath(output), rotate_bytes), head)
    writer = open_writer(
        output, snap=snap, rotate_bytes=rotate_bytes, offset_ns=offset_ns, pid=pid, suffix=suffix
    )
    return ConvertingSink(writer, head)
