"""Registers behind a connection that breaks and is made again: a new life, with the same driver."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mboxio
from mboxio import Client, Connection, RemoteError, RemoteGone
from mboxio.regions import open_region
from mboxio.regions.probes import link
from mboxio.regions.probes.gdb import GdbRegion
from tests.hardening.support import until
from tests.io.running import FakeOpenOcd, RunningGdb
from tests.io.stubs import PATIENCE_S, FakeGdb, FakeQtest, Stub

WINDOW = "@0x1000+0x20"
INCOMING, OUTGOING, RAISE, LOWER = 0x1000, 0x1010, 0x1014, 0x1008


class Unit(dict[int, int]):
    """The words of a mailbox unit; the far side takes what is raised, unless it sleeps."""

    asleep = False

    def __setitem__(self, address: int, value: int) -> None:
        super().__setitem__(address, value)
        if address == RAISE and self.asleep:
            super().__setitem__(OUTGOING, self.get(OUTGOING, 0) | value)
        if address == LOWER:
            super().__setitem__(INCOMING, self.get(INCOMING, 0) & ~value)


@pytest.fixture(params=[FakeQtest, FakeGdb, FakeOpenOcd, RunningGdb])
def stub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stub]:
    with request.param(tmp_path) as running:
        running.words = Unit()
        yield running


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[FakeQtest]:
    with FakeQtest(tmp_path) as running:
        running.words = Unit()
        yield running


def unit(stub: Stub) -> str:
    return f"mhu:?at={stub.address}{WINDOW}"


def interrupting(qemu: FakeQtest) -> str:
    return f"mhu:?at=qtest:{qemu.path},irq_in=/cpu,line=3{WINDOW}&events=irq"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def use_until_it_is_gone(client: Client, stub: Stub) -> None:
    """Post until a message meets the end, unless somebody else met it between two of them."""
    lives = stub.clients
    try:
        while stub.clients == lives:
            client.post(b"").result()
    except RemoteGone:
        pass


def test_messages_go_again_after_the_connection_broke(stub: Stub) -> None:
    with mboxio.connect(unit(stub)) as connection:
        client = connection.client(0)
        client.send(b"")
        before = descriptors()
        for life in range(2, 5):
            stub.hang_up()
            use_until_it_is_gone(client, stub)
            client.send(b"", queue_timeout_s=PATIENCE_S)
            assert (stub.clients, connection._host.lost) == (life, False)
            assert descriptors() == before
    assert not link._shared


def test_what_was_in_flight_ends_and_nothing_of_it_is_left(stub: Stub) -> None:
    assert isinstance(stub.words, Unit)
    stub.words.asleep = True
    with mboxio.connect(unit(stub)) as connection:
        pending = connection.client(1).post(b"", timeout_s=None)
        until(lambda: stub.words.get(OUTGOING))
        stub.words = Unit()  # as after a restart
        stub.hang_up()
        assert isinstance(pending.exception(), RemoteGone)
        connection.client(1).send(b"", queue_timeout_s=PATIENCE_S)
        stats = connection.stats()["1"]
        assert (stats.in_flight, stats.held_slots, stats.failed) == (0, 0, 1)


def test_a_subscriber_hears_of_it_and_goes_on(stub: Stub) -> None:
    with mboxio.connect(unit(stub)) as connection, connection.client(2).subscribe() as messages:
        stub.hang_up()
        with pytest.raises(RemoteGone):
            messages.get(PATIENCE_S)
        stub.words[INCOMING] = 4
        assert messages.get(PATIENCE_S) == b""


def test_nobody_there_for_a_while(stub: Stub) -> None:
    with mboxio.connect(unit(stub)) as connection:
        client = connection.client(0)
        stub.frozen.set()  # every connection ends at its first question
        use_until_it_is_gone(client, stub)
        with pytest.raises(mboxio.RequestTimeout, match="the remote is gone"):
            client.send(b"", queue_timeout_s=0.05)
        assert connection._host.lost
        assert connection._host.pump.descriptors == ()
        with pytest.raises(RemoteGone, match="hung up"):
            client.post(b"")
        stub.frozen.clear()
        client.send(b"", queue_timeout_s=PATIENCE_S)


@pytest.mark.parametrize("error", [ValueError("no"), RemoteError("no"), SystemExit(0)])
def test_a_try_that_fails_half_way_is_not_the_last(stub: Stub, error: BaseException) -> None:
    with mboxio.connect(unit(stub)) as connection:
        client = connection.client(0)
        driver: Any = connection._host.controller
        real, left = driver.set_up, [error] * 2

        def set_up() -> None:
            if left:
                raise left.pop()
            real()

        driver.set_up = set_up
        stub.hang_up()
        use_until_it_is_gone(client, stub)
        client.send(b"", queue_timeout_s=PATIENCE_S)
        assert not left
        assert not connection._host.lost


def test_closing_while_nobody_is_there(stub: Stub) -> None:
    before = descriptors()
    with mboxio.connect(unit(stub)) as connection:
        stub.frozen.set()
        use_until_it_is_gone(connection.client(0), stub)
        connection._host.life.try_again()
    until(lambda: stub.peer is None)
    assert descriptors() == before
    assert not link._shared


def test_an_async_client_goes_on(stub: Stub) -> None:
    async def work(connection: Connection) -> None:
        async with asyncio.timeout(PATIENCE_S), connection.async_client(0) as client:
            await client.send(b"")
            stub.hang_up()
            while stub.clients == 1:
                try:
                    await client.send(b"", queue_timeout_s=PATIENCE_S)
                except RemoteGone:
                    pass
            await client.send(b"", queue_timeout_s=PATIENCE_S)

    with mboxio.connect(unit(stub)) as connection:
        asyncio.run(work(connection))


def test_interrupts_come_over_the_new_connection(qemu: FakeQtest) -> None:
    with mboxio.connect(interrupting(qemu)) as connection:
        before = descriptors()
        client = connection.client(0)
        for _ in range(3):
            with client.subscribe() as messages:
                qemu.words[INCOMING] = 1
                qemu.say("IRQ raise 3\nIRQ lower 3\n")
                assert messages.get(PATIENCE_S) == b""
                watched = connection._host.pump.descriptors
                assert len(watched) == 1
                qemu.hang_up()
                with pytest.raises(RemoteGone):
                    messages.get(PATIENCE_S)
            client.send(b"", queue_timeout_s=PATIENCE_S)
            assert len(connection._host.pump.descriptors) == 1
        assert qemu.asked.count("irq_intercept_in /cpu") == 4
        assert descriptors() <= before + 2, "the kicks of those who sleep"


def test_two_drivers_on_one_connection_come_back_both(qemu: FakeQtest) -> None:
    other = f"{unit(qemu)}&shared=yes"
    with mboxio.connect(unit(qemu)) as first, mboxio.connect(other) as second:
        qemu.hang_up()
        for connection in (first, second):
            use_until_it_is_gone(connection.client(0), qemu)
        for connection in (first, second):
            connection.client(0).send(b"", queue_timeout_s=PATIENCE_S)
        assert qemu.clients == 2


def test_a_region_keeps_its_ways(tmp_path: Path) -> None:
    with FakeGdb(tmp_path) as stub:
        stub.words[0x2000] = 0
        where = f"gdb:{stub.path},verify=yes,step=0x80000000{WINDOW}"
        with open_region(where) as region:
            assert isinstance(region, GdbRegion)
            region.reopen()
            assert stub.clients == 1, "nothing was lost"
            stub.hang_up()
            with pytest.raises(RemoteGone):
                region.read(0, 4)
            region.reopen()
            assert (region.verify, region.step, region.lost) == (True, 0x8000_0000, False)
            region.write(8, 5, 4)
            assert stub.words[0x1008] == 5
            assert stub.clients == 2
    assert not link._shared


def test_a_region_that_cannot_be_reached_stays_lost(qemu: FakeQtest) -> None:
    with open_region(f"qtest:{qemu.path},irq_in=/cpu,line=3{WINDOW}") as region:
        before = descriptors()
        qemu.hang_up()
        with pytest.raises(RemoteGone):
            region.read(0, 4)
        qemu.frozen.set()
        with pytest.raises(RemoteGone):
            region.reopen()
        assert region.lost
        until(lambda: qemu.peer is None)
        assert descriptors() <= before
        qemu.frozen.clear()
        region.reopen()
        assert region.read(0, 4) == 0


def test_who_only_rings_meets_the_end_and_the_new_life(qemu: FakeQtest) -> None:
    with mboxio.connect(unit(qemu)) as connection:
        client = connection.client(2)
        client.ring()
        assert qemu.words[RAISE] == 4
        qemu.hang_up()
        until(lambda: refuses_to_ring(client))
        until(lambda: not refuses_to_ring(client))
        assert qemu.clients == 2


def refuses_to_ring(client: Client) -> bool:
    try:
        client.ring()
    except RemoteGone:
        return True
    return False
