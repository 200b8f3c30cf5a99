"""``mboxio bench``: how long requests take, and how many are answered per second."""

from dataclasses import asdict
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from mboxio import MailboxError, _build
from mboxio.cli.commands.measure import Result, measure
from mboxio.cli.completion.addresses import last_address_argument
from mboxio.cli.shared.options import opened, timeout, timeout_option, wait_option
from mboxio.cli.shared.output import Column, Output
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line, note, printable

__all__ = ["bench"]

GROWTH = 4
"""How much more are in flight in each of the usual rows."""


class Numbers(click.ParamType[tuple[int, ...]]):
    """Numbers of requests in flight: ``1,8,32``."""

    name = "n,n,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """See `click.ParamType`."""
        try:
            numbers = tuple(int(each) for each in value.split(","))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            self.fail(f"{value!r} is not a list of numbers: write 1,8,32.")
        return numbers


@click.command()
@last_address_argument
@click.option("--size", type=click.IntRange(min=0), default=32, help="Bytes per message.")
@click.option("--in-flight", type=Numbers(), help="Requests in flight; default: 1 up to the depth.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 3600),
    default=1.0,
    help="Time for each of these numbers.",
)
@timeout_option("each request")
@wait_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bench(
    address: str,
    size: int,
    in_flight: tuple[int, ...] | None,
    seconds: float,
    timeout_s: float | None,
    wait_s: float | None,
    as_json: bool,
) -> None:
    """Measure latency and requests per second.

    The time of a request runs from submission until its reply is seen. Numbers in flight beyond the
    channel's depth are cut to it. On a channel without replies, one-way messages are measured until
    they are TX done. Ctrl-C or a failure ends it; what was measured until then is shown.
    """
    failure: Exception | None = None
    results: list[Result] = []
    with opened(address, wait_s) as client, Signals() as signals:
        limit = client.depth
        wanted = in_flight or usual(limit)
        numbers = list(dict.fromkeys(min(number, limit) for number in wanted))
        if max(wanted) > limit:
            note(f"channel {client.name!r} has depth {limit}: no more are in flight")
        columns = (TextColumn("{task.description}"), BarColumn())
        terminal = Console(stderr=True)
        with Progress(
            *columns, console=terminal, transient=True, disable=not terminal.is_terminal
        ) as progress:
            measured = partial(measure, client, message=bytes(size), seconds=seconds)
            try:
                for number in numbers:
                    task = progress.add_task(f"{number} in flight", total=seconds)
                    tick = partial(_show, signals, progress, task)
                    results.append(
                        measured(in_flight=number, tick=tick, timeout_s=timeout(timeout_s))
                    )
            except (MailboxError, click.exceptions.Exit) as error:
                failure = error
        tied = client._channel.ties_replies
    _print(address, size, "requests" if tied else "one-way messages", results, failure, as_json)
    if failure is not None:
        raise failure


def _print(
    address: str,
    size: int,
    what: str,
    results: list[Result],
    failure: Exception | None,
    as_json: bool,
) -> None:
    if failure is not None and not results:
        return
    if as_json:
        about = {"address": address, "build": _build.summary(), "size": size, "what": what}
        found = [asdict(result) for result in results]
        complete = failure is None
        click.echo(json_line({**about, "complete": complete, "results": found}))
        return
    click.echo(printable(f"{address}, {what} of {size} bytes, {_build.name()} build"))
    _print_table(results)


def usual(depth: int) -> tuple[int, ...]:
    """Return numbers in flight from 1 up to the depth."""
    numbers: list[int] = []
    number = 1
    while number < depth:
        numbers.append(number)
        number *= GROWTH
    return (*numbers, depth)


def _show(signals: Signals, progress: Progress, task: TaskID, spent_s: float) -> None:
    signals.check()
    progress.update(task, completed=spent_s)


COLUMNS = ("in flight", "requests/s", "µs each", "p50 µs", "p90 µs", "p99 µs", "max µs")


def _print_table(results: list[Result]) -> None:
    rows: list[list[str]] = []
    for each in results:
        times = (each.us_per_request, each.p50_us, each.p90_us, each.p99_us, each.max_us)
        in_words = [f"{time_us:,.2f}" if time_us < 10 else f"{time_us:,.1f}" for time_us in times]
        rows.append([str(each.in_flight), f"{each.requests_per_s:,.0f}", *in_words])
    Output().table([Column(name) for name in COLUMNS], rows)
