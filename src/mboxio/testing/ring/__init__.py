"""What every ring must do, as checks for whoever implements one.

`check_ring` runs them all; `CHECKS` has them one by one, for a test per check. Each check gets a
fresh ring, plays both sides from one thread and tampers through the region.
"""

from mboxio.testing.ring.checks import CHECKS, check_ring
from mboxio.testing.ring.under_test import RingUnderTest

__all__ = ["CHECKS", "RingUnderTest", "check_ring"]
