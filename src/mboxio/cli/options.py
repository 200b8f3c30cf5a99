"""What the arguments of several commands have in common."""

import functools
import json
import math
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click
from rich.console import Console

import mboxio
from mboxio.timeouts import DEFAULT, nanoseconds

__all__ = [
    "SECONDS",
    "Output",
    "Printer",
    "connected",
    "hexdump",
    "opened",
    "output_options",
    "payload_arguments",
    "printable",
    "timeout",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class Output(Console):
    """Stdout for what has colours and columns, where it can."""

    def __init__(self) -> None:
        super().__init__(highlight=False, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leave it to the command; called while the error is handled."""
        raise


class Seconds(click.ParamType[float]):
    """A time-out: 0 or more seconds, or ``none`` for ever."""

    name = "seconds|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType`; for ever is infinity."""
        if value == "none":
            return math.inf
        try:
            seconds = float(value)
            nanoseconds(seconds)
        except ValueError:
            self.fail(f"{value!r} is no time: write seconds, 0 or more, or none for ever.")
        return seconds


SECONDS = Seconds()


def timeout(seconds: float | None) -> Any:
    """Turn the value of a `SECONDS` option into a time-out of the library."""
    if seconds is None:
        return DEFAULT
    return None if math.isinf(seconds) else seconds


@contextmanager
def opened(address: str) -> Generator[mboxio.Client]:
    """Open a client for a command."""
    with _sharing():
        client = mboxio.open(address)
    with client:
        yield client


@contextmanager
def connected(address: str) -> Generator[mboxio.Connection]:
    """Connect for a command."""
    with _sharing():
        connection = mboxio.connect(address)
    with connection:
        yield connection


@contextmanager
def _sharing() -> Generator[None]:
    """Say in one line where this build cannot share memory."""
    try:
        yield
    except mboxio.MailboxError:
        raise
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None


def printable(text: str) -> str:
    """Return one line without control characters: some of it comes from the remote."""
    words = " ".join(text.split("\n"))
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)


# -- what goes out


def payload_arguments(command: Command) -> Command:
    """Add PAYLOAD, --hex, --text and --file; the command gets them as ``data``."""

    @functools.wraps(command)
    def collect(**values: Any) -> Any:
        form, text, file = values.pop("form"), values.pop("payload"), values.pop("file")
        return command(data=_payload(text, form, file), **values)

    for decorate in (
        click.option("--file", type=click.File("rb"), help="Read the message there; - is stdin."),
        click.option("--text", "form", flag_value="text", help="PAYLOAD is text, also a lone -."),
        click.option("--hex", "form", flag_value="hex", help='PAYLOAD is hex, like "01 02".'),
        click.argument("payload", required=False),
    ):
        collect = decorate(collect)
    return collect  # type: ignore[return-value]


def _payload(text: str | None, form: str | None, file: BinaryIO | None) -> bytes:
    if file is not None:
        if text is not None:
            raise click.UsageError("PAYLOAD and --file exclude each other.")
        data = file.read()
    elif text == "-" and form != "text":
        data = sys.stdin.buffer.read()
    else:
        data = (text or "").encode(errors="surrogateescape")
    if form != "hex":
        return data
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError:
        shown = data[:40].decode(errors="backslashreplace")
        raise click.UsageError(f"{shown!r} is no hex: write pairs of digits like 01 02.") from None


# -- what comes in


def output_options(command: Command) -> Command:
    """Add --raw, --hex-out and --json; the command gets a `Printer` as ``printer``."""

    @functools.wraps(command)
    def collect(**values: Any) -> Any:
        return command(printer=Printer(values.pop("output")), **values)

    for form, text in (
        ("json", "One JSON object per message."),
        ("hex-out", "One line of hex per message."),
        ("raw", "The bytes as they are; the default unless stdout is a terminal."),
    ):
        collect = click.option(f"--{form}", "output", flag_value=form, help=text)(collect)
    return collect  # type: ignore[return-value]


class Printer:
    """Writes messages to stdout.

    Args:
        form: ``raw``, ``hex-out`` or ``json``; None: a hexdump on a terminal, else raw.
    """

    def __init__(self, form: str | None) -> None:
        self.form = form or ("dump" if sys.stdout.isatty() else "raw")
        self.output = sys.stdout.buffer

    def write(self, message: bytes, **more: Any) -> None:
        """Write one message; ``more`` is for JSON only."""
        if self.form == "raw":
            data = message
        elif self.form == "hex-out":
            data = message.hex(" ").encode() + b"\n"
        elif self.form == "json":
            found = {"message": message.hex(), "bytes": len(message), **more}
            data = json.dumps(found).encode() + b"\n"
        else:
            data = "".join(line + "\n" for line in hexdump(message)).encode()
        self.output.write(data)
        self.output.flush()


def hexdump(message: bytes) -> Iterator[str]:
    """Yield lines of 16 bytes: offset, hex, and what is printable."""
    if not message:
        yield "(no bytes)"
    for offset in range(0, len(message), 16):
        row = message[offset : offset + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{offset:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  |{text}|"
