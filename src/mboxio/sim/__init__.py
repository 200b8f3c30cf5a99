"""Simulation: production code runs unchanged, only time and faults are made."""

from mboxio.sim.clock import VirtualClock

__all__ = ["VirtualClock"]
