"""What a round trip costs, beside the same without mboxio; the figures are only told.

A guest has one CPU and system calls of some ten microseconds, more where the machine is busy. So
all ways take turns, and each is compared with the bare one of the same turn.
"""

import os
import select
import time
from collections.abc import Callable
from statistics import median

from mboxio.controllers.rpmsg import sysfs
from tests.linux_kernel.inside.board import Board
from tests.rpmsg.chardev_cases import opened

ROUNDS, TRIPS = 15, 60
DEADLINE_MS = 200


def test_the_cost_of_a_round_trip(
    board: Board, record_testsuite_property: Callable[[str, object], None]
) -> None:
    ways = {
        "write, poll, read": lambda: without(waits=False),
        "the same with a deadline, on an epoll": lambda: without(waits=True),
        "mboxio": with_mboxio,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(way())
    bare = times["write, poll, read"]
    for name, taken in times.items():
        ratios = sorted(each / beside for each, beside in zip(taken, bare, strict=True))
        record_testsuite_property(
            f"round trip, {name}",
            f"{median(taken):.0f} us, {median(ratios):.2f} times"
            f" ({ratios[ROUNDS // 4]:.2f} to {ratios[-1 - ROUNDS // 4]:.2f})",
        )


def measured(trip: Callable[[], object]) -> float:
    """Return how long a round trip takes, in microseconds."""
    trip()
    began = time.perf_counter()
    for _ in range(TRIPS):
        trip()
    return (time.perf_counter() - began) / TRIPS * 1e6


def with_mboxio() -> float:
    """Return how long a request takes."""
    with opened("rpmsg:virtio0", replies="order") as client:
        return measured(lambda: client.request(b"ping"))


def without(waits: bool) -> float:
    """Return the same with system calls alone.

    Args:
        waits: for a descriptor that stands for several, and not for ever, as whoever has a deadline
            and can be woken.
    """
    (node,) = (each.node for each in sysfs.endpoints(Board.root) if each.name == "rpmsg-raw")
    descriptor = os.open(f"/dev/{node}", os.O_RDWR | os.O_NONBLOCK)
    poll, epoll = select.poll(), select.epoll()
    epoll.register(descriptor, select.EPOLLIN)
    poll.register(epoll if waits else descriptor, select.POLLIN)

    def trip() -> None:
        os.write(descriptor, b"ping")
        poll.poll(DEADLINE_MS if waits else None)
        assert os.read(descriptor, 512) == b"ping"

    try:
        return measured(trip)
    finally:
        epoll.close()
        os.close(descriptor)
