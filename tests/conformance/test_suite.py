"""The conformance suite itself: every check finds a driver that breaks its rule."""

import re
import unittest

import pytest

from mboxio import Capabilities
from mboxio.controllers.loopback import Loopback
from mboxio.testing import Bench, check_controller, checks
from tests.conformance.benches import bench
from tests.conformance.broken import BROKEN, Fifo


def test_every_check_has_a_broken_driver() -> None:
    assert sorted(BROKEN) == sorted(checks())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_driver_fails_its_check(name: str) -> None:
    factory, reason = BROKEN[name]
    with pytest.raises(AssertionError, match=f"(?s)^{re.escape(name)}: .*({reason})"):
        check_controller(factory, only=[name])


def test_the_model_of_the_broken_ones_is_sound() -> None:
    report = check_controller(lambda: bench(Fifo()))
    assert report.passed


def test_a_bare_controller_will_do() -> None:
    report = check_controller(Loopback)
    assert "a request gets its own reply" in report.passed
    assert report.skipped["notifications arrive in order"] == "the bench has no notify()"
    assert sorted([*report.passed, *report.skipped]) == sorted(checks())


def test_a_silent_far_side_is_skipped_not_failed() -> None:
    report = check_controller(lambda: Bench(controller=Loopback(), reply=None))
    assert report.skipped["a request gets its own reply"] == "the far side does not answer"


def test_only_some_checks() -> None:
    name = "a request gets its own reply"
    assert check_controller(Loopback, only=[name]).passed == [name]


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="no check 'nonsense'; there are: opens"):
        check_controller(Loopback, only=["nonsense"])


def test_stall_and_resume_belong_together() -> None:
    with pytest.raises(ValueError, match="give both"):
        Bench(controller=Loopback(), stall=lambda: None)


def test_a_driver_without_capabilities_is_told() -> None:
    class Bare(Fifo):
        def open(self) -> None:
            self.declared = Capabilities()
            self.host.channels = {}

    with pytest.raises(AssertionError, match="opens and declares"):
        check_controller(Bare, only=["opens and declares sane channels"])


def test_a_check_that_cannot_run_is_skipped_for_the_test_runner() -> None:
    report = check_controller(Loopback, only=["notifications arrive in order"])
    with pytest.raises(unittest.SkipTest, match=r"in order: the bench has no notify\(\)"):
        report.or_skip()
    check_controller(Loopback, only=["a request gets its own reply"]).or_skip()


def test_strict_refuses_a_check_that_cannot_run() -> None:
    with pytest.raises(AssertionError, match=r"in order: skipped, .*no notify\(\)"):
        check_controller(Loopback, only=["notifications arrive in order"], strict=True)
