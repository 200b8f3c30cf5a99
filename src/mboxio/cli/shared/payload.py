"""What is sent: text, hex, words or a file."""

import functools
import re
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import click

from mboxio.cli.shared.settings import ENDIANS, Endian, default

__all__ = ["endian", "endian_option", "payload_arguments", "read_payload", "unhexed", "worded"]

Command = TypeVar("Command", bound=Callable[..., Any])
ENDIAN = "mboxio.endian"
WORD_MAX = 0xFFFF_FFFF


def _keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    ctx.meta[ENDIAN] = value or ENDIANS[0]


endian_option = click.option(
    "--endian",
    type=click.Choice(ENDIANS),
    default=default("endian"),
    callback=_keep,
    expose_value=False,
    help="Order of the bytes in words; default: little.",
)
"""For --word and --out word; see `endian`."""


def endian() -> Endian:
    """Return the order of the bytes in words that a command is told."""
    context = click.get_current_context(silent=True)
    order: Endian = ENDIANS[0] if context is None else context.meta.get(ENDIAN, ENDIANS[0])
    return order


def payload_arguments(command: Command) -> Command:
    """Add PAYLOAD, --hex, --text, --word and --file; the command gets them as ``data``."""

    @functools.wraps(command)
    def collect(**values: Any) -> Any:
        form, text, file = values.pop("form"), values.pop("payload"), values.pop("file")
        return command(data=_payload(text, form, file), **values)

    for decorate in (
        click.option(
            "--file", type=click.File("rb"), help="Read the message from a file; - is stdin."
        ),
        click.option(
            "--text", "form", flag_value="text", help="Treat PAYLOAD as text, even a single -."
        ),
        click.option(
            "--hex", "form", flag_value="hex", help="Treat PAYLOAD as hex: 0102 or 0x01,0x02."
        ),
        click.option(
            "--word",
            "form",
            flag_value="word",
            help="Treat PAYLOAD as 32-bit words, little-endian: 0x12345678,0x1.",
        ),
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
    if form not in ("hex", "word"):
        return data
    try:
        return read_payload(data.decode("ascii"), form, endian())
    except UnicodeDecodeError:
        shown = data[:40].decode(errors="backslashreplace")
        raise click.UsageError(f"{shown!r} is not {form}: it is not ASCII.") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def read_payload(text: str, form: str | None, order: Endian) -> bytes:
    """Return the bytes that a text stands for.

    Args:
        text: of the message.
        form: ``hex`` or ``word``; any other is the text itself.
        order: of the bytes in words, ``little`` or ``big``.

    Raises:
        ValueError: it is not what ``form`` says; the text is for people.
    """
    if form == "word":
        return worded(text, order)
    if form != "hex":
        return text.encode(errors="surrogateescape")
    try:
        return unhexed(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is not hex: write pairs of digits like 01 02, 0102 or 0x0102."
        ) from None


def worded(text: str, order: Endian) -> bytes:
    """Read 32-bit words: ``0x12345678,0x1`` or ``305419896 1``.

    Raises:
        ValueError: one is not a number, or does not fit; the text names it.
    """
    data = b""
    for piece in filter(None, re.split(r"[\s,]+", text)):
        try:
            number = int(piece, 0)
        except ValueError:
            raise ValueError(
                f"{piece[:40]!r} is not a word: write numbers like 0x12345678,0x1."
            ) from None
        if not 0 <= number <= WORD_MAX:
            raise ValueError(f"{piece[:40]!r} is not a 32-bit word: 0 to {WORD_MAX:#x} is.")
        data += struct.pack("<I" if order == "little" else ">I", number)
    return data


def unhexed(text: str) -> bytes:
    """Read hex as people write it: ``01 02``, ``0102``, ``01:02``, ``01-02``, ``0x01, 0x02``.

    Bytes come in the order in which they are written, also after one ``0x``.

    Raises:
        ValueError: it is not hex, or a piece of it has an odd number of digits.
    """
    data = b""
    for piece in re.split(r"[\s:,_-]+", text.strip()):
        data += bytes.fromhex(re.sub(r"^0[xX](?=.)", "", piece))
    return data
