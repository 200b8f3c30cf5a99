"""A clock of one thread calls its timers in the order in which one with threads would."""

from collections.abc import Callable
from threading import Thread
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mboxio.sim import VirtualClock
from mboxio.sim.clock import LATE_TIMER, TIMER

Happened = list[tuple[int, int, str]]

steps = st.tuples(
    st.sampled_from(["add", "cancel", "jump", "spawn"]),
    st.integers(0, 6),  # how far
    st.sampled_from([TIMER, LATE_TIMER]),
)
plans = st.lists(st.lists(steps, max_size=4), min_size=1, max_size=12)


class Crowded(VirtualClock):
    """The general way only."""

    def _run_timers(self, end_ns: int) -> bool:
        return False


def carry_out(clock: VirtualClock, plan: list[list[tuple[str, int, int]]]) -> Happened:
    """Have timer n do what the plan says at n, and write down what happened when."""
    happened: Happened = []
    timers: list[Any] = []
    threads: list[Thread] = []

    def timer(number: int) -> Callable[[], None]:
        def act() -> None:
            happened.append((clock.now_ns(), number, "timer"))
            for what, amount, rank in plan[number] if number < len(plan) else ():
                if what == "add":
                    add(clock.now_ns() + amount - 1, rank)
                elif what == "cancel" and timers:
                    timers[amount % len(timers)].cancel()
                elif what == "jump":
                    clock.jump(amount)
                elif what == "spawn":
                    threads.append(clock.spawn(thread, "test"))

        return act

    def thread() -> None:
        happened.append((clock.now_ns(), -1, "thread"))
        clock.advance(2)
        happened.append((clock.now_ns(), -1, "ends"))

    def add(when_ns: int, rank: int) -> None:
        timers.append(clock.call_at(when_ns, timer(len(timers)), rank))

    for start_ns, rank in ((3, LATE_TIMER), (3, TIMER), (5, TIMER), (9, TIMER)):
        add(start_ns, rank)
    for ns in (4, 0, 7, 20, 1000):  # the last is enough for all that a plan begins
        clock.advance(ns)
        happened.append((clock.now_ns(), ns, "advanced"))
    for each in threads:
        each.join(20)
    return happened


@given(plans)
def test_alone_or_not_the_order_is_the_same(plan: list[list[tuple[str, int, int]]]) -> None:
    assert carry_out(VirtualClock(), plan) == carry_out(Crowded(), plan)


def test_a_timer_that_raises_leaves_the_clock_usable() -> None:
    clock = VirtualClock()
    seen: list[int] = []
    clock.call_at(5, lambda: [][0])
    clock.call_at(8, lambda: seen.append(clock.now_ns()))
    try:
        clock.advance(10)
    except IndexError:
        seen.append(clock.now_ns())
    clock.advance(10)
    assert seen == [5, 8]
