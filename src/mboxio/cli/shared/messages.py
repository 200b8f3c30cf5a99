"""How messages are written to stdout: a hexdump, hex, words, text, JSON, or as they are."""

import functools
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import click

from mboxio.cli.shared.payload import endian
from mboxio.cli.shared.settings import FORMS, Endian, setting
from mboxio.cli.shared.text import json_line, printable, word

__all__ = [
    "LinePrinter",
    "Printer",
    "as_words",
    "dumped",
    "hexdump",
    "line_of",
    "output_options",
    "shown_as",
    "took",
]

Command = TypeVar("Command", bound=Callable[..., Any])
WORD_BYTES = 4


def output_options(kind: "type[Printer]") -> Callable[[Command], Command]:
    """Add --out and its short forms; the command gets a printer of this kind as ``printer``."""

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def collect(**values: Any) -> Any:
            given = [option for option in SHORT if values.pop(_field(option))]
            named = values.pop("out")
            if named is not None:
                given.append(f"--out {named}")
            if len(given) > 1:
                raise click.UsageError(f"{' and '.join(given)} exclude each other.")
            form = named or (SHORT[given[0]] if given else None)
            if form is None and (found := setting("out")) is not None:
                form = found.text
            return command(printer=kind(form, endian()), **values)

        texts = ("Same as --out json.", "Same as --out hex.", kind.raw_help)
        for option, text in zip(SHORT, texts, strict=True):
            collect = click.option(option, is_flag=True, help=text)(collect)
        return click.option(  # type: ignore[return-value]
            "--out",
            type=click.Choice(FORMS),
            metavar="FORM",
            help="Form of each message: dump, a hexdump; hex, word (32 bits), text or json, in one"
            " line; raw, as it is.",
        )(collect)

    return add


SHORT = {"--json": "json", "--hex-out": "hex", "--raw": "raw"}


def _field(option: str) -> str:
    return option[2:].replace("-", "_")


class Printer:
    """Writes replies to stdout.

    Args:
        form: one of `FORMS`; None: a hexdump on a terminal, else raw.
        order: of the bytes in words, ``little`` or ``big``.
    """

    raw_help = "Same as --out raw; the default unless stdout is a terminal."
    elsewhere = "raw"

    def __init__(self, form: str | None, order: Endian = "little") -> None:
        self.form = form or ("dump" if sys.stdout.isatty() else self.elsewhere)
        self.order: Endian = order
        self.output = sys.stdout.buffer
        self.watched = sys.stdout.isatty() and sys.stderr.isatty()

    def write(self, message: bytes, **more: Any) -> None:
        """Write one message; ``more`` is for JSON only."""
        if self.form == "raw":
            data = message
        elif self.form == "json":
            found = {**more, "message": message.hex(), "bytes": len(message)}
            data = json_line(found).encode() + b"\n"
        else:
            data = "".join(line + "\n" for line in self.lines(message, more)).encode(
                sys.stdout.encoding, sys.stdout.errors or "backslashreplace"
            )
        self.output.write(data)
        self.output.flush()

    def answer(self, reply: bytes, seconds: float) -> None:
        """Write a reply; on a terminal also how long it took, beside the output."""
        self.write(reply, seconds=round(seconds, 7))
        if self.watched and self.form not in ("raw", "json"):
            click.secho(f"{took(seconds)}, {len(reply)} bytes", err=True, dim=True)

    def lines(self, message: bytes, more: dict[str, Any]) -> Iterator[str]:
        """Yield what people read."""
        if self.form == "dump":
            return hexdump(message)
        return iter([line_of(message, self.form, self.order)])


class LinePrinter(Printer):
    """Writes what the remote says, with when and where; never raw unless that is asked for.

    Args:
        form: one of `FORMS`; None: a hexdump with a head on a terminal, else one line.
        order: of the bytes in words, ``little`` or ``big``.
    """

    raw_help = "Same as --out raw: one message right after the other."
    elsewhere = "line"

    def receive(self, channel: str, message: bytes) -> None:
        """Write one message that was taken from a channel just now."""
        self.write(message, time=now(), channel=channel, direction="rx")

    def lines(self, message: bytes, more: dict[str, Any]) -> Iterator[str]:
        """Yield the head and the bytes: in one line that never wraps them, or below each other."""
        head = f"{more['time']} {word(more['channel'])} {more['direction']} [{len(message)}]"
        if self.form == "line":
            yield f"{head} {message.hex(' ')} |{dumped(message)}|"
        elif self.form == "dump":
            yield head
            yield from hexdump(message)
        else:
            yield line_of(message, self.form, self.order)


def now() -> str:
    """Return the time, as lines and JSON have it."""
    return datetime.now().astimezone().isoformat(timespec="microseconds")


def took(seconds: float) -> str:
    """Return a time as people write it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def line_of(message: bytes, form: str, order: Endian) -> str:
    """Return a message in one line: as ``hex``, ``word`` or ``text``."""
    if form == "hex":
        return message.hex(" ")
    if form == "word":
        return as_words(message, order)
    text = message.decode(errors="backslashreplace").rstrip("\r\n")
    return printable(text, len(text))


def shown_as(message: bytes, form: str, order: Endian) -> list[str]:
    """Return the lines that people read: a hexdump, or one line in another form but raw."""
    if form == "dump":
        return list(hexdump(message))
    if form == "json":
        return [json_line({"message": message.hex(), "bytes": len(message)})]
    return [line_of(message, form, order)]


def as_words(message: bytes, order: Endian) -> str:
    """Return 32-bit words, and in hex after a plus what does not fill one."""
    whole = len(message) - len(message) % WORD_BYTES
    shown = [
        f"0x{int.from_bytes(message[at : at + WORD_BYTES], order):08x}"
        for at in range(0, whole, WORD_BYTES)
    ]
    rest = message[whole:]
    return " ".join([*shown, f"+ {rest.hex(' ')}"] if rest else shown)


def dumped(message: bytes) -> str:
    """Return what of a message is printable ASCII, and a dot for each other byte."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in message)


def hexdump(message: bytes) -> Iterator[str]:
    """Yield lines of 16 bytes: offset, hex, and what is printable."""
    if not message:
        yield "(no bytes)"
    for offset in range(0, len(message), 16):
        row = message[offset : offset + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        yield f"{offset:08x}  {left:<23}  {right:<23}  |{dumped(row)}|"
