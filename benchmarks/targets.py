"""What mboxio wants to reach: ratios of times that were measured in one run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.cases import LOADS, TABLES
from benchmarks.results import Results

__all__ = ["Outcome", "outcomes"]

C, PYTHON, BARE = "mboxio, C remote", "mboxio, Python remote", "bare C on both sides"
ONE, MANY, _, LARGE = LOADS
IDLE_MS = 5.0
"""CPU time of an idle process in 5 s: a thousandth of a CPU is what looking at it costs."""
IDLE_SWITCHES = 20


@dataclass(frozen=True)
class Outcome:
    """One target, and what came out.

    Args:
        what: is compared with what.
        value: as measured; None: it was not.
        limit: what is wanted.
        unit: of both.
        at_least: the value should be above the limit; else below.
    """

    what: str
    value: float | None
    limit: float
    unit: str = "×"
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None: nobody knows."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def said(self) -> tuple[str, str, str]:
        """Return target, value and verdict as text."""
        sign = "≥" if self.at_least else "≤"
        digits = 1 if self.value is None or self.value < 100 else 0
        value = "not measured" if self.value is None else f"{self.value:.{digits}f} {self.unit}"
        verdict = {True: "yes", False: "no", None: "–"}[self.met]
        return f"{sign} {self.limit:g} {self.unit}", value, verdict


def outcomes(results: Results) -> Iterator[Outcome]:
    """Yield all targets in the order of importance."""
    tables = {table.name: table for table in TABLES}

    def time_us(name: str, load: str, title: str) -> float | None:
        table = tables[name]
        rows = {row.title: row for row in table.rows}
        columns = {column.title: column for column in table.columns}
        found = results.cell(table, rows[load], columns[title])
        return found.median_us if found else None

    def ratio(over: float | None, under: float | None) -> float | None:
        return over / under if over is not None and under else None

    def fastest(name: str, load: str) -> float | None:
        peers = [each.title for each in tables[name].columns if "C remote" not in each.title]
        peers = [each for each in peers if each not in (PYTHON, BARE) and "future" not in each]
        times = [time for each in peers if (time := time_us(name, load, each)) is not None]
        return min(times, default=None)

    one, many, large = ONE.title, MANY.title, LARGE.title
    bare: Callable[[str], float | None] = lambda load: time_us("spinning", load, BARE)  # noqa: E731
    for remote, load, limit in ((C, one, 2), (C, many, 4), (PYTHON, one, 4), (PYTHON, many, 8)):
        measured = ratio(time_us("spinning", load, remote), bare(load))
        yield Outcome(f"spinning, {load}: {remote}, against bare C", measured, limit)
    measured = ratio(time_us("spinning", large, C), bare(large))
    yield Outcome(f"spinning, {large}: {C}, against bare C", measured, 1.5)
    for load in (one, many):
        measured = ratio(fastest("spinning", load), time_us("spinning", load, PYTHON))
        what = f"spinning, {load}: the fastest peer against {PYTHON}"
        yield Outcome(what, measured, 8, at_least=True)
    for name in ("sleeping", "together"):
        measured = ratio(time_us(name, one, PYTHON), time_us(name, one, "AF_UNIX SEQPACKET"))
        yield Outcome(f"{name}, {one}: {PYTHON}, against SEQPACKET", measured, 1.2)
    measured = ratio(fastest("sleeping", many), time_us("sleeping", many, PYTHON))
    what = f"sleeping, {many}: the fastest peer against {PYTHON}"
    yield Outcome(what, measured, 5, at_least=True)
    for name in ("asyncio", "uvloop"):
        mine = time_us(name, many, PYTHON)
        measured = ratio(mine, time_us(name, many, "bare future, no I/O"))
        yield Outcome(f"{name}, {many}: {PYTHON}, against a bare future", measured, 2)
    measured = ratio(
        time_us("asyncio", many, "Unix streams with tags"), time_us("asyncio", many, PYTHON)
    )
    what = f"asyncio, {many}: Unix streams against {PYTHON}"
    yield Outcome(what, measured, 3, at_least=True)
    growth = tables["growth"]
    first = time_us("growth", growth.rows[0].title, C)
    for row in growth.rows:
        if row.title in ("64 channels", "depth 1024, 1024 in flight", "16 clients"):
            measured = ratio(time_us("growth", row.title, C), first)
            yield Outcome(f"a request with {row.title}, against one channel", measured, 1.3)
    memory = results.others.get("memory")
    yield Outcome("memory of a request in flight", memory, 300, "bytes")
    idle = results.others.get("idle")
    used = [usage for sides in idle.values() for usage in sides.values()] if idle else []
    cpu_ms = max(usage[0] for usage in used) if used else None
    switches = max(usage[1] for usage in used) if used else None
    yield Outcome("CPU of an idle client or remote in 5 s", cpu_ms, IDLE_MS, "ms")
    yield Outcome("its context switches in 5 s", switches, IDLE_SWITCHES, "switches")
    yield Outcome("`import mboxio`", results.others.get("importing"), 25, "ms")
