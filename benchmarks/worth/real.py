"""The simulation against the real clock: two processes, and firmware whose speed is known."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import mboxio
from benchmarks.processes import far_side
from benchmarks.setting import Setting
from benchmarks.worth.served import SLOW, SLOW_US, WORKERS
from mboxio.sim.world import Board, Constant, Load, simulate

__all__ = ["PLACES", "Compared", "Place", "compare"]

NAME = f"worth{os.getpid()}"
MESSAGE = bytes(16)
BUSY_US = 50
ADDRESS = f"shm:{NAME}?spin_s=1.0&timeout_s=30&connect_timeout_s=10"


@dataclass(frozen=True)
class Place:
    """What is measured: a channel of the firmware, and how many requests are in flight.

    Args:
        channel: its name.
        in_flight: requests in flight.
        requests: of a round: short ones, so that some of them run undisturbed.
    """

    channel: str
    in_flight: int
    requests: int

    def __str__(self) -> str:
        slow = self.channel == SLOW
        firmware = f"{WORKERS} workers, {SLOW_US} µs" if slow else f"1 worker, {BUSY_US} µs"
        return f"{firmware}, {self.in_flight} in flight"


ALONE, TOGETHER = Place("busy0", 1, 200), Place("busy0", 8, 400)
"""How long it takes to hand over, and how long each side is busy with a request."""
PLACES = (
    Place(f"busy{BUSY_US}", 1, 30),
    Place(f"busy{BUSY_US}", 8, 32),
    Place(SLOW, 4, 8),
)


@dataclass(frozen=True)
class Compared:
    """A place that was measured and simulated; requests per second.

    Args:
        place: the place.
        measured: with the real clock.
        simulated: in virtual time.
    """

    place: Place
    measured: float
    simulated: float

    @property
    def error(self) -> float:
        """How far the simulation is off, as a share of what was measured."""
        return abs(self.simulated / self.measured - 1)


def compare(rounds: int = 300) -> list[Compared]:
    """Measure all places in turns, and simulate them with the latencies of the same run.

    Args:
        rounds: the best of so many counts.

    Raises:
        RuntimeError: the firmware did not start.
    """
    best = dict.fromkeys((ALONE, TOGETHER, *PLACES), float("inf"))
    cpus = sorted(os.sched_getaffinity(0))
    setting = Setting("worth", cpus=(cpus[-1], cpus[0]))
    with far_side(setting, sys.executable, "-m", "benchmarks.worth.served", NAME):
        os.sched_setaffinity(0, {setting.cpus[0]})
        try:
            with mboxio.connect(ADDRESS) as connection:
                clients = {each: connection.client(each.channel) for each in best}
                for _ in range(rounds):
                    for place, client in clients.items():
                        best[place] = min(best[place], time_of_request_us(client, place))
        finally:
            os.sched_setaffinity(0, cpus)
    return list(compared(best[ALONE], best[TOGETHER], [(each, best[each]) for each in PLACES]))


def time_of_request_us(client: mboxio.Client, place: Place) -> float:
    """Return the time of a round, divided by its requests."""
    messages = [MESSAGE] * place.requests
    began_s = perf_counter()
    for _ in client.map(messages, window=place.in_flight):
        pass
    return (perf_counter() - began_s) * 1e6 / place.requests


def compared(
    alone_us: float, together_us: float, times: Sequence[tuple[Place, float]]
) -> Iterator[Compared]:
    """Yield what the simulation says of each place.

    Args:
        alone_us: of a request that takes the firmware no time.
        together_us: of each of several: what the slower side does for it, which none can hide.
        times: what was measured.
    """
    way_us = max(alone_us - together_us, 0) / 2
    for place, measured_us in times:
        slow = place.channel == SLOW
        board = Board(
            depth=place.in_flight,
            workers=WORKERS if slow else 1,
            service=Constant((SLOW_US if slow else BUSY_US) + together_us),
            tx_done="ack",
            doorbell_us=way_us,
            interrupt_us=way_us,
            access_us=0,
        )
        load = Load(clients=1, window=place.in_flight, think=Constant(0))
        found = simulate(board, load, seconds=measured_us * 2000 / 1e6)
        yield Compared(place, 1e6 / measured_us, found.per_second)
