"""``mboxio record``: what happens to messages, of a command or of a running program."""

import os
import shutil
import socket
from collections.abc import Callable

import click

from mboxio.capture.pieces import CaptureError
from mboxio.cli.see.asked import asked, is_address
from mboxio.cli.see.sizes import SIZE
from mboxio.cli.shared.signals import LOOK_S, Signals
from mboxio.cli.shared.text import json_line, note
from mboxio.recording.command import RecordedCommand
from mboxio.recording.live import LEFT_S, attach, hang_up
from mboxio.recording.relay import Relay
from mboxio.recording.sinks import Sink, open_sink
from mboxio.recording.wanted import Wanted

__all__ = ["record"]

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of a shell."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where to: .pcapng for Wireshark, .jsonl, or .pftrace; - is stdout.",
)
@click.option("--channel", "channels", multiple=True, help="Only this channel; several are fine.")
@click.option("--snap", type=click.IntRange(min=0), help="Keep no more bytes of a message.")
@click.option("--rotate", type=SIZE, help="Begin a further file rather than exceed this size.")
@click.option("--json", "as_json", is_flag=True, help="Say how it went as one JSON object.")
@click.argument("what", nargs=-1, required=True, metavar="ADDRESS | -- COMMAND...")
def record(
    output: str,
    channels: tuple[str, ...],
    snap: int | None,
    rotate: int | None,
    as_json: bool,
    what: tuple[str, ...],
) -> None:
    """Record what happens to messages.

    Of a COMMAND: all connections and remotes of all its processes, until it ends. The exit code is
    the command's.

    Of an ADDRESS: what programs do there that run already with MBOXIO_RECORD=live, until Ctrl-C.

    A capture holds everything that is said; the file is for its user alone.
    """
    if as_json and output == "-":
        raise click.UsageError("--json and the capture cannot both go to stdout.")
    if len(what) == 1 and is_address(what[0]):
        wanted = asked(what[0], channels, snap)
        _programs(wanted, lambda: _sink(output, wanted, rotate), as_json)
    else:
        _require(what[0])  # before a file is overwritten
        wanted = asked(None, channels, snap)
        _command(what, wanted, _sink(output, wanted, rotate), output == "-", as_json)


def _require(program: str) -> None:
    """End as a shell does if there is no such program."""
    if shutil.which(program) is None:
        there = os.path.dirname(program) and os.path.exists(program)
        note(f"{program}: {'it cannot be executed' if there else 'there is no such program'}")
        raise click.exceptions.Exit(NOT_EXECUTABLE if there else NOT_FOUND)


def _sink(output: str, wanted: Wanted, rotate: int | None) -> Sink:
    try:
        if output.endswith(".pftrace"):
            from mboxio.see.timeline import register  # which needs an extra

            register()
        return open_sink(output, wanted.offset_ns, None, wanted.snap, rotate)
    except OSError as error:
        raise click.ClickException(str(error)) from None


def _programs(wanted: Wanted, make_sink: Callable[[], Sink], as_json: bool) -> None:
    """Record running programs until Ctrl-C, or until they have ended."""
    try:
        links = attach(wanted)
    except CaptureError as error:
        raise click.ClickException(str(error)) from None
    relay = Relay(make_sink())
    with Signals() as signals:
        for link in links:
            relay.add(link.makefile("rb"))
        programs = "a program" if len(links) == 1 else f"{len(links)} programs"
        note(f"recording {programs}; Ctrl-C ends it")
        while not signals.number and not relay.failed.is_set() and not relay.join(LOOK_S):
            pass
        for link in links:  # what its program has not written yet still comes
            hang_up(link, socket.SHUT_WR)
        relay.join(LEFT_S)
        for link in links:
            with link:
                hang_up(link)
        relay.join()
    _tell(relay, as_json)


def _command(
    what: tuple[str, ...], wanted: Wanted, sink: Sink, to_stdout: bool, as_json: bool
) -> None:
    """Record a command until it ends, and end as it does."""
    relay = Relay(sink)
    try:
        command = RecordedCommand(what, relay, wanted, quiet=to_stdout or as_json)
    except OSError as error:
        relay.close()
        note(f"{what[0]} cannot be started: {error.strerror or error}")
        raise click.exceptions.Exit(NOT_EXECUTABLE) from None
    try:
        code = command.wait()
        if not command.finish():
            note("a process that the command left behind goes on, without being recorded")
        if not relay.streams:
            note("no process of the command connected by mboxio: nothing was recorded")
    finally:
        command.close()
    _tell(relay, as_json)
    raise click.exceptions.Exit(code)


def _tell(relay: Relay, as_json: bool) -> None:
    """Close the capture, and say how it went."""
    try:
        relay.close()
    except OSError as error:
        relay.error = relay.error or error
    for warning in relay.warnings:
        note(warning)
    if as_json:
        click.echo(json_line({"events": relay.events, "lost": relay.lost}))
    else:
        note(f"{relay.events} events{f'; {relay.lost} were lost' if relay.lost else ''}")
    if isinstance(relay.error, BrokenPipeError):
        return  # whoever read it has seen enough
    if relay.error is not None:
        raise click.ClickException(f"the capture ends early: {relay.error}")
