"""``mboxio monitor``: watch the channels of a program, or of a capture."""

import math
import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

import click

from mboxio.capture.reading import read
from mboxio.cli.see.asked import is_address
from mboxio.cli.see.watched import EventSource, watched, watched_command
from mboxio.cli.shared.options import SECONDS
from mboxio.cli.shared.output import Column, Output
from mboxio.cli.shared.signals import LOOK_S, Signals
from mboxio.cli.shared.text import json_line, note, printable
from mboxio.see.monitor.facts import facts_of
from mboxio.see.monitor.feed import Feed
from mboxio.see.monitor.history import lines_of
from mboxio.see.monitor.model import Model
from mboxio.see.monitor.table import COLUMNS, fitting

if TYPE_CHECKING:
    from mboxio.see.monitor.screen import Monitor

__all__ = ["monitor"]

INSTALL = 'pip install textual, or pip install ".[monitor]" in a checkout of mboxio'
WINDOW_NS = 10_000_000_000
"""Percentiles of what happens now are those of the last 10 to 20 s."""
EACH_S = 1.0
GAP = 2
LINES_MAX = 10


class Speed(click.ParamType[float]):
    """How fast to play: more than 0."""

    name = "factor"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType`."""
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 1e-3 <= speed <= 1e6:
            self.fail(f"{str(value)!r} is not a speed: 1 is as it was, 10 is ten times as fast.")
        return speed


class MonitorCommand(click.Command):
    """It knows whether there was a ``--``, which click takes away."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`."""
        if "--" in args:
            at = args.index("--")
            ctx.obj = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


@click.command(cls=MonitorCommand)
@click.argument(
    "source",
    type=click.Path(allow_dash=True),
    required=False,
    metavar="FILE | ADDRESS | - | -- COMMAND...",
)
@click.option("--speed", type=Speed(), help="Play a FILE: 1 as it was, 10 ten times as fast.")
@click.option("--follow", is_flag=True, help="Go on at the end of a FILE that is being written.")
@click.option(
    "--once", is_flag=True, help="Print one table and end; of an ADDRESS, after a second."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one object, or one a second.")
@click.option(
    "--for",
    "limit_s",
    type=SECONDS,
    default="none",
    help="End after this time; only where there is no screen.",
)
@click.pass_context
def monitor(
    context: click.Context,
    source: str | None,
    speed: float | None,
    follow: bool,
    once: bool,
    as_json: bool,
    limit_s: float,
) -> None:
    """Watch channels, and where requests are stuck.

    A FILE is a capture, shown as it was at its end, or played. An ADDRESS shows what programs do
    there that run already with MBOXIO_RECORD=live. A COMMAND is run, with all its connections
    watched. - reads a capture from stdin, as it comes.

    Where stdout is not a terminal, a table is printed; for what happens now, one a second.
    """
    command: tuple[str, ...] | None = context.obj
    if (source is None) == (command is None):
        raise click.UsageError("Give a FILE, an ADDRESS, - or -- COMMAND.")
    if speed is not None and (follow or source in (None, "-") or is_address(source or "")):
        raise click.UsageError("--speed plays a FILE that is complete: the others happen now.")
    screen = not (once or as_json) and sys.stdout.isatty() and sys.stderr.isatty()
    if command is not None:
        opened = watched_command(command, screen)
    else:
        opened = watched(source or "", follow, screen)
    if once and math.isinf(limit_s) and is_address(source or ""):
        limit_s = EACH_S
    title = printable(" ".join(command) if command is not None else source or "")
    with opened as found:
        code = _watch(
            found,
            title,
            speed,
            screen,
            lambda feed, now: _print(feed, title, now and not once, as_json, limit_s),
        )
    if code:
        raise click.exceptions.Exit(code)


def _watch(
    found: EventSource,
    title: str,
    speed: float | None,
    screen: bool,
    put: Callable[[Feed, bool], int],
) -> int:
    """Show or print it; returns an exit code."""
    now = found.live or speed is not None
    feed = Feed(
        lambda: read(found.stream.bytes),
        Model(WINDOW_NS if now else None),
        live=found.live,
        speed=speed,
        wake=found.stream.wake,
    )
    feed.start()
    try:
        code = _show(feed, title) if screen else put(feed, now)
        complete = feed.ended.is_set()
    finally:
        feed.stop()
    if complete:  # else it was we who ended it
        for each in feed.warnings:
            note(f"{'stdin' if title == '-' else title}: {each}")
        if feed.failure:
            raise click.ClickException(feed.failure)
    return code or found.code


# -- what comes out


def _show(feed: Feed, source: str) -> int:
    """Show the screen until its user quits; returns an exit code."""
    app = _screen()(feed, source, _record_hint(source), handles_signals=True)
    code = app.run()
    return app.return_code or 0 if code is None else code


def _screen() -> "type[Monitor]":
    """Import the screen; what is printed does without its library."""
    try:
        from mboxio.see.monitor.screen import Monitor
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        text = f"mboxio monitor needs textual for its screen: {INSTALL}; --once does without"
        raise click.UsageError(text) from None
    return Monitor


def _record_hint(source: str) -> str:
    """Return how to record what is watched."""
    return f"mboxio record -o FILE.pcapng {source if is_address(source) else 'ADDRESS'}"


def _print(feed: Feed, source: str, again: bool, as_json: bool, limit_s: float) -> int:
    """Print what is known at the end, or each second; returns an exit code."""
    put = _put_json if as_json else _put_table
    end_s = monotonic() + limit_s
    with Signals() as signals:
        while True:
            next_s = min(end_s, monotonic() + EACH_S) if again else end_s
            while not (feed.ended.is_set() or signals.number) and monotonic() < next_s:
                feed.ended.wait(min(LOOK_S, max(next_s - monotonic(), 0)))
                feed.flush()
            over = bool(feed.ended.is_set() or signals.number or monotonic() >= end_s)
            put(feed, source)
            sys.stdout.flush()
            if over:
                return 128 + signals.number if signals.number else 0


def _put_json(feed: Feed, source: str) -> None:
    with feed.lock:
        facts = facts_of(feed.model, feed.now_ns())
    about = {
        "source": source,
        "ended": feed.ended.is_set(),
        "failure": feed.failure,
        "warnings": feed.warnings,
    }
    click.echo(json_line({**about, **facts}))


def _put_table(feed: Feed, source: str) -> None:
    output = Output()
    width = output.width if output.is_terminal else None
    with feed.lock:
        now_ns = feed.now_ns()
        channels = sorted(feed.model.channels.values(), key=lambda each: each.name)
        widest = max((len(each.name) for each in channels), default=0)
        columns = list(COLUMNS) if width is None else fitting(width, widest, GAP)[1]
        rows = [[each.name, *(c.text(each, now_ns) for c in columns)] for each in channels]
        lines = lines_of(channels, now_ns, LINES_MAX)
        waiting = sum(len(each.open) + len(each.held) for each in channels)
    if not rows:
        if not feed.failure:
            output.print("no event")
        return
    heads = [Column("channel", right=False), *(Column(c.name, c.right) for c in columns)]
    output.table(heads, rows)
    if lines:
        output.print(f"\n{waiting} not over, or still held:", soft_wrap=True)
        for line in lines:
            output.print(f"  {line}", soft_wrap=True)
        if waiting > len(lines):
            output.print(f"  and {waiting - len(lines)} more; --json has more of them")
