"""The traffic of running programs, or of a command, as one stream that is read as it comes."""

import os
import threading
from collections.abc import Sequence
from typing import BinaryIO

from mboxio.capture.output import Output
from mboxio.recording.command import RecordedCommand
from mboxio.recording.live import attach
from mboxio.recording.relay import Relay
from mboxio.recording.sinks import open_sink
from mboxio.recording.wanted import Wanted

__all__ = ["follow_command", "follow_programs"]


def follow_programs(wanted: Wanted) -> BinaryIO:
    """Return a stream of what running programs do; closing it makes them stop.

    Raises:
        CaptureError: no program shows it; the text says how to make one.
    """
    links = attach(wanted)
    reader, relay = _piped(wanted)
    for link in links:
        with link:  # the stream keeps it
            relay.add(link.makefile("rb"))
    threading.Thread(target=_end, args=(relay,), daemon=True).start()
    return reader


def follow_command(
    command: Sequence[str], wanted: Wanted, quiet: bool = False
) -> tuple[BinaryIO, RecordedCommand]:
    """Start a command, and return a stream of what its processes do.

    Args:
        quiet: its output goes to stderr.

    Raises:
        OSError: it cannot be started.
    """
    reader, relay = _piped(wanted)
    try:
        recorded = RecordedCommand(command, relay, wanted, quiet)
    except BaseException:
        relay.close()
        reader.close()
        raise
    threading.Thread(target=_end_with, args=(recorded,), daemon=True).start()
    return reader, recorded


def _piped(wanted: Wanted) -> tuple[BinaryIO, Relay]:
    inward, outward = os.pipe()
    output = Output(outward, "a pipe")
    offset_ns = wanted.offset_ns
    return os.fdopen(inward, "rb"), Relay(open_sink(output, offset_ns, None, None, None))


def _end(relay: Relay) -> None:
    relay.join()
    relay.close()


def _end_with(recorded: RecordedCommand) -> None:
    recorded.process.wait()
    recorded.finish()
    recorded.close()
    recorded.relay.close()
