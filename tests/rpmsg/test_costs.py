"""What a request costs in system calls, where each of them shows: under an emulated kernel."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mboxio import Connection
from mboxio._base.clock import Clock
from mboxio.controllers.rpmsg.traffic import SHORT_LOOKS
from tests.rpmsg.fake_kernel import FakeSystem

REQUESTS = 4 * (SHORT_LOOKS + 1)


class CountingClock(Clock):
    """A clock that knows how often it was read."""

    def __init__(self) -> None:
        self.reads = 0

    def now_ns(self) -> int:
        self.reads += 1
        return super().now_ns()


class Counting:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.calls = 0

    def __call__(self, *args: object) -> Any:
        self.calls += 1
        return self.function(*args)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[FakeSystem]:
    made = FakeSystem(tmp_path, {"rpmsg-raw": 0x400, "other": 0x401})
    made.start()
    yield made
    made.shut_down()


def test_a_request_takes_a_write_a_sleep_and_a_read(kernel: FakeSystem) -> None:
    """And the clock once, for its deadline; whatever else is due comes once in 17 requests."""
    write, read = Counting(kernel.write), Counting(kernel.read)
    kernel.write, kernel.read = write, read
    clock, driver = CountingClock(), kernel.driver("virtio0", replies="order")
    with Connection(driver, clock=clock) as connection:
        client = connection.client("rpmsg-raw", timeout_s=20)
        client.request(b"first")
        looks = Counting(driver.lines.ready)
        driver.lines.ready = looks  # type: ignore[method-assign]
        clock.reads = write.calls = read.calls = 0
        for _ in range(REQUESTS):
            assert client.request(b"ping") == b"ping"
    rounds = REQUESTS // (SHORT_LOOKS + 1) + 1
    assert write.calls == REQUESTS
    assert read.calls <= REQUESTS + rounds
    assert looks.calls <= rounds
    assert clock.reads <= REQUESTS + 6 * rounds


def test_two_open_channels_take_one_look_more(kernel: FakeSystem) -> None:
    read = Counting(kernel.read)
    kernel.read = read
    clock, driver = CountingClock(), kernel.driver("virtio0", replies="order")
    with Connection(driver, clock=clock) as connection:
        clients = [connection.client(name, timeout_s=20) for name in ("rpmsg-raw", "other")]
        looks = Counting(driver.lines.ready)
        driver.lines.ready = looks  # type: ignore[method-assign]
        clock.reads = read.calls = 0
        for _ in range(REQUESTS):
            for client in clients:
                assert client.request(b"ping") == b"ping"
    rounds = 2 * REQUESTS // (SHORT_LOOKS + 1) + 1
    assert looks.calls <= 2 * REQUESTS + rounds
    assert read.calls <= 2 * REQUESTS + rounds
    assert clock.reads <= 2 * REQUESTS + 6 * rounds
