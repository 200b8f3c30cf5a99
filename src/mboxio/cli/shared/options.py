"""What the arguments of several commands have in common."""

import functools
import math
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import click

import mboxio
from mboxio._base.timeouts import DEFAULT, nanoseconds
from mboxio.client.patience import WAIT_MAX_S, Patience

__all__ = [
    "SECONDS",
    "allowed",
    "connected",
    "opened",
    "payload_arguments",
    "timeout",
    "unhexed",
    "wait_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class Seconds(click.ParamType[float]):
    """A time-out: 0 or more seconds, or ``none`` for no limit."""

    name = "seconds|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType`; no limit is infinity."""
        if str(value).lower() == "none":
            return math.inf
        try:
            seconds = float(value)
            nanoseconds(seconds)
        except ValueError:
            self.fail(f"{value!r} is not a time: write seconds (0 or more), or none for no limit.")
        return seconds


SECONDS = Seconds()


class Wait(click.ParamType[float]):
    """How long to wait for a remote: 0 or more seconds, and never without limit."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType`."""
        try:
            Patience(float(value))
        except ValueError:
            self.fail(f"{value!r} is not a time: write seconds, 0 to {WAIT_MAX_S:.0f}.")
        return float(value)


wait_option = click.option(
    "--wait",
    "wait_s",
    type=Wait(),
    default=0.0,
    metavar="SECONDS",
    help="Time that the remote may take to come up.",
)
"""What `opened` and `connected` get."""


def timeout(seconds: float | None) -> Any:
    """Turn the value of a `SECONDS` option into a time-out of the library."""
    if seconds is None:
        return DEFAULT
    return None if math.isinf(seconds) else seconds


def allowed() -> tuple[str, ...] | None:
    """Return what ``mboxio --allow`` names; None: it was not given."""
    context = click.get_current_context(silent=True)
    text = None if context is None else context.find_root().params.get("kinds")
    return None if text is None else tuple(filter(None, text.replace(" ", "").split(",")))


@contextmanager
def opened(address: str, wait_s: float = 0.0) -> Generator[mboxio.Client]:
    """Open a client for a command."""
    with _sharing():
        client = mboxio.open(address, wait_s=wait_s, allow=allowed())
    with client:
        yield client


@contextmanager
def connected(address: str, wait_s: float = 0.0) -> Generator[mboxio.Connection]:
    """Connect for a command."""
    with _sharing():
        connection = mboxio.connect(address, wait_s=wait_s, allow=allowed())
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


# -- what goes out


def payload_arguments(command: Command) -> Command:
    """Add PAYLOAD, --hex, --text and --file; the command gets them as ``data``."""

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
        return unhexed(data.decode("ascii"))
    except ValueError:
        shown = data[:40].decode(errors="backslashreplace")
        raise click.UsageError(
            f"{shown!r} is not hex: write pairs of digits like 01 02, 0102 or 0x0102."
        ) from None


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
