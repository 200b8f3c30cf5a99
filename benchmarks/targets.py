"""What mboxio wants to reach: ratios of times that were measured in one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import LOADS, TABLES
from benchmarks.results import Results
from benchmarks.run import Found

__all__ = ["Outcome", "outcomes"]

C, MAP = "mboxio, C remote", "mboxio map, C remote"
PYTHON, BARE = "mboxio, Python remote", "bare C on both sides"
ONE, MANY, _, LARGE = LOADS
INSTRUCTIONS = {
    "submit + result, 32 in flight": 1500,
    "map, window 32": 900,
    "request, 1 in flight": 1450,
}
"""Of a host, with Python 3.11: a figure that repeats, which times do not."""
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
        spread: the least and the greatest of a value that was found several times.
    """

    what: str
    value: float | None
    limit: float
    unit: str = "×"
    at_least: bool = False
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool | None:
        """Whether it was reached; None: nobody knows."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def said(self) -> tuple[str, str, str]:
        """Return target, value and verdict as text."""
        sign = "≥" if self.at_least else "≤"
        size = self.value or 0.0
        digits = 2 if size < 10 else 1 if size < 100 else 0
        value = "not measured" if self.value is None else f"{self.value:.{digits}f} {self.unit}"
        if self.spread is not None:
            value += f" ({self.spread[0]:.{digits}f}–{self.spread[1]:.{digits}f})"
        verdict = {True: "yes", False: "no", None: "–"}[self.met]
        return f"{sign} {self.limit:g} {self.unit}", value, verdict


def outcomes(results: Results) -> Iterator[Outcome]:
    """Yield all targets in the order of importance."""
    tables = {table.name: table for table in TABLES}

    def cell(name: str, load: str, title: str) -> Found | None:
        table = tables[name]
        rows = {row.title: row for row in table.rows}
        columns = {column.title: column for column in table.columns}
        return results.cell(table, rows[load], columns[title])

    def ratio(
        what: str, over: Found | None, under: Found | None, limit: float, at_least: bool = False
    ) -> Outcome:
        ratios = over.ratios(under) if over and under else []
        spread = (min(ratios), max(ratios)) if len(ratios) > 1 else None
        value = median(ratios) if ratios else None
        return Outcome(what, value, limit, at_least=at_least, spread=spread)

    def fastest(name: str, load: str) -> Found | None:
        peers = [each.title for each in tables[name].columns if "C remote" not in each.title]
        peers = [each for each in peers if "mboxio" not in each and each != BARE]
        found = [each for peer in peers if (each := cell(name, load, peer)) is not None]
        return min(found, key=lambda each: each.median_us, default=None)

    profile = results.others.get("profile") or {}
    for case, most in INSTRUCTIONS.items():
        count = sum(profile[case].values()) if case in profile else None
        yield Outcome(f"instructions: {case}", count, most, "instructions")
    one, many, large = ONE.title, MANY.title, LARGE.title
    bare = {load: cell("spinning", load, BARE) for load in (one, many, large)}
    limits = ((C, one, 2.4), (C, many, 6), (MAP, many, 3.5), (PYTHON, one, 4), (PYTHON, many, 8))
    for remote, load, limit in limits:
        what = f"spinning, {load}: {remote}, against bare C"
        yield ratio(what, cell("spinning", load, remote), bare[load], limit)
    for way, limit in ((C, 1.7), (MAP, 1.4)):
        what = f"spinning, {large}: {way}, against bare C"
        yield ratio(what, cell("spinning", large, way), bare[large], limit)
    for load in (one, many):
        what = f"spinning, {load}: the fastest peer against {PYTHON}"
        yield ratio(what, fastest("spinning", load), cell("spinning", load, PYTHON), 8, True)
    for name in ("sleeping", "together"):
        what = f"{name}, {one}: {PYTHON}, against SEQPACKET"
        yield ratio(what, cell(name, one, PYTHON), cell(name, one, "AF_UNIX SEQPACKET"), 1.2)
    for name in ("sleeping", "together"):
        what = f"{name}, {many}: the fastest peer against {PYTHON}"
        yield ratio(what, fastest(name, many), cell(name, many, PYTHON), 5, True)
    for name in ("asyncio", "uvloop"):
        what = f"{name}, {many}: {PYTHON}, against a bare future"
        yield ratio(what, cell(name, many, PYTHON), cell(name, many, "bare future, no I/O"), 2)
    what = f"asyncio, {many}: Unix streams against {PYTHON}"
    streams = cell("asyncio", many, "Unix streams with tags")
    yield ratio(what, streams, cell("asyncio", many, PYTHON), 3, True)
    growth = tables["growth"]
    first = cell("growth", growth.rows[0].title, C)
    for row in growth.rows:
        if row.title in ("64 channels", "depth 1024, 1024 in flight", "16 clients"):
            what = f"a request with {row.title}, against one channel"
            yield ratio(what, cell("growth", row.title, C), first, 1.3)
    rpmsg = tables["rpmsg"]
    base, *others = rpmsg.columns
    for row in rpmsg.rows:
        shm = cell("rpmsg", row.title, base.title)
        for column in others:
            what = f"spinning, {row.title}: {column.title}, against shm"
            yield ratio(what, cell("rpmsg", row.title, column.title), shm, 2)
    memory = results.others.get("memory")
    yield Outcome("memory of a request in flight", memory, 300, "bytes")
    idle = results.others.get("idle")
    used = [usage for sides in idle.values() for usage in sides.values()] if idle else []
    cpu_ms = max(usage[0] for usage in used) if used else None
    switches = max(usage[1] for usage in used) if used else None
    yield Outcome("CPU of an idle client or remote in 5 s", cpu_ms, IDLE_MS, "ms")
    yield Outcome("its context switches in 5 s", switches, IDLE_SWITCHES, "switches")
    yield Outcome("`import mboxio`", results.others.get("importing"), 25, "ms")
