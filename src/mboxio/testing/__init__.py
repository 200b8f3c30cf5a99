"""Checks for whoever writes a controller: what every driver must do, each rule by its name.

::

    from mboxio.testing import check_controller

    def test_my_controller():
        check_controller(lambda: MyController())

A bare controller is taken to have a far side that answers every request with the same bytes. A
`Bench` says what else the far side can be made to do, and more checks apply.
"""

# Importing them registers their checks.
import mboxio.testing.lifecycle
import mboxio.testing.receiving
import mboxio.testing.replies
import mboxio.testing.sending  # noqa: F401
from mboxio.testing.bench import Bench, Report, echo
from mboxio.testing.ring import check_ring
from mboxio.testing.suite import check_controller, checks

__all__ = ["Bench", "Report", "check_controller", "check_ring", "checks", "echo"]
