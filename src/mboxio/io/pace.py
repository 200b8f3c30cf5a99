"""How often a region may be looked at: what an access costs decides."""

from mboxio.io.region import Kind, Region

__all__ = ["poll_period_s", "spin_s"]

POLL_S = 0.001
SPIN_S = 50e-6
ACCESSES_PER_POLL = 20
"""A twentieth of the time may go into looking in vain."""


def poll_period_s(region: Region) -> float:
    """Return how often to look at a region where no interrupt tells, in seconds."""
    return max(POLL_S, ACCESSES_PER_POLL * region.access_s)


def spin_s(region: Region) -> float:
    """Return how long a wait may look before it sleeps, in seconds: not where a look is dear."""
    return 0.0 if region.kind is Kind.REMOTE or region.access_s else SPIN_S
