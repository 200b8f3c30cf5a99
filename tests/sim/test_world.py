"""The model of a board: what costs time, what is counted, and which laws it has to keep."""

from dataclasses import replace

import pytest

from mboxio.sim.world import (
    Bimodal,
    Board,
    Constant,
    Copied,
    Duration,
    Exponential,
    Load,
    Measured,
    Stalled,
    World,
    simulate,
)
from mboxio.sim.world.board import TX_DONES

ONE = Load(clients=1, think=Constant(100), message_bytes=12)
BOARD = Board(service=Constant(20), doorbell_us=2, interrupt_us=10, access_us=0.1)
# Three words and the doorbell, then two looks: at TX done (status, clear) and at the reply (status
# and three words).
SEND_US, TX_DONE_US, REPLY_US = 0.4, 0.2, 0.4


def measure(board: Board, load: Load, seconds: float = 0.01) -> Measured:
    measured = simulate(board, load, seconds=seconds)
    assert measured.wrong == measured.failed == 0
    return measured


def test_one_request_takes_the_sum_of_its_parts() -> None:
    measured = measure(BOARD, ONE)
    # The last access is not over when the reply is known to the core; the order is.
    assert measured.p50_us == pytest.approx(SEND_US + 2 + 20 + 10 + REPLY_US, abs=0.001)
    assert measured.max_us == measured.p50_us
    assert measured.interrupts == pytest.approx(2, abs=0.1)
    assert measured.accesses == pytest.approx(4 + 2 + 4, abs=0.2)


@pytest.mark.parametrize("tx_done", TX_DONES)
@pytest.mark.parametrize("matching", ["hardware", "tags"])
def test_every_way_answers_everything(tx_done: str, matching: str) -> None:
    board = replace(BOARD, tx_done=tx_done, matching=matching, depth=4, workers=4)
    measured = measure(board, Load(clients=8, think=Exponential(5)), 0.005)
    assert measured.done > 100
    assert measured.requests - measured.done <= 8  # those that are under way
    assert measured.fairness > 0.95
    assert measured.held == measured.timed_out == measured.refused == 0


def test_one_worker_is_not_faster_than_its_work() -> None:
    """Utilization law: with more clients than it needs, a worker is busy and no more."""
    rates = [measure(replace(BOARD, depth=depth), Load(clients=8)).per_second for depth in (1, 8)]
    assert max(rates) <= 1e6 / 20 * 1.001
    assert rates[1] == pytest.approx(1e6 / 20, rel=0.02)


def test_littles_law() -> None:
    load = Load(clients=8, think=Constant(0))
    measured = measure(replace(BOARD, depth=8, workers=2), load, 0.05)
    mean_s = 8 / measured.per_second
    assert measured.p50_us == pytest.approx(mean_s * 1e6, rel=0.05)
    assert measured.live_max == 8
    assert measured.memory_bytes == 8 * load.message_bytes


def test_slots_pay_where_they_are_freed_late_and_firmware_is_parallel() -> None:
    """With TX done by the reply one slot serves one worker; with an early one it serves four."""
    load = Load(clients=16)
    gains = {}
    for tx_done in ("ack", "deposit"):
        board = replace(BOARD, tx_done=tx_done, workers=4)
        one, many = (measure(replace(board, depth=depth), load).per_second for depth in (1, 16))
        gains[tx_done] = many / one
    assert gains["ack"] > 3
    assert gains["deposit"] < gains["ack"] / 2


def test_accesses_cost_time() -> None:
    cheap, dear = (
        measure(replace(BOARD, access_us=access_us), ONE).p50_us for access_us in (0.0, 1.0)
    )
    assert cheap == pytest.approx(2 + 20 + 10)
    assert dear == pytest.approx(cheap + 8, abs=0.001)


def test_a_spinning_host_has_no_use_for_interrupts_and_pays_for_it() -> None:
    quiet = measure(BOARD, ONE)
    spinning = measure(replace(BOARD, spin_us=50), ONE)
    assert spinning.p50_us < quiet.p50_us - 8  # the latency of the interrupt
    assert spinning.accesses > 10 * quiet.accesses


