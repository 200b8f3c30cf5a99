"""Thousands of boards with faults, each from one number: what fails is made small and shown."""

from mboxio.sim.swarm.campaign import Campaign, Result
from mboxio.sim.swarm.faults import Faults
from mboxio.sim.swarm.oracle import Verdict, examine, run
from mboxio.sim.swarm.scenario import Scenario, drawn
from mboxio.sim.swarm.shrink import shrink
from mboxio.sim.swarm.uses import Uses

__all__ = [
    "Campaign",
    "Faults",
    "Result",
    "Scenario",
    "Uses",
    "Verdict",
    "drawn",
    "examine",
    "run",
    "shrink",
]
