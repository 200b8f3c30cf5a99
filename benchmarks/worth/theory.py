"""The simulation against queueing theory, where that has an answer."""

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean, stdev

from mboxio.sim.world import Board, Constant, Exponential, Load, World

__all__ = ["CASES", "Case", "Checked", "check"]

PATIENT_US = 1e7
IDEAL = Board(depth=512, doorbell_us=0, interrupt_us=0, access_us=0, service=Exponential(20))
"""Nothing but a queue and its workers."""
OPEN = Load(clients=1, backlog=4096, timeout_us=PATIENT_US)
SIGMAS = 2.58  # 99 % lie within


def replaced_by(workers: int, load: float) -> tuple[Board, Load]:
    """Return a board of so many workers, and arrivals that keep a share of them busy."""
    board = Board(**{**vars(IDEAL), "workers": workers})
    return board, Load(**{**vars(OPEN), "interval": Exponential(20 / workers / load)})


def erlang_c(workers: int, load: float) -> float:
    """Return how likely a request of M/M/c has to wait (Erlang, 1917).

    Args:
        workers: c.
        load: share of the workers that is busy.
    """
    offered = workers * load
    some = sum(offered**n / math.factorial(n) for n in range(workers))
    all_busy = offered**workers / math.factorial(workers) / (1 - load)
    return all_busy / (some + all_busy)


def mean_of_mmc(workers: int, load: float, service_us: float) -> float:
    """Return the mean time of a request of M/M/c, in line and in service."""
    return service_us + erlang_c(workers, load) * service_us / (workers * (1 - load))


def rate_of_repair(clients: int, workers: int, think_us: float, service_us: float) -> float:
    """Return requests per second of clients that think, ask and wait (machine repair, M/M/c//N)."""
    weights = [1.0]
    for busy in range(1, clients + 1):
        arrive = (clients - busy + 1) / think_us
        weights.append(weights[-1] * arrive / (min(busy, workers) / service_us))
    served = sum(min(busy, workers) * each for busy, each in enumerate(weights))
    return served / sum(weights) / service_us * 1e6


@dataclass(frozen=True)
class Case:
    """A board and a load with an answer.

    Args:
        model: what theory calls it.
        quantity: what is compared.
        expected: the answer.
        board: the board.
        load: the load.
        per_second: how many requests there will be in a second, nearly.
        value: takes the quantity from a world that has run for so many seconds.
    """

    model: str
    quantity: str
    expected: float
    board: Board
    load: Load
    per_second: float
    value: Callable[[World], float]


def mean_us(world: World) -> float:
    """Return the mean latency."""
    return fmean(world.tally.latencies_ns) / 1000


def median_us(world: World) -> float:
    """Return the median of the latency."""
    return world.measured().p50_us


def p99_us(world: World) -> float:
    """Return the 99th percentile of the latency."""
    return world.measured().p99_us


def rate(world: World) -> float:
    """Return requests per second."""
    return world.measured().per_second


def cases() -> Iterator[Case]:
    """Yield what is compared."""
    board, load = replaced_by(1, 0.5)
    for name, take, expected in (
        ("mean", mean_us, 40.0),
        ("median", median_us, 40 * math.log(2)),
        ("p99", p99_us, 40 * math.log(100)),
    ):
        yield Case(
            "M/M/1, half loaded", f"{name} of the latency, µs", expected, board, load, 25_000, take
        )
    for workers, share in ((4, 0.7), (16, 0.8)):
        board, load = replaced_by(workers, share)
        yield Case(
            f"M/M/{workers}, loaded to {share:.0%} (Erlang C)",
            "mean of the latency, µs",
            mean_of_mmc(workers, share, 20),
            board,
            load,
            workers * share * 50_000,
            mean_us,
        )
    for clients, workers in ((16, 1), (16, 4), (32, 16)):
        yield Case(
            f"machine repair, {clients} clients, {workers} worker{'s' * (workers > 1)}",
            "requests per second",
            rate_of_repair(clients, workers, 60, 20),
            Board(**{**vars(IDEAL), "workers": workers}),
            Load(clients=clients, think=Exponential(60), timeout_us=PATIENT_US),
            rate_of_repair(clients, workers, 60, 20),
            rate,
        )
    constant = Board(**{**vars(IDEAL), "service": Constant(20)})
    every = Load(**{**vars(OPEN), "interval": Constant(25)})
    yield Case("D/D/1", "median of the latency, µs", 20.0, constant, every, 40_000, median_us)
    yield Case("D/D/1", "p99 of the latency, µs", 20.0, constant, every, 40_000, p99_us)
    for hand_over, service in ((30, 20), (10, 20)):
        slow = Board(
            doorbell_us=hand_over - 1, interrupt_us=1, access_us=0, service=Constant(service)
        )
        yield Case(
            f"one slot, handed over in {hand_over} µs, served in {service}",
            "requests per second",
            1e6 / max(hand_over, service),
            slow,
            Load(clients=8, think=Constant(0), timeout_us=PATIENT_US),
            1e6 / max(hand_over, service),
            rate,
        )


CASES = tuple(cases())


@dataclass(frozen=True)
class Checked:
    """A case that was simulated.

    Args:
        case: the case.
        found: the mean over all seeds.
        within: its confidence interval of 99 %, half of its width.
    """

    case: Case
    found: float
    within: float

    @property
    def error(self) -> float:
        """How far the simulation is from theory, as a share of it."""
        return abs(self.found / self.case.expected - 1)


def value(number: int, seed: int, requests: int) -> float:
    """Simulate a case once."""
    case = CASES[number]
    with World(case.board, case.load, seed=seed) as world:
        world.warm_up(requests / 10 / case.per_second)
        world.run(requests / case.per_second)
        measured = world.measured()
        ended_otherwise = measured.refused + measured.timed_out + measured.failed
        assert ended_otherwise == 0, (case.model, measured)
        return case.value(world)


def check(number: int, seeds: int, requests: int) -> Checked:
    """Simulate a case with several seeds.

    Args:
        number: of the case in `CASES`.
        seeds: how many independent runs there are, at least 2.
        requests: of each.
    """
    values = [value(number, seed, requests) for seed in range(1, seeds + 1)]
    return Checked(CASES[number], fmean(values), SIGMAS * stdev(values) / math.sqrt(seeds))


def check_all(seeds: int, requests: int) -> list[Checked]:
    """Simulate all cases, as many at a time as there are CPUs."""
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [pool.submit(check, number, seeds, requests) for number in range(len(CASES))]
        return [job.result() for job in jobs]
