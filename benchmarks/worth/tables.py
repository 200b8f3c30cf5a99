"""The tables of the page, all from the rows of the study."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.report import Rows
from benchmarks.worth.findings import enough, gain, one
from benchmarks.worth.grid import METHODS, SOME, WORKERS
from benchmarks.worth.real import Compared
from benchmarks.worth.run import Row
from benchmarks.worth.theory import Checked

__all__ = ["METHOD_NAMES", "of_real", "of_theory", "tables"]

METHOD_NAMES = {
    "irq": "interrupt",
    "ack": "reply (ACK)",
    "poll": "poll every 50 µs",
    "deposit": "on deposit, tags",
}
WAYS = ("irq", "ack", "deposit")
RATIOS_SHOWN = (0.1, 0.5, 1.0, 2.0, 5.0)


def tables(rows: Sequence[Row]) -> Iterator[tuple[str, Rows]]:
    """Yield name and rows of each table."""
    cuts: dict[str, list[Row]] = {}
    for row in rows:
        cuts.setdefault(row.cut, []).append(row)
    yield "enough", depths_enough(cuts["main"])
    yield "methods", methods(cuts["workers"])
    yield "distributions", distributions(cuts["distributions"])
    yield "clients", clients(cuts["clients"])
    yield "arrivals", arrivals(cuts["arrivals"])
    yield "polling", polling(cuts["polling"])
    yield "spinning", spinning(cuts["spinning"])
    yield "stalls", stalls(cuts["stalls"])
    yield "time-outs", time_outs(cuts["time_outs"])


def times(value: float) -> str:
    """Return a gain."""
    return f"{value:.1f} ×" if value >= 1.95 else f"{value:.2f} ×"


def thousands(rate: float) -> str:
    """Return requests per second in thousands."""
    return f"{rate / 1000:.0f} k" if rate >= 10_000 else f"{rate / 1000:.1f} k"


def micros(time_us: float) -> str:
    """Return a time."""
    return f"{time_us:,.0f}" if time_us >= 10 else f"{time_us:.1f}"


def depths_enough(rows: Sequence[Row]) -> Rows:
    """Of what depth has 95 % of the throughput of any."""
    head = ("TX done", "workers", *(f"{ratio:g}" for ratio in RATIOS_SHOWN))
    body: Rows = [
        (
            METHOD_NAMES[tx_done],
            f"{count}",
            *(f"{enough(rows, at, tx_done, count)}" for at in RATIOS_SHOWN),
        )
        for tx_done in ("irq", "ack")
        for count in WORKERS
    ]
    return [head, *body]


def methods(rows: Sequence[Row]) -> Rows:
    """Throughput and cost of each way of TX done."""
    head = (
        "TX done",
        "depth",
        *(f"{count} w., req/s" for count in WORKERS),
        "IRQ/req",
        "accesses/req",
        "p99 µs",
    )

    def cells(found: Sequence[Row]) -> Iterator[str]:
        yield from (thousands(each.per_second) for each in found)
        four = found[1]
        yield from (f"{four.interrupts:.2f}", f"{four.accesses:.1f}", micros(four.p99_us))

    return [head, *by_way_and_depth(rows, METHODS, WORKERS, cells)]


def by_way_and_depth(
    rows: Sequence[Row],
    ways: Sequence[str],
    places: Sequence[object],
    cells: Callable[[Sequence[Row]], Iterable[str]],
) -> Rows:
    """Return a line for each way of TX done and each depth.

    Args:
        places: where along its cut each row of such a line was measured.
        cells: says what stands in the line, of those rows.
    """
    return [
        (
            METHOD_NAMES[way],
            f"{depth}",
            *cells([one(rows, at=str(at), tx_done=way, depth=depth) for at in places]),
        )
        for way in ways
        for depth in SOME
    ]


def distributions(rows: Sequence[Row]) -> Rows:
    """What depth 64 brings, for each kind of service."""
    head = (
        "service, mean 20 µs",
        *(f"{METHOD_NAMES[way]}, {count} w." for way in ("irq", "ack") for count in WORKERS),
    )
    body: Rows = [
        (
            kind,
            *(
                times(gain(rows, kind, way, count, 64))
                for way in ("irq", "ack")
                for count in WORKERS
            ),
        )
        for kind in ("constant", "exponential", "bimodal", "copied")
    ]
    return [head, *body]


def clients(rows: Sequence[Row]) -> Rows:
    """What depth 64 brings, for so many clients."""
    counts = (1, 2, 4, 8, 16, 32, 64)
    head = ("TX done", *(f"{count}" for count in counts))
    body: Rows = [
        (METHOD_NAMES[way], *(times(gain(rows, count, way, 4, 64)) for count in counts))
        for way in ("irq", "ack")
    ]
    return [head, *body]


def arrivals(rows: Sequence[Row]) -> Rows:
    """The latency while requests come at a rate of their own."""
    shares = (0.2, 0.4, 0.6, 0.8, 0.9)
    head = ("TX done", "depth", *(f"{share:.0%}" for share in shares))
    return [
        head,
        *by_way_and_depth(rows, WAYS, shares, lambda found: (latencies(each) for each in found)),
    ]


def latencies(row: Row) -> str:
    """Return median and p99, or how many were refused."""
    if row.refused:
        part = row.refused / (row.refused + row.done)
        return f"{part:.0%} refused" if part >= 0.01 else "under 1% refused"
    return f"{micros(row.p50_us)} / {micros(row.p99_us)}"


def polling(rows: Sequence[Row]) -> Rows:
    """Requests per second for each period."""
    periods = (5, 20, 50, 200, 1000)
    head = ("depth", *(f"{period} µs" for period in periods))
    body: Rows = [
        (
            f"{depth}",
            *(thousands(one(rows, at=str(period), depth=depth).per_second) for period in periods),
        )
        for depth in SOME
    ]
    return [head, *body]


def spinning(rows: Sequence[Row]) -> Rows:
    """What a host that looks without being told gains, and what it costs."""
    head = ("TX done", "depth", "looks for", "req/s", "accesses/req", "p50 µs")
    body: Rows = [
        (
            METHOD_NAMES[row.tx_done],
            f"{row.depth}",
            f"{row.at} µs",
            thousands(row.per_second),
            f"{row.accesses:.1f}",
            micros(row.p50_us),
        )
        for row in rows
    ]
    return [head, *body]


def stalls(rows: Sequence[Row]) -> Rows:
    """What one stalled request does to the others."""
    head = ("TX done", "depth", *(f"{count} worker{'s' * (count > 1)}" for count in WORKERS))

    def cells(found: Sequence[Row]) -> Iterator[str]:
        yield from (f"{thousands(each.per_second)}, {micros(each.p99_us)}" for each in found)

    return [head, *by_way_and_depth(rows, WAYS, WORKERS, cells)]


def time_outs(rows: Sequence[Row]) -> Rows:
    """Time-outs of requests for which the firmware did not need that long."""
    head = (
        "TX done",
        "depth",
        "from queueing: time-outs, false",
        "from the doorbell: time-outs, false",
    )

    def cells(found: Sequence[Row]) -> Iterator[str]:
        yield from (f"{share(each.timed_out, each)}, {share(each.false, each)}" for each in found)

    return [head, *by_way_and_depth(rows, ("irq", "ack"), ("queueing", "doorbell"), cells)]


def share(count: int, row: Row) -> str:
    """Return a part of the requests that ended."""
    return f"{count / (row.done + row.timed_out):.2%}"


def of_theory(checked: Sequence[Checked]) -> Rows:
    """Simulation against theory."""
    head = ("Model", "Quantity", "theory", "simulated", "99 % within ±", "off by")
    body: Rows = [
        (
            each.case.model,
            each.case.quantity,
            f"{each.case.expected:,.2f}",
            f"{each.found:,.2f}",
            f"{each.within / each.case.expected:.2%}",
            f"{each.error:.2%}",
        )
        for each in checked
    ]
    return [head, *body]


def of_real(compared: Sequence[Compared]) -> Rows:
    """Simulation against the real clock."""
    head = ("Place", "measured, req/s", "simulated, req/s", "off by")
    body: Rows = [
        (f"{each.place}", f"{each.measured:,.0f}", f"{each.simulated:,.0f}", f"{each.error:.1%}")
        for each in compared
    ]
    return [head, *body]
