"""What ``mboxio monitor`` watches: a file, stdin, running programs, or a command."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import IO, BinaryIO

import click

from mboxio._os.whose import why
from mboxio.capture.pieces import CaptureError
from mboxio.cli.see.asked import asked, is_address
from mboxio.cli.shared.text import note
from mboxio.recording.command import RecordedCommand
from mboxio.recording.following import follow_command, follow_programs
from mboxio.see.monitor.sources import Stream

__all__ = ["EventSource", "is_address", "watched", "watched_command"]

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""The exit codes of a shell."""
END_S = 5.0
"""How long a command may take to end when it is asked to."""
SAID_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class EventSource:
    """A source of events.

    Args:
        stream: a capture, to be read.
        live: it happens now.
        command: which is recorded.
    """

    stream: Stream
    live: bool
    command: RecordedCommand | None = None

    @property
    def code(self) -> int:
        """The exit code of the command; 0 if there is none, or if it runs."""
        code = None if self.command is None else self.command.process.poll()
        if code is None:
            return 0
        return 128 - code if code < 0 else code


@contextmanager
def watched(source: str, follow: bool, screen: bool) -> Generator[EventSource]:
    """Open a source.

    Args:
        source: a path, ``-`` or an address.
        follow: a file may grow.
        screen: keys come from the terminal.
    """
    if source == "-":
        if sys.stdin.isatty():
            raise click.UsageError("- reads a capture from stdin, which is a terminal.")
        with _keys_from_terminal(screen) as data, Stream(data, "stdin") as stream:
            yield EventSource(stream, True)
        return
    try:
        if is_address(source):
            stream = Stream(follow_programs(asked(source)), source)
        else:
            stream = Stream.of_file(source, follow)
    except CaptureError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{source}: {why(error, source)}") from None
    with stream:
        yield EventSource(stream, follow or is_address(source))


@contextmanager
def watched_command(command: Sequence[str], screen: bool) -> Generator[EventSource]:
    """Run a command; if it runs on in the end, it is ended.

    Args:
        command: the program and its arguments.
        screen: the terminal is ours: what the command writes is kept, and shown in the end.
    """
    if not command or shutil.which(command[0]) is None:
        note(f"{command[0] if command else '--'}: there is no such program")
        raise click.exceptions.Exit(NOT_FOUND)
    with tempfile.TemporaryFile() as said:
        try:
            with _away_from_terminal(said) if screen else nullcontext():
                wanted = asked(None)
                bytes_, recorded = follow_command(command, wanted, quiet=True)
        except OSError as error:
            note(f"{command[0]} cannot be started: {error.strerror}")
            raise click.exceptions.Exit(NOT_EXECUTABLE) from None
        try:
            with Stream(bytes_, "the command") as stream:
                try:
                    yield EventSource(stream, True, recorded)
                finally:
                    _end(recorded)
        finally:
            recorded.finish()
            recorded.close()
            _repeat(said)
    if not recorded.relay.streams:
        note("no process of the command connected by mboxio: nothing was recorded")


def _end(recorded: RecordedCommand) -> None:
    if recorded.process.poll() is not None:
        return
    recorded.process.terminate()
    try:
        recorded.process.wait(END_S)
    except subprocess.TimeoutExpired:
        note("the command did not end when asked to: it was killed")
        recorded.process.kill()
        recorded.process.wait()


def _repeat(said: IO[bytes]) -> None:
    """Write the end of what a command has written meanwhile."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(size - SAID_BYTES, 0))
    if size > SAID_BYTES:
        note(f"the command wrote {size} bytes; the end of it:")
    sys.stderr.flush()
    os.write(2, said.read())


@contextmanager
def _away_from_terminal(said: IO[bytes]) -> Generator[None]:
    """Let what is started in the meantime neither read from the terminal nor write to it."""
    before = [os.dup(number) for number in range(3)]
    nowhere = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for number, target in enumerate((nowhere, said.fileno(), said.fileno())):
            os.dup2(target, number)
        yield
    finally:
        for number, target in enumerate(before):
            os.dup2(target, number)
            os.close(target)
        os.close(nowhere)


@contextmanager
def _keys_from_terminal(screen: bool) -> Generator[BinaryIO]:
    """Return what stdin is, and let keys come from the terminal in the meantime.

    Args:
        screen: whether there is one, which needs keys.
    """
    data = os.dup(0)
    try:
        if screen:
            try:
                terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                raise click.UsageError("there is no terminal for keys: use --once.") from None
            os.dup2(terminal, 0)
            os.close(terminal)
        with open(data, "rb", buffering=0, closefd=False) as file:
            yield file
    finally:
        os.dup2(data, 0)
        os.close(data)
