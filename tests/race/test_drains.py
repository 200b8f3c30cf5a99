"""Who drains × whose reply: any of the parties may find the reply of any other.

A waiting thread that leads, a second thread that is parked, two event loops and the service
thread each wait for a request of their own. Only one of them is allowed to drain; it must bring
the reply to its owner, wherever that sleeps.
"""

import asyncio
import os
import threading
from typing import Any

import pytest

from mboxio import Connection
from mboxio._base.deputies import acting

from .manual import Manual

LEADER, PARKED, LOOP_A, LOOP_B, SERVICE = "leader", "parked", "loop A", "loop B", "service"


class Party:
    """Somebody who waits for one request and says when it has the reply."""

    def __init__(self, name: str, connection: Connection, sleeping: threading.Semaphore) -> None:
        self.name = name
        self.connection = connection
        self.sleeping = sleeping
        self.got: Any = None
        self.done = threading.Event()
        self.thread_id = 0
        self.request: Any = None
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self.run, name=self.name)
        self.thread.start()
        assert self.sleeping.acquire(timeout=20)

    def run(self) -> None:
        self.thread_id = acting()
        if self.name in (LOOP_A, LOOP_B):
            asyncio.run(self.wait_on_loop())
        else:
            client = self.connection.client(0, timeout_s=None)
            self.request = client.submit(self.name.encode())
            if self.name == SERVICE:
                client.submit(b"to learn the thread").add_done_callback(self.learn)
                self.request.add_done_callback(self.keep)
            else:
                self.sleeping.release()
                self.keep(self.request)

    def learn(self, _: Any) -> None:
        self.thread_id = acting()
        self.sleeping.release()

    def keep(self, request: Any) -> None:
        self.got = request.result()
        self.done.set()

    async def wait_on_loop(self) -> None:
        async with self.connection.async_client(0, timeout_s=None) as client:
            self.request = client.submit(self.name.encode())
            future = self.request.future()
            asyncio.get_running_loop().call_soon(self.sleeping.release)
            self.got = await future
            self.done.set()


def combinations() -> list[tuple[str, str]]:
    threads = [LEADER, PARKED, LOOP_A, LOOP_B, SERVICE]
    pairs = [(drainer, owner) for drainer in (LEADER, LOOP_A, LOOP_B) for owner in threads]
    # The service thread gives the lead to every thread that waits, so it drains for the others.
    return pairs + [(SERVICE, owner) for owner in (LOOP_A, LOOP_B, SERVICE)]


@pytest.mark.parametrize(("drainer", "owner"), combinations())
def test_one_drains_for_the_other(drainer: str, owner: str) -> None:
    driver = Manual(wired=True, depth=16)
    with Connection(driver) as connection:
        sleeping = threading.Semaphore(0)
        names = [LOOP_A, LOOP_B, SERVICE]
        if drainer != SERVICE:
            names += [LEADER, PARKED]
        parties = {name: Party(name, connection, sleeping) for name in names}
        for name in names:
            if name == SERVICE:
                party = parties[name]
                party.thread = threading.Thread(target=party.run)
                party.thread.start()
                party.thread.join()
                driver.answer(b"now you know")
                assert sleeping.acquire(timeout=20)
            else:
                parties[name].start()
            pump = connection._host.pump
            while name == LEADER and pump.leader in (None, connection._host.worker.parker):
                os.sched_yield()
            while name == PARKED and not pump.parked:
                os.sched_yield()
        connection._host.gate.call(driver.allow_only, parties[drainer].thread_id)
        index = [message for _, _, message in driver.sent].index(owner.encode())
        driver.answer(b"for " + owner.encode(), index)
        assert parties[owner].done.wait(20), f"{drainer} drained, {owner} never heard of it"
        assert parties[owner].got == b"for " + owner.encode()
        assert driver.drained_by == {parties[drainer].thread_id}
        assert [p.name for p in parties.values() if p.done.is_set()] == [owner]
        connection._host.gate.call(driver.allow_only, None)
        for name in names:
            if name != owner:
                index = [message for _, _, message in driver.sent].index(name.encode())
                driver.answer(b"the end", index)
        for party in parties.values():
            assert party.done.wait(20), f"{party.name} was forgotten"
            party.thread.join()  # type: ignore[union-attr]
