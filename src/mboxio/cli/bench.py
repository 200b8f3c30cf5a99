"""``mboxio bench``: how long requests take, and how many are answered per second."""

import json
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter_ns
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

import mboxio
from mboxio import _build
from mboxio.cli.options import Output, opened
from mboxio.cli.signals import LOOK_S, Signals

__all__ = ["Result", "bench", "measure"]

TICK_NS = 50_000_000


@dataclass(frozen=True)
class Result:
    """What was measured with one number of requests in flight; latencies in microseconds."""

    in_flight: int
    requests: int
    seconds: float
    requests_per_s: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float


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
            self.fail(f"{value!r} is no list of numbers: write 1,8,32.")
        return numbers


@click.command()
@click.argument("address")
@click.option("--size", type=click.IntRange(min=0), default=16, help="Bytes per message.")
@click.option("--in-flight", type=Numbers(), default="1,8,32", help="Requests in flight.")
@click.option(
    "--seconds", type=click.FloatRange(0.01, 3600), default=1.0, help="For each of these numbers."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bench(
    address: str, size: int, in_flight: tuple[int, ...], seconds: float, as_json: bool
) -> None:
    """Measure how long requests take and how many are answered per second.

    A request counts from being submitted until its reply is seen. Numbers in flight beyond the
    channel's depth are cut to it.
    """
    with opened(address) as client, Signals() as signals:
        limit = client.queue.depth
        numbers = list(dict.fromkeys(min(number, limit) for number in in_flight))
        if max(in_flight) > limit:
            note = f"channel {client.channel.name!r} has depth {limit}: no more are in flight"
            click.echo(f"mboxio: {note}", err=True)
        columns = (TextColumn("{task.description}"), BarColumn())
        terminal = Console(stderr=True)
        with Progress(
            *columns, console=terminal, transient=True, disable=not terminal.is_terminal
        ) as progress:
            results: list[Result] = []
            for number in numbers:
                task = progress.add_task(f"{number} in flight", total=seconds)
                show = partial(_show, signals, progress, task)
                results.append(measure(client, number, bytes(size), seconds, show))
    if as_json:
        about = {"address": address, "build": _build.describe(), "size": size}
        found = [asdict(result) for result in results]
        click.echo(json.dumps({**about, "results": found}))
        return
    click.echo(f"{address}, messages of {size} bytes, {_build.name()} build")
    _print(results)


def measure(
    client: mboxio.Client,
    in_flight: int,
    message: bytes,
    seconds: float,
    tick: Callable[[float], object] = lambda spent_s: None,
) -> Result:
    """Keep ``in_flight`` requests in flight for a while.

    Raises:
        MailboxError: a request failed.
    """
    pending: deque[tuple[int, mboxio.Request[bytes]]] = deque()
    latencies_ns = array("q")
    began_ns = now_ns = perf_counter_ns()
    end_ns = began_ns + int(seconds * 1e9)
    tick_ns = began_ns + TICK_NS
    while pending or now_ns < end_ns:
        while len(pending) < in_flight and now_ns < end_ns:
            try:
                request = client.submit(message)
            except mboxio.QueueFull:
                if not pending:
                    raise
                break
            pending.append((now_ns, request))
            now_ns = perf_counter_ns()
        pending[0][1].wait(LOOK_S)
        now_ns = perf_counter_ns()
        while pending and pending[0][1].over:
            submitted_ns, request = pending.popleft()
            request.result()
            latencies_ns.append(now_ns - submitted_ns)
        if now_ns >= tick_ns:
            tick((now_ns - began_ns) / 1e9)
            tick_ns = now_ns + TICK_NS
    return _summary(in_flight, sorted(latencies_ns), (now_ns - began_ns) / 1e9)


def _show(signals: Signals, progress: Progress, task: TaskID, spent_s: float) -> None:
    signals.check()
    progress.update(task, completed=spent_s)


def _summary(in_flight: int, latencies_ns: list[int], spent_s: float) -> Result:
    count = len(latencies_ns)

    def percentile_us(percent: int) -> float:
        return latencies_ns[min(count * percent // 100, count - 1)] / 1000

    return Result(
        in_flight=in_flight,
        requests=count,
        seconds=round(spent_s, 6),
        requests_per_s=round(count / spent_s, 1),
        p50_us=percentile_us(50),
        p90_us=percentile_us(90),
        p99_us=percentile_us(99),
        max_us=percentile_us(100),
    )


def _print(results: list[Result]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("in flight", "requests/s", "p50 µs", "p90 µs", "p99 µs", "max µs", "requests"):
        table.add_column(column, justify="right")
    for each in results:
        times = (each.p50_us, each.p90_us, each.p99_us, each.max_us)
        table.add_row(
            str(each.in_flight),
            f"{each.requests_per_s:,.0f}",
            *(f"{time_us:,.1f}" for time_us in times),
            f"{each.requests:,}",
        )
    Output().print(table)
