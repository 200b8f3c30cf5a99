"""A board in virtual time: firmware, latencies and clients around the real, unchanged core."""

from mboxio.sim.world.board import Board
from mboxio.sim.world.durations import (
    Bimodal,
    Constant,
    Copied,
    Duration,
    Exponential,
    Stalled,
)
from mboxio.sim.world.load import Load
from mboxio.sim.world.measured import Measured
from mboxio.sim.world.world import World, simulate

__all__ = [
    "Bimodal",
    "Board",
    "Constant",
    "Copied",
    "Duration",
    "Exponential",
    "Load",
    "Measured",
    "Stalled",
    "World",
    "simulate",
]
