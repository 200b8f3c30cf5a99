"""A gateway stands still, or the firmware behind it: only who asks there waits."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import mboxio
from mboxio import MailboxError, RemoteGone, RequestTimeout, open_async
from tests.far.processes import gateway
from tests.shm.support import FirmwareProcess, Program

CHANNELS = {"a": (32, 64)}
NOTICED_S = 1.5
"""By the option of the address, or by the deadline of the request."""
PATIENT: dict[str, Any] = {"timeout_s": 30.0, "queue_timeout_s": 30.0}


@pytest.fixture
def programs(folder: str) -> Iterator[list[Program]]:
    """The firmware of two boards and a gateway for both; they end with the test."""
    started: list[Program] = [FirmwareProcess(name, CHANNELS) for name in "tu"]
    try:
        started.append(gateway("shm:u", "--as", "other"))
        yield started
    finally:
        for each in started:
            each.kill()


@pytest.mark.parametrize("who", ["gateway", "firmware"])
def test_only_who_asks_what_stands_still_waits(programs, folder, who):
    there = f"grpc+unix:{folder}/gateway@grpc.sock"
    asked = f"{there}/board/a?frozen_s={NOTICED_S}"
    # Beside a gateway that stands still, the other board is reached without it.
    other = "shm:u/a" if who == "gateway" else f"{there}/other/a"
    still = programs[2] if who == "gateway" else programs[0]
    limit_s = 30.0 if who == "gateway" else NOTICED_S
    error = RemoteGone if who == "gateway" else RequestTimeout
    stands = threading.Event()
    connected = threading.Barrier(3, timeout=20)  # one that fails leaves nobody waiting

    async def on_a_loop() -> tuple[MailboxError | None, int]:
        async with open_async(asked) as slow, open_async(other, **PATIENT) as quick:
            await asyncio.to_thread(connected.wait)
            await asyncio.to_thread(stands.wait)
            lost, rounds = slow.submit(b"lost", timeout_s=limit_s), 0
            while not lost.done():
                assert await quick.request(b"abc") == b"cba"
                rounds += 1
            return lost.exception(), rounds

    def on_another_connection() -> int:
        with mboxio.open(other, **PATIENT) as quick:
            connected.wait()
            stands.wait()
            return rounds_of(lambda: quick.request(b"abc"), asking.done)

    def waits() -> MailboxError | None:
        return client.submit(b"lost", timeout_s=limit_s).exception()

    with mboxio.open(asked, **PATIENT) as client, ThreadPoolExecutor() as threads:
        looped = threads.submit(asyncio.run, on_a_loop())
        beside = threads.submit(on_another_connection)
        try:
            connected.wait()
        except threading.BrokenBarrierError:
            looped.result()  # says why, if it was that one
            raise
        still.freeze()
        asking = threads.submit(waits)
        stands.set()
        # On the same connection nothing is answered, but all that is asked ends when it should.
        ends = set[type]()
        while not asking.done():
            with pytest.raises(MailboxError) as caught:
                client.request(b"short", timeout_s=0.05, queue_timeout_s=0.05)
            ends.add(caught.type)
        assert isinstance(asking.result(), error)
        assert isinstance(looped.result()[0], error)
        assert RequestTimeout in ends <= {RequestTimeout, RemoteGone}
        assert looped.result()[1] > 1 < beside.result()
        still.thaw()
        assert client.request(b"abc") == b"cba"
        host: Any = client._host
        stats = host.stats()["a"]
        assert (stats.in_flight, stats.queued, stats.held_slots, stats.held_tags) == (0, 0, 0, ())


def rounds_of(ask: Callable[[], bytes], is_over: Callable[[], bool]) -> int:
    """Ask until it is over, and return how often that was answered."""
    rounds = 0
    while not is_over():
        assert ask() == b"cba"
        rounds += 1
    return rounds
