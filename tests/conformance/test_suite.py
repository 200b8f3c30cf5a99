"""The conformance suite itself: every check finds a driver that breaks its rule."""

import re
import traceback
import unittest
from collections.abc import Callable
from typing import Any

import pytest

from mboxio import Busy, Capabilities, Outcome
from mboxio.controllers.loopback import Loopback
from mboxio.driver.controller import POLL
from mboxio.testing import Bench, check_controller, checks
from tests.conformance.benches import bench
from tests.conformance.broken import (
    BROKEN,
    Fifo,
    HandsUpOne,
    HandsUpWords,
    NeverTxDone,
    SaysDoneWithSlots,
    of,
)
from tests.drivers import CountFifo, Fake


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
    report = check_controller(lambda: Bench(controller=Loopback(), reply=None, patience_s=20.0))
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
            self.host.channels = {}  # type: ignore[misc]

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


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        (HandsUpWords, r"received\(\) was given int 1, not bytes"),
        (HandsUpOne, r"received\(\) was given bytes, not a list of messages"),
        (SaysDoneWithSlots, r"Done\(\) was given 72 bytes, and message_bytes=64"),
    ],
)
def test_what_no_driver_may_hand_up_is_told(driver: Callable[[], Fake], told: str) -> None:
    name = "what is handed up is bytes, no longer than declared"
    with pytest.raises(AssertionError, match=f"^{name}: .*{told}"):
        check_controller(of(driver), only=[name])


# -- a first draft


class Draft(Fifo):
    """The template with an empty service()."""

    def service(self, queue: Any, why: str) -> None:
        pass


class NeverCompletes(Fifo):
    """Reports TX done only."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        pass


class Deaf(CountFifo):
    """Does not drain what the correlator would sort."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        pass


class AlwaysBusy(Fifo):
    """Looks at the wrong bit."""

    def send(self, channel: Any, handle: int, message: bytes) -> Outcome:
        return Busy("event")


class WontOpen(Fifo):
    """Fails in a way of its own."""

    def open(self) -> None:
        raise KeyError("no such register")


class NotDeclared(Fifo):
    """Has to be polled and does not say so."""

    def service(self, queue: Any, why: str) -> None:
        if why == POLL:
            super().service(queue, why)


class Late(Fifo):
    """Looks when the time is up."""

    def service(self, queue: Any, why: str) -> None:
        pass

    def abort(self, channel: Any, handle: int) -> bool:
        super().service(self.queue, POLL)
        return False


class WrongTag(CountFifo):
    """Puts the tag of the answer elsewhere than that of the request."""

    def report_received(self, channel: Any, handle: int, message: Any) -> None:
        super().report_received(channel, handle, (15).to_bytes(4, "little") + message[4:])


REPLY = "a request gets its own reply"
ONE_WAY = "a one-way message is over at TX done"
SOON_S = 0.05


@pytest.mark.parametrize(
    ("driver", "name", "hint"),
    [
        (Draft, REPLY, "tx_done() was never called for it"),
        (NeverTxDone, ONE_WAY, "tx_done() was never called for it"),
        (NeverCompletes, REPLY, "complete() was never called for it"),
        (Deaf, REPLY, "received() was never called"),
        (WrongTag, REPLY, "whose tag no request has"),
        (AlwaysBusy, REPLY, "send() said Busy"),
        (NotDeclared, REPLY, "nobody was woken for: make a descriptor"),
        (Late, REPLY, "was nobody woken? make a descriptor"),
        (Draft, "notifications arrive in order", "received() was never called"),
    ],
)
def test_a_failure_names_the_likely_mistake(
    driver: Callable[[], Fake], name: str, hint: str
) -> None:
    with pytest.raises(AssertionError, match=f"(?s)^{re.escape(name)}: .*\nlikely: .*") as failure:
        check_controller(of(driver, patience_s=SOON_S), only=[name])
    assert hint in str(failure.value)


def test_a_failure_names_what_is_often_wrong_there() -> None:
    with pytest.raises(AssertionError, match="\noften: TX done of one-way messages is never"):
        check_controller(of(NeverTxDone, patience_s=SOON_S), only=[ONE_WAY])


@pytest.mark.parametrize("driver", [Draft, WontOpen])
def test_a_failure_is_printed_once(driver: Callable[[], Fake]) -> None:
    with pytest.raises(AssertionError) as failure:
        check_controller(of(driver, patience_s=SOON_S))
    printed = "".join(traceback.format_exception(failure.value))
    assert printed.count("Error: ") == str(failure.value).count("Error: ") + 1
    assert "During handling" not in printed
    assert "direct cause" not in printed


def draft() -> Bench:
    return bench(Draft(), patience_s=SOON_S)


def test_what_builds_on_a_failed_check_is_not_run() -> None:
    with pytest.raises(AssertionError, match=f"^{REPLY}"):
        check_controller(draft, only=[REPLY])
    for name in (ONE_WAY, "ops return at once"):
        report = check_controller(draft, only=[name])
        assert report.skipped == {name: f"not run, as it builds on {REPLY!r}, which failed"}
    others = (
        "opens and declares sane channels",
        "close() copes with an open() that failed half-way",
    )
    assert check_controller(draft, only=others).passed == [*others]
    with pytest.raises(AssertionError, match=f"^{REPLY}"):
        check_controller(draft, only=[REPLY])


def test_a_run_that_stops_says_what_it_left_out() -> None:
    left = len(checks()) - 2
    with pytest.raises(AssertionError, match=f"^{REPLY}(?s:.*)build on it: the {left} checks"):
        check_controller(of(Draft, patience_s=SOON_S))


def test_a_failed_driver_does_not_stop_another_one() -> None:
    """Functions of the same code are one factory only if nothing else tells them apart."""
    with pytest.raises(AssertionError, match=f"^{REPLY}"):
        check_controller(of(Draft, patience_s=SOON_S), only=[REPLY])
    fine = of(Fifo, patience_s=20.0)
    assert check_controller(fine, only=["an extra service() changes nothing"]).passed
