"""A clock whose timers raise, or move it beyond every end: whoever waits comes back."""

from collections.abc import Callable

import pytest

from mboxio._base.clock import Parker
from mboxio._base.states import FOREVER
from mboxio.sim import VirtualClock


def crowded() -> tuple[VirtualClock, Parker, Callable[[], None]]:
    """Return a clock, on which a thread waits to be woken, and what wakes it and has it end."""
    clock, parker = VirtualClock(), Parker()
    thread = clock.spawn(lambda: clock.park(parker, FOREVER), "other")

    def finish() -> None:
        clock.unpark(parker)
        clock.join(thread, 1.0)
        assert not thread.is_alive()

    clock.advance(1)
    return clock, parker, finish


def fail() -> None:
    raise LookupError("of a timer")


@pytest.mark.parametrize("wait", ["advance", "park"])
def test_what_a_timer_raises_comes_out_of_the_wait_and_all_goes_on(wait: str) -> None:
    clock, _, finish = crowded()
    clock.call_at(5, fail)
    with pytest.raises(LookupError):
        clock.advance(10) if wait == "advance" else clock.park(Parker(), 10)
    assert clock.now_ns() == 5
    clock.advance(10)  # the end of the first wait, in between, wakes nobody
    assert clock.now_ns() == 15
    finish()


def test_a_wake_up_by_a_timer_that_raises_is_not_lost() -> None:
    clock, _, finish = crowded()
    parker = Parker()

    def timer() -> None:
        clock.unpark(parker)
        fail()

    clock.call_at(5, timer)
    with pytest.raises(LookupError):
        clock.park(parker, FOREVER)
    clock.park(parker, FOREVER)
    assert clock.now_ns() == 5
    finish()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_where_timers_raise_lets_the_next_one_run() -> None:
    clock, _, finish = crowded()
    short = clock.spawn(lambda: clock.call_at(5, fail), "short")
    clock.call_at(5, fail)
    clock.advance(10)  # both ring in the thread that ends
    assert clock.now_ns() == 11
    clock.join(short, 1.0)
    assert not short.is_alive()
    finish()
