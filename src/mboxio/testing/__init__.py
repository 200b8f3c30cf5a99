"""Checks for driver authors: the rules that every driver must keep, each by its name.

::

    from mboxio.testing import check_controller

    def test_my_controller():
        check_controller(lambda: MyController())

A bare controller is taken to have a far side that answers every request with the same bytes. A
`Bench` says what else the far side can be made to do, and more checks apply.
"""

from mboxio.testing import (
    lifecycle as lifecycle,
)
from mboxio.testing import (
    receiving as receiving,
)
from mboxio.testing import (
    replies as replies,
)
from mboxio.testing import (
    sending as sending,
)
from mboxio.testing.bench import Bench, Report, echo
from mboxio.testing.ring import check_ring
from mboxio.testing.suite import check_controller, checks

__all__ = ["Bench", "Report", "check_controller", "check_ring", "checks", "echo"]