def test_polling_finds_replies_at_its_period() -> None:
    polled = measure(replace(BOARD, replies="poll", poll_us=100), ONE)
    assert 100 <= polled.max_us < 202
    assert polled.interrupts == pytest.approx(1, abs=0.1)  # of TX done


def test_an_open_loop_counts_from_when_a_request_was_due() -> None:
    """A stall is felt by all that were due meanwhile, not only by the one that was under way."""
    board = replace(BOARD, depth=64, service=Stalled(Constant(5), 200, 2000))
    load = Load(clients=1, interval=Constant(50), backlog=1000, message_bytes=12)
    measured = measure(board, load, 0.05)
    assert measured.p99_us > 1000
    assert measured.requests == pytest.approx(0.05 / 50e-6, abs=2)


@pytest.mark.parametrize(("deadline", "some"), [("doorbell", False), ("queueing", True)])
def test_time_outs_that_the_firmware_has_no_part_in(deadline: str, some: bool) -> None:
    """20 µs of work and a time-out of 100 µs, but sixteen stand in line for 320 µs."""
    load = Load(
        clients=16,
        think=Constant(1),
        timeout_us=100,
        queue_timeout_us=10_000,
        deadline=deadline,
    )
    measured = measure(BOARD, load)
    assert (measured.timed_out > 10) is some
    assert measured.false_time_outs >= measured.timed_out * 0.9


def test_a_time_out_of_firmware_that_stalls_is_its_own() -> None:
    board = replace(BOARD, service=Stalled(Constant(20), 10, 5000), workers=4)
    measured = measure(board, replace(ONE, timeout_us=1000), 0.05)
    assert measured.timed_out > 2
    assert measured.false_time_outs == 0


def test_a_host_that_never_catches_up_comes_to_an_end() -> None:
    board = replace(BOARD, access_us=5.0, depth=8)
    with World(board, Load(clients=16, interval=Constant(20))) as world:
        for _ in range(3):
            before_ns = world.clock.now_ns()
            world.run(0.002)
            assert 0.0019 < (world.clock.now_ns() - before_ns) / 1e9 < 0.003
        assert world.measured().host_busy > 0.95


@pytest.mark.parametrize(
    "duration",
    [
        Constant(20),
        Exponential(20),
        Bimodal(10, 110, 0.1),
        Copied(20),
        Stalled(Constant(10), 10, 110),
    ],
    ids=lambda duration: type(duration).__name__,
)
def test_durations_have_the_mean_they_say(duration: Duration) -> None:
    from random import Random

    draw = duration.drawn_by(Random(1))
    drawn = [draw(number) for number in range(1, 20_001)]
    assert sum(drawn) / len(drawn) == pytest.approx(20_000, rel=0.03)


def test_a_bus_is_shared_by_workers() -> None:
    """16 bytes at 0.4 bytes a microsecond are 40 µs, whatever the workers are."""
    board = replace(BOARD, depth=8, workers=8, service=Copied(0, 0.4))
    assert measure(board, Load(clients=16), 0.05).per_second == pytest.approx(25_000, rel=0.02)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda: Board(depth=0), "depth=0: a whole number from 1"),
        (lambda: Board(tx_done="soon"), "tx_done='soon': there are irq, poll, ack, deposit"),
        (lambda: Board(poll_us=0), "poll_us=0: it is positive"),
        (lambda: Board(access_us=-1), "access_us=-1: it is 0 or more"),
        (lambda: Board(service=5), "service=5: Constant"),  # type: ignore[arg-type]
        (lambda: Load(clients=0), "clients=0: a whole number from 1"),
        (lambda: Load(message_bytes=8), "message_bytes=8: a whole number from 12"),
        (lambda: Load(deadline="never"), "deadline='never': there are doorbell, queueing"),
        (lambda: Constant(float("nan")), "us=nan: it is 0 or more"),
        (lambda: Bimodal(rare=2), "rare=2: it is a share"),
        (lambda: World(Board(message_bytes=16), Load(message_bytes=64)), "the board takes 16"),
    ],
)
def test_what_cannot_be(wrong, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        wrong()
