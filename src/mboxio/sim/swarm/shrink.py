"""Makes a run that fails small: with fewer faults, uses and clients, and shorter."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mboxio.sim.swarm.scenario import Scenario
from mboxio.sim.world.board import MATCHINGS

__all__ = ["shrink"]

SECONDS_MIN = 0.0005


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """Return a smaller scenario that fails as well: none that is smaller by one step does.

    Args:
        scenario: one that fails.
        fails: runs a scenario, and returns whether it fails.
    """
    while True:
        for smaller in steps(scenario):
            if fails(smaller):
                scenario = smaller
                break
        else:
            return scenario


def steps(scenario: Scenario) -> Iterator[Scenario]:
    """Yield what is smaller by one step, the biggest steps first; all can be said in a command."""
    for name, rate in scenario.faults.numbers().items():
        if rate:
            yield replace(scenario, faults=replace(scenario.faults, **{name: 0.0}))
    for name, number in scenario.uses.numbers().items():
        for less in (0, 1)[: 2 if number > 1 else int(number > 0)]:
            yield replace(scenario, uses=replace(scenario.uses, **{name: less}))
    board = scenario.board
    for matching in MATCHINGS[: MATCHINGS.index(board.matching)]:
        yield replace(scenario, board=replace(board, matching=matching))
    clients = scenario.load.clients
    for fewer in dict.fromkeys((1, clients // 2, clients - 1)):
        if 0 < fewer < clients:
            yield replace(scenario, load=replace(scenario.load, clients=fewer))
    for share in (0.1, 0.5, 0.9):
        seconds = round(scenario.seconds * share, 6)
        if seconds >= SECONDS_MIN:
            yield replace(scenario, seconds=seconds)
