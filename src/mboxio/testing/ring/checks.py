"""All checks of rings, and one after the other."""

from collections.abc import Callable

from mboxio.testing.ring import lying, moving
from mboxio.testing.ring.under_test import RingUnderTest

__all__ = ["CHECKS", "check_ring"]

Check = Callable[[RingUnderTest], None]

CHECKS: dict[str, Check] = {
    check.__name__.lstrip("_"): check for check in (*moving.CHECKS, *lying.CHECKS)
}
"""Every check by its name."""


def check_ring(factory: Callable[[], RingUnderTest]) -> None:
    """Run every check on a fresh ring.

    Args:
        factory: returns a new, empty ring; called once per check.

    Raises:
        AssertionError: the ring breaks a rule. This error, like any that the ring itself raises
            out of turn, has a note with the check's name.
    """
    for name, check in CHECKS.items():
        try:
            check(factory())
        except Exception as error:
            error.add_note(f"in the check {name}")
            raise
