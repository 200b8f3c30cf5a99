"""What a round trip costs, beside the same without mboxio; the figures are only told."""

import os
import select
import time
from collections.abc import Callable

from mboxio.controllers.rpmsg import sysfs
from tests.linux_kernel.inside.board import Board
from tests.rpmsg.chardev_cases import opened

ROUNDS, TRIPS = 8, 100


def test_the_cost_of_a_round_trip(
    board: Board, record_testsuite_property: Callable[[str, object], None]
) -> None:
    times: dict[str, list[float]] = {"mboxio": [], "bare": []}
    for _ in range(ROUNDS):
        times["mboxio"].append(with_mboxio())
        times["bare"].append(without())
    with_us, bare = min(times["mboxio"]), min(times["bare"])
    told = f"{with_us:.0f} us with mboxio, {bare:.0f} us without: {with_us / bare:.2f} times"
    record_testsuite_property("round trip", told)


def with_mboxio() -> float:
    """Return how long a request takes, in microseconds."""
    with opened("rpmsg:virtio0", replies="order") as client:
        client.request(b"first")
        began = time.perf_counter()
        for _ in range(TRIPS):
            client.request(b"ping")
        return (time.perf_counter() - began) / TRIPS * 1e6


def without() -> float:
    """Return the same with system calls alone."""
    (node,) = (each.node for each in sysfs.endpoints(Board.root) if each.name == "rpmsg-raw")
    descriptor = os.open(f"/dev/{node}", os.O_RDWR | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    try:
        began = time.perf_counter()
        for _ in range(TRIPS):
            os.write(descriptor, b"ping")
            poll.poll()
            assert os.read(descriptor, 512) == b"ping"
        return (time.perf_counter() - began) / TRIPS * 1e6
    finally:
        os.close(descriptor)
