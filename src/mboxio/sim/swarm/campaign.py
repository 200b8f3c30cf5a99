"""Many seeds, on all processors: what happened in all of them together, and which ones failed."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count, islice
from multiprocessing import get_context
from time import process_time

from mboxio.sim.swarm.faults import Faults
from mboxio.sim.swarm.oracle import Verdict, examine
from mboxio.sim.swarm.scenario import drawn
from mboxio.sim.swarm.uses import Uses

__all__ = ["Campaign", "Result"]

BATCH = 4
"""Seeds that a process is given at once."""
SUMS = ("requests", "wrong", "lost", "left")
"""What a `Result` has the sums of, under the names of `Verdict`."""


@dataclass
class Result:
    """What a campaign found.

    Args:
        seeds: how many were run, some of them twice.
        requests: how many were accepted, those of second runs left out.
        wrong, lost, left: see `Verdict`; of all seeds together.
        refused, ends, faults: likewise.
        cpu_s: processor time that all of it took.
        failures: the seeds with problems.
    """

    seeds: int = 0
    requests: int = 0
    wrong: int = 0
    lost: int = 0
    left: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    ends: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    cpu_s: float = 0.0
    failures: list[Verdict] = field(default_factory=list[Verdict])

    def add(self, verdict: Verdict) -> None:
        """Count a seed."""
        self.seeds += 1
        if verdict.problems:
            self.failures.append(verdict)
        self._sum_up(verdict)

    def join(self, other: "Result") -> None:
        """Count what another process has found."""
        self.seeds += other.seeds
        self.cpu_s += other.cpu_s
        self.failures.extend(other.failures)
        self._sum_up(other)

    def _sum_up(self, other: "Verdict | Result") -> None:
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.refused.update(other.refused)
        self.ends.update(other.ends)
        self.faults.update(other.faults)


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Which seeds to run, and what to take in place of what they say.

    Args:
        first: the first seed.
        seeds: how many; None: until there are enough requests.
        requests: how many are enough; None: the seeds say it.
        faults, uses, matching, clients, seconds: see `drawn`.
        jobs: how many processes; 0: one for each processor.
    """

    first: int = 1
    seeds: int | None = None
    requests: int | None = None
    faults: Faults | None = None
    uses: Uses | None = None
    matching: str | None = None
    clients: int | None = None
    seconds: float | None = None
    jobs: int = 0

    def run(self, tick: Callable[[Result], object]) -> Result:
        """Run them.

        Args:
            tick: called with what is known so far, now and then; what it raises ends the run.
        """
        found = Result()
        jobs = self.jobs or len(os.sched_getaffinity(0))
        if jobs == 1 or self.seeds == 1:
            for batch in self.batches(1):
                if self.is_enough(found):
                    break
                found.join(self.examine(batch))
                tick(found)
            return found
        with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=leave_signals) as pool:
            try:
                self.spread(pool, jobs, found, tick)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return found

    def spread(
        self,
        pool: ProcessPoolExecutor,
        jobs: int,
        found: Result,
        tick: Callable[[Result], object],
    ) -> None:
        """Keep all processes busy until there is enough."""
        batches = self.batches(BATCH)
        running: set[Future[Result]] = set()
        while True:
            if not self.is_enough(found):
                for batch in islice(batches, 2 * jobs - len(running)):
                    running.add(pool.submit(self.examine, batch))
            if not running:
                return
            over, running = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for each in over:
                found.join(each.result())
            tick(found)

    def batches(self, size: int) -> Iterator[range]:
        """Yield the seeds in batches."""
        end = None if self.seeds is None else self.first + self.seeds
        for begin in count(self.first, size):
            if end is not None and begin >= end:
                return
            yield range(begin, begin + size if end is None else min(begin + size, end))

    def is_enough(self, found: Result) -> bool:
        """Return whether there are enough requests."""
        return self.requests is not None and found.requests >= self.requests

    def examine(self, seeds: range) -> Result:
        """Run some seeds in this process."""
        found = Result()
        begun_s = process_time()
        for seed in seeds:
            scenario = drawn(
                seed,
                faults=self.faults,
                uses=self.uses,
                matching=self.matching,
                clients=self.clients,
                seconds=self.seconds,
            )
            found.add(examine(scenario))
        found.cpu_s = process_time() - begun_s
        return found


def leave_signals() -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the one that asked for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
