"""``mboxio decode``: what a capture says, an event a line; also single messages, typed by hand."""

import contextlib
import os
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from mboxio.capture.event import Event, Kind, Source
from mboxio.capture.jsonl import object_of
from mboxio.capture.reading import Capture, read
from mboxio.capture.writing import open_writer, suffix_of
from mboxio.cli.see.event_lines import TIMES, EventLines
from mboxio.cli.see.sizes import SIZE
from mboxio.cli.shared.messages import hexdump
from mboxio.cli.shared.payload import unhexed
from mboxio.cli.shared.text import json_line, note, printable
from mboxio.see.decoding.contract import Decoded
from mboxio.see.decoding.decoders import Decoders, protocols_of

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["decode"]

CHANNELS_MAX = 20
"""Named where none of those is there that were wanted."""
UNDECODED = 2
"""The exit code for a typed message that says nothing."""
KIND_NAMES = [kind.name.lower().replace("_", "-") for kind in Kind]


def _complete_protocol(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    from mboxio.see.decoding.catalogue import found

    return [CompletionItem(name) for name in found() if name.startswith(incomplete)]


@click.command()
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option(
    "--hex",
    "typed",
    multiple=True,
    metavar="BYTES",
    help="Decode this message in place of a file; given twice, a request and its reply.",
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="NAME[=CHANNEL]",
    shell_complete=_complete_protocol,
    help="What is spoken, on all channels or on this one: acpm, acpm-pmic, rpi-property, or one"
    " that another package brings.",
)
@click.option("--channel", "channels", multiple=True, help="Only events of this channel.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KIND_NAMES),
    metavar="KIND",
    help=f"Only events of this kind: {', '.join(KIND_NAMES)}.",
)
@click.option(
    "--time",
    "times",
    type=click.Choice(TIMES),
    default=TIMES[0],
    metavar="WHEN",
    help="Time of an event: since the first (the default), delta to the one before, or absolute.",
)
@click.option(
    "--bytes",
    "bytes_max",
    type=click.IntRange(min=0),
    default=64,
    metavar="N",
    help="Show N bytes of a message that is not decoded; default: 64.",
)
@click.option(
    "--snap", type=SIZE, metavar="BYTES", help="With --out: keep no more bytes of a message."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event.")
@click.option(
    "-o",
    "--out",
    "out",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    help="Convert to FILE, with what messages say as comments; its suffix says how.",
)
def decode(
    file: str | None,
    typed: tuple[str, ...],
    protocols: tuple[str, ...],
    channels: tuple[str, ...],
    kinds: tuple[str, ...],
    times: str,
    bytes_max: int,
    snap: int | None,
    as_json: bool,
    out: str | None,
) -> None:
    """Print what a capture says, an event a line.

    FILE is pcapng or JSON lines, - is stdin. The protocol of a channel is known from the
    address of a Raspberry Pi's mailbox or of ACPM; otherwise --protocol names it. What of a FILE is
    damaged is reported on stderr, and the rest is shown.
    """
    if bool(typed) == (file is not None):
        raise click.UsageError("Give a FILE, or messages with --hex.")
    try:
        decoders = Decoders(protocols_of(protocols), note)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    wanted = frozenset(Kind[name.upper().replace("-", "_")] for name in kinds)
    if file is None:
        if not protocols or out is not None:
            raise click.UsageError("Say with --protocol what the message is; --out is for a FILE.")
        _show_typed(typed, wanted, decoders, as_json)
        return
    with read(file) as capture:
        chosen = Chosen(channels, wanted)
        found = ((each, decoders.decode(each)) for each in capture)
        matching = ((each, decoded) for each, decoded in found if chosen.wants(each))
        if out is not None:
            _convert(capture, matching, out, snap)
        else:
            lines = EventLines(times, bytes_max)
            for event, decoded in matching:
                if as_json:
                    click.echo(_in_json(event, decoded))
                    continue
                for line in lines.lines(event, decoded):
                    click.echo(line)
    for warning in capture.warnings:
        note(f"{capture.name}: {warning}")
    chosen.explain()


class Chosen:
    """Which events are wanted.

    Args:
        channels: by their names or whole addresses; empty: all.
        kinds: of events; empty: all.
    """

    def __init__(self, channels: tuple[str, ...], kinds: frozenset[Kind]) -> None:
        self.channels = frozenset(channels)
        self.kinds = kinds
        self.count = 0
        self.seen: dict[str, None] = {}

    def wants(self, event: Event) -> bool:
        """Return whether an event is wanted."""
        source = event.source
        if len(self.seen) < CHANNELS_MAX:
            self.seen[str(source)] = None
        wanted = not self.channels or bool({source.channel, str(source)} & self.channels)
        wanted = wanted and (not self.kinds or event.kind in self.kinds)
        self.count += wanted
        return wanted

    def explain(self) -> None:
        """Say which channels there are where none of those that were named is."""
        if not self.count and (self.channels or self.kinds):
            note(f"no such event; there are those of {', '.join(self.seen) or 'no channel'}")


def _convert(
    capture: Capture, events: "Iterator[tuple[Event, Decoded | None]]", out: str, snap: int | None
) -> None:
    """Write the events to another file, with what their messages say."""
    if out.endswith(".pftrace"):
        from mboxio.see.timeline import register  # which needs an extra

        register()
    suffix_of(out)
    with contextlib.suppress(OSError):
        if out != "-" and os.path.samefile(out, capture.name):
            raise click.UsageError(f"{out} is the file that is read: name another one.")
    first = next(events, None)  # what the file says of its clock stands before it
    writer = open_writer(out, offset_ns=capture.offset_ns, pid=capture.pid, snap=snap)
    count = 0
    try:
        for event, decoded in chain([] if first is None else [first], events):
            said = [] if decoded is None else [decoded.text, *decoded.lines]
            writer.write(event, "\n".join(printable(each) for each in said))
            count += 1
    finally:
        writer.close()
    note(f"{count} events written to {'stdout' if out == '-' else out}")


def _show_typed(
    typed: tuple[str, ...], kinds: frozenset[Kind], decoders: Decoders, as_json: bool
) -> None:
    """Decode messages that were typed: a message, or a request and its reply."""
    if len(typed) > 2 or len(kinds) > 1 or (kinds and len(typed) > 1):
        raise click.UsageError("--hex takes a message and its --kind, or a request and its reply.")
    undecoded = 0
    for kind, text in zip([*kinds] or [Kind.REQUEST, Kind.REPLY], typed, strict=False):
        try:
            message = unhexed(text)
        except ValueError:
            raise click.UsageError(
                f"--hex {text[:40]!r} is not hex: write 0102 or 01 02."
            ) from None
        event = Event(0, kind, Source("typed", ""), 1, message=message)
        decoded = decoders.decode(event)
        undecoded += decoded is None
        if as_json:
            click.echo(_in_json(event, decoded))
            continue
        said = hexdump(message) if decoded is None else [decoded.text, *decoded.lines]
        for each in said:
            click.echo(printable(each))
    if undecoded:
        raise click.exceptions.Exit(UNDECODED)


def _in_json(event: Event, decoded: Decoded | None) -> str:
    """Return an event as one JSON object, with what its message says."""
    found = object_of(event)
    if decoded is None:
        return json_line(found)
    found["text"] = "\n".join([decoded.text, *decoded.lines])
    try:
        return json_line({**found, "decoded": dict(decoded.fields)})
    except (RecursionError, TypeError, ValueError) as error:
        return json_line({**found, "decoded": f"not for JSON: {error}"})
