"""``mboxio timeline``: captures as a file for the viewer of Perfetto, or as a picture."""

import os
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from mboxio.capture.output import Output, open_output
from mboxio.capture.pieces import CaptureError
from mboxio.capture.reading import Capture, read
from mboxio.cli.shared.text import json_line, note, printable
from mboxio.see.timeline import register
from mboxio.see.timeline.drawing import WIDTH_MIN, Panel, draw
from mboxio.see.timeline.picture import Picture
from mboxio.see.timeline.scale import duration, seconds_ns
from mboxio.see.timeline.sink import Sink
from mboxio.see.timeline.timeline import Merged, Timeline

__all__ = ["timeline"]

VIEWER = "https://ui.perfetto.dev"
PERFETTO, SVG = ".pftrace", ".svg"
WIDTH_MAX = 20_000
CHANNELS_MAX = 20
"""Named where none of those is there that were wanted."""


class Time(click.ParamType[int]):
    """A time since the first message: 1.5ms, 200us, 2s; a number alone means seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`; returns nanoseconds."""
        try:
            return value if isinstance(value, int) else seconds_ns(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time: write 1.5ms, 200us or 2s.")


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="A .pftrace for the viewer of Perfetto, or a picture as .svg.",
)
@click.option("--channel", "channels", multiple=True, help="Only this channel; several are fine.")
@click.option(
    "--from", "from_ns", type=Time(), help="Picture: begin so long after the first message."
)
@click.option("--to", "to_ns", type=Time(), help="Picture: end so long after it.")
@click.option(
    "--width",
    type=click.IntRange(WIDTH_MIN, WIDTH_MAX),
    metavar="PIXELS",
    help="Picture: its width; default: 960.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Picture: draw each FILE for itself, one below the other, each from its first message on.",
)
@click.option("--title", "titles", multiple=True, help="With --compare: above each FILE, in order.")
@click.option("--json", "as_json", is_flag=True, help="Say what was drawn as one JSON object.")
def timeline(
    files: tuple[str, ...],
    out: str,
    channels: tuple[str, ...],
    from_ns: int | None,
    to_ns: int | None,
    width: int | None,
    compare: bool,
    titles: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show captures on a line of time, also as a picture.

    Each message is drawn with its stages. FILE is pcapng or JSON lines, - is stdin. Captures of the
    host and of the remote, given together, are tied by arrows in the viewer of Perfetto.
    """
    suffix = os.path.splitext(out)[1]
    options = {"--from": from_ns, "--to": to_ns, "--width": width, "--compare": compare or None}
    for option, value in {**options, "--title": titles or None}.items():
        if value is not None and suffix == PERFETTO:
            raise click.UsageError(f"{option} is for pictures: the viewer of Perfetto can zoom.")
    if suffix not in (PERFETTO, SVG):
        raise click.UsageError(f"{out}: the suffix says what is wanted: {PERFETTO} or {SVG}.")
    if titles and (not compare or len(titles) != len(files)):
        raise click.UsageError("With --compare, give one --title for each FILE.")
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise click.UsageError("--from has to be before --to.")
    if files.count("-") > 1:
        raise click.UsageError("Only one FILE can be stdin.")
    if as_json and out == "-":
        raise click.UsageError("--json and the picture cannot both go to stdout.")
    with _opened(files) as captures:
        if suffix == PERFETTO:
            _write_perfetto(captures, out, channels, as_json)
            return
        groups = [[each] for each in captures] if compare else [captures]
        panels: list[Panel] = []
        for place, group in enumerate(groups):
            picture = Picture(from_ns or 0, to_ns)
            drawn = _draw(Merged(group, channels), picture, [each.name for each in group])
            title = _title(group[0].name, titles, place) if compare else ""
            panels.append(Panel(picture, title))
            if picture.is_full:
                end = duration(picture.span()[1])
                note(f"{group[0].name}: only up to {end} ({drawn} events): see --from and --to")
    _save(out, draw(panels, width or 960, "Messages on a line of time"))
    longest = max(end - start for start, end in (panel.picture.span() for panel in panels))
    messages = sum(panel.picture.kept for panel in panels)
    if as_json:
        click.echo(json_line({"file": out, "bars": messages, "took_ns": longest}))
    else:
        click.echo(printable(f"{out}: {messages} bars, {duration(longest)}"))


@contextmanager
def _opened(files: Sequence[str]) -> Generator[list[Capture]]:
    """Open captures; what was wrong with them is told in the end."""
    with ExitStack() as stack:
        captures = [stack.enter_context(read(file)) for file in files]
        yield captures
        for capture in captures:
            for warning in capture.warnings:
                note(f"{capture.name}: {warning}")


def _write_perfetto(
    captures: Sequence[Capture], out: str, channels: Sequence[str], as_json: bool
) -> None:
    try:
        register()
    except CaptureError as error:
        raise click.UsageError(str(error)) from None
    from mboxio.see.timeline.pftrace import PerfettoSink

    merged = Merged(captures, channels)
    names = [each.name for each in captures]
    _check_there_is(merged, names)
    with _output(out) as output:
        sink = PerfettoSink(output)
        line = _fed(merged, sink)
        sink.flush()
    first_ns = min(first for first, _ in merged.spans.values())
    took_ns = line.now_ns - first_ns
    took = duration(took_ns)
    channel = "channel" if len(line.channels) == 1 else "channels"
    what = f"{line.events} events of {len(line.channels)} {channel} in {took}"
    if as_json:
        click.echo(json_line({"file": out, "events": line.events, "took_ns": took_ns}))
    else:
        click.echo(printable(f"{out}: {what}; open it at {VIEWER}, which keeps it on this machine"))
    if merged.apart:
        note("the captures are of different times, so no arrows lead from one to the other")


def _draw(merged: Merged, picture: Picture, names: Sequence[str]) -> int:
    """Collect a picture; returns of how many events."""
    _check_there_is(merged, names)
    return _fed(merged, picture, picture).events


def _fed(merged: Merged, sink: Sink, picture: Picture | None = None) -> Timeline:
    """Feed a timeline, until the picture is complete."""
    line = Timeline(sink, merged.with_remote)
    for time_ns in merged.feed(line):
        if picture is not None and picture.is_over(time_ns):
            break
    line.close()
    if line.lost:
        note(f"{line.lost} events were lost while they were recorded")
    return line


def _check_there_is(merged: Merged, names: Sequence[str]) -> None:
    """Fail if there is nothing to show, before anything is written."""
    if not merged.is_empty:
        return
    where = ", ".join(names)
    if not merged.seen:
        raise click.ClickException(f"{where}: no events in it")
    seen = sorted(merged.seen)
    more = ", ..." if len(seen) > CHANNELS_MAX else ""
    known = ", ".join(each or "''" for each in seen[:CHANNELS_MAX])
    raise click.UsageError(f"{where}: no such channel; there are: {known}{more}")


def _title(name: str, titles: Sequence[str], place: int) -> str:
    return titles[place] if titles else os.path.splitext(os.path.basename(name))[0]


@contextmanager
def _output(path: str) -> Generator[Output]:
    output = open_output(path)
    try:
        yield output
    finally:
        output.close()


def _save(path: str, text: str) -> None:
    with _output(path) as output:
        output.write(text.encode())
