"""Runs scenarios, and says whether anything happened that must not."""

from dataclasses import dataclass, replace
from hashlib import blake2b
from struct import pack
from typing import TYPE_CHECKING

from mboxio._base.states import STATE_NAMES
from mboxio._base.tap import Tap
from mboxio.sim.clock import VirtualClock
from mboxio.sim.swarm.scenario import Scenario
from mboxio.sim.swarm.world import SwarmWorld
from mboxio.sim.world.apart import apart

if TYPE_CHECKING:
    from mboxio._base.request import Request

__all__ = ["EventHash", "Verdict", "examine", "run"]

TWICE_EVERY = 50
"""One seed in so many runs twice."""
KINDS = 64
"""Kinds from here on are steps on the way, of no interest; see `mboxio._base.tap`."""


class EventHash(Tap):
    """A hash of everything that happened, with its time."""

    def __init__(self) -> None:
        self.hash = blake2b(digest_size=8)
        self.clock = VirtualClock()

    def see(
        self,
        kind: int,
        channel: int,
        request: "Request | None",
        message: bytes | None,
        status: int,
        at_ns: int,
    ) -> None:
        """See `Tap.see`."""
        if kind < KINDS:
            handle = -1 if request is None else request.handle
            self.hash.update(pack("<qqqqq", kind, channel, handle, status, self.clock.now_ns()))
            self.hash.update(message or b"")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came out of a run.

    Args:
        scenario: the run.
        requests: how many were accepted.
        refused: how many were not, by the exceptions that said so.
        ends: how many ended how.
        faults: how many happened of which.
        wrong: requests that got the reply to another one.
        lost: requests that never ended.
        left: slots, credits and tags that were held when nothing may be.
        problems: what must not be, in words; empty: all is well.
        events: a hash of all events, or empty.
    """

    scenario: Scenario
    requests: int
    refused: dict[str, int]
    ends: dict[str, int]
    faults: dict[str, int]
    wrong: int
    lost: int
    left: int
    problems: tuple[str, ...]
    events: str = ""


def run(scenario: Scenario, *, hashed: bool = False) -> Verdict:
    """Run a scenario once.

    Args:
        scenario: what to run.
        hashed: whether to make a hash of all events, which takes longer.
    """
    return apart(_run, scenario, hashed)


def _run(scenario: Scenario, hashed: bool) -> Verdict:
    tap = EventHash() if hashed else None
    world = SwarmWorld(scenario, tap=tap)
    if tap is not None:
        tap.clock = world.clock
    with world:
        world.run(scenario.seconds)
        world.settle()
        problems = list(world.problems)
        if world.tally.wrong:
            problems.insert(0, f"{world.tally.wrong} requests got the reply to another one")
        return Verdict(
            scenario=scenario,
            requests=world.tally.accepted,
            refused=dict(sorted(world.tally.refused.items())),
            ends={
                name: world.tally.ends[state]
                for state, name in enumerate(STATE_NAMES)
                if world.tally.ends[state]
            },
            faults=dict(sorted(world.faulty.counted.items())),
            wrong=world.tally.wrong,
            lost=world.lost,
            left=world.left,
            problems=tuple(problems),
            events=tap.hash.hexdigest() if tap is not None else "",
        )


def examine(scenario: Scenario) -> Verdict:
    """Run a scenario, some twice: the same seed has to give the same events."""
    if scenario.seed % TWICE_EVERY:
        return run(scenario)
    first, second = run(scenario, hashed=True), run(scenario, hashed=True)
    if first.events == second.events:
        return first
    text = f"not the same events twice: {first.events} and {second.events}"
    return replace(first, problems=(*first.problems, text))
