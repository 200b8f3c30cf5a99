"""The virtual clock: exact, in order, and it notices a deadlock."""

import threading

import pytest

from mboxio import WouldDeadlock
from mboxio._base.clock import Clock, Parker
from mboxio._base.states import FOREVER
from mboxio.sim import VirtualClock
from mboxio.sim.clock import LATE_TIMER


def test_time_stands_still_until_everybody_waits() -> None:
    clock = VirtualClock()
    happened: list[tuple[str, int]] = []
    clock.call_at(20, lambda: happened.append(("late", clock.now_ns())))
    clock.call_at(10, lambda: happened.append(("early", clock.now_ns())))
    assert (clock.now_ns(), happened) == (0, [])
    clock.advance(15)
    assert (clock.now_ns(), happened) == (15, [("early", 10)])
    clock.advance(5)
    assert happened[1:] == [("late", 20)], "the end of an advance is included"


def test_what_is_due_at_once_happens_timers_first() -> None:
    clock = VirtualClock()
    order: list[str] = []

    def thread() -> None:
        clock.park(Parker(), 10)
        order.append("wait")

    clock.spawn(thread, "test")
    clock.call_at(10, lambda: order.append("timer"))
    clock.advance(10)
    order.append("advance")
    assert order == ["timer", "wait", "advance"]


def test_late_timers_come_after_the_others_and_before_waits() -> None:
    clock = VirtualClock()
    order: list[str] = []

    def thread() -> None:
        clock.park(Parker(), 10)
        order.append("wait")

    clock.spawn(thread, "test")
    clock.call_at(10, lambda: order.append("late"), LATE_TIMER)
    clock.call_at(10, lambda: order.append("timer"))
    clock.advance(10)
    assert order == ["timer", "late", "wait"]


def test_what_is_overdue_is_due_now_and_its_rank_decides() -> None:
    clock = VirtualClock()
    order: list[str] = []
    clock.call_at(3, lambda: order.append("late"), LATE_TIMER)
    clock.call_at(7, lambda: order.append("second"))
    clock.call_at(5, lambda: order.append("first"))
    clock.jump(10)
    clock.advance(0)
    assert order == ["first", "second", "late"]
    assert clock.now_ns() == 10


def test_ready_threads_can_be_let_run_while_the_clock_stands_still() -> None:
    clock = VirtualClock()
    order: list[str] = []
    parker = Parker()

    def sleeper() -> None:
        clock.park(parker, FOREVER)
        order.append("woken")

    def waker() -> None:
        clock.unpark(parker)
        order.append("waker")

    threads = [clock.spawn(sleeper, "sleeper"), clock.spawn(waker, "waker")]
    clock.call_at(0, lambda: order.append("timer"))
    clock.let_run()
    assert order == ["waker", "woken"], "nothing fires, though it is due"
    for thread in threads:
        clock.join(thread, 1.0)


def test_a_cancelled_timer_does_not_fire() -> None:
    clock = VirtualClock()
    timer = clock.call_at(5, lambda: pytest.fail("cancelled"))
    timer.cancel()
    clock.advance(10)


def test_a_wake_up_before_the_sleep_is_not_lost() -> None:
    for clock in (VirtualClock(), Clock()):
        parker = Parker()
        clock.unpark(parker)
        clock.unpark(parker)
        clock.park(parker, FOREVER)


def test_threads_run_one_at_a_time_in_the_order_they_were_woken() -> None:
    clock = VirtualClock()
    order: list[str] = []
    parkers = {name: Parker() for name in "abc"}

    def thread(name: str) -> None:
        clock.park(parkers[name], FOREVER)
        order.append(name)

    threads = [clock.spawn(lambda name=name: thread(name), name) for name in "abc"]  # type: ignore[misc]
    clock.advance(1)
    for name in "cab":
        clock.unpark(parkers[name])
    assert order == []
    for each in threads:
        clock.join(each, 1.0)
    assert order == ["c", "a", "b"]


def test_a_deadlock_is_reported_and_not_slept_through() -> None:
    with pytest.raises(RuntimeError, match="deadlock"):
        VirtualClock().park(Parker(), FOREVER)


def test_a_timer_must_not_wait() -> None:
    clock = VirtualClock()
    said: list[BaseException] = []

    def timer() -> None:
        with pytest.raises(WouldDeadlock) as caught:
            clock.park(Parker(), FOREVER)
        said.append(caught.value)

    clock.call_at(1, timer)
    clock.advance(1)
    assert len(said) == 1


def test_the_system_clock_calls_later_and_can_be_told_not_to() -> None:
    clock, called = Clock(), threading.Event()
    clock.call_at(clock.now_ns() + 1_000_000, called.set)
    assert called.wait(20)
    timer = clock.call_at(clock.now_ns() + 3_600_000_000_000, lambda: pytest.fail("cancelled"))
    timer.cancel()
