"""Misbehaviour on demand: each fault is seen by the host, and the same seed gives the same ones."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from mboxio.errors import RemoteError
from mboxio.remote import Faults, RemoteChannel
from mboxio.ring import REPLY

from .bench import Bench
from .minihost import Slot

MESSAGES = [bytes([number]) for number in range(8)]


def bench_with(**faults: Any) -> Bench:
    channel = RemoteChannel(
        "c", depth=32, message_bytes=8, host_sends=True, host_receives=True, legacy=False
    )
    channel.handler = lambda message: message
    channel.faults = Faults(**faults)
    return Bench(channel)


def tags(slots: list[Slot]) -> list[int]:
    return [tag for _, tag, _ in slots]


def test_without_a_probability_nothing_happens() -> None:
    bench = bench_with()
    bench.request(*MESSAGES)
    assert tags(bench.serve()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_missing() -> None:
    bench = bench_with(missing_probability=1)
    bench.request(*MESSAGES)
    assert bench.serve() == []
    assert bench.end.next_ns() is None
    assert bench.end.stats.missing == 8


def test_duplicate() -> None:
    bench = bench_with(duplicate_probability=1)
    bench.request(b"a", b"b")
    assert tags(bench.serve()) == [1, 1, 2, 2]
    assert bench.end.stats.duplicate == 2


def test_late() -> None:
    bench = bench_with(late_probability=1, late_s=5e-6)
    bench.request(b"a")
    assert bench.serve(now_ns=100) == []
    assert bench.end.next_ns() == 5100
    assert tags(bench.serve(now_ns=5100)) == [1]
    assert bench.end.stats.late == 1


def test_reorder() -> None:
    bench = bench_with(reorder_probability=1, reorder_s=1e-6)
    bench.request(b"a")
    assert bench.serve(now_ns=0) == []
    bench.request(b"b", first_tag=2)
    assert tags(bench.serve(now_ns=1)) == [2, 1]
    bench.request(b"c", first_tag=3)
    assert bench.serve(now_ns=2) == []
    assert tags(bench.serve(now_ns=1002)) == [3]  # nothing came that it could follow
    bench.request(b"d", first_tag=4)
    assert bench.serve(now_ns=1002) == []
    assert bench.end.stats.reordered == 3


def test_oversize() -> None:
    bench = bench_with(oversize_probability=1)
    bench.request(b"a")
    with pytest.raises(RemoteError, match="length 9 is impossible"):
        bench.serve()
    assert bench.end.stats.oversize == 1


def test_the_ring_goes_on_after_an_oversize_reply() -> None:
    bench = bench_with(oversize_probability=1)
    bench.request(b"a")
    assert bench.end.serve(0)
    bench.channels["c"][1].reset()
    bench.end._channels[0].channel.faults = None
    bench.request(b"b", first_tag=2)
    assert bench.serve() == [(REPLY, 2, b"b")]


def test_oversize_replies_wait_for_a_place() -> None:
    bench = bench_with(oversize_probability=1)
    for _ in range(3):
        bench.request(*MESSAGES * 4)
        bench.end.serve(0)
        while bench.end.serve(0):
            pass
        with pytest.raises(RemoteError, match="length"):
            bench.pop("c")
        bench.channels["c"][1].reset()


def test_the_seed_decides() -> None:
    def run(seed: int) -> list[int]:
        bench = bench_with(
            seed=seed,
            late_probability=0.3,
            duplicate_probability=0.3,
            missing_probability=0.3,
            reorder_probability=0.3,
        )
        bench.request(*MESSAGES * 3)
        return tags(bench.serve(0) + bench.serve(10**9))

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert Counter(run(1)) != Counter(range(1, 25))


@pytest.mark.parametrize(
    "wrong", [{"late_probability": 1.1}, {"missing_probability": -0.1}, {"late_s": -1}]
)
def test_impossible_faults(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Faults(**wrong)


@pytest.mark.parametrize(
    ("field", "value"), [("front", 77), ("length", 9), ("kind", 0), ("kind", 200)]
)
def test_lies_to_the_receiver(field: str, value: int) -> None:
    bench = bench_with()
    assert bench.end.lie("c", field, value)
    assert bench.doorbells == 1
    with pytest.raises(RemoteError, match=f"{field} {value} is impossible"):
        bench.pop("c")


def test_a_lie_to_the_sender() -> None:
    bench = bench_with()
    assert bench.end.lie("c", "rear", 77)
    with pytest.raises(RemoteError, match="rear 77 is impossible"):
        bench.channels["c"][0].free()


def test_a_reply_to_nothing() -> None:
    bench = bench_with()
    assert bench.end.lie("c", "tag", 0xDEADBEEF)
    bench.request(b"a")
    assert bench.serve() == [(REPLY, 0xDEADBEEF, b""), (REPLY, 1, b"a")]


def test_impossible_lies() -> None:
    bench = bench_with()
    for field, value in (("size", 1), ("kind", 256), ("front", -1), ("length", 1 << 24)):
        with pytest.raises(ValueError, match=field):
            bench.end.lie("c", field, value)
    assert not bench.end.lie("unknown", "front", 1)
    for _ in range(32):
        assert bench.end.lie("c", "tag", 1)
    assert not bench.end.lie("c", "tag", 1)  # the ring is full


@pytest.mark.parametrize("seed", range(50))
def test_scribbled_memory_harms_nobody(seed: int) -> None:
    bench = bench_with()
    random = Random(seed)
    try:
        for tag in range(50):
            offset, value = bench.end.scribble(random)
            assert bench.region.read(offset, 4) == value
            bench.push("c", 2, tag, b"x")
            bench.serve(tag)
    except RemoteError:
        pass
