"""Where accesses take long: nobody spins, polls are rare, and event loops never wait for one."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

import mboxio
from mboxio import Capabilities, Connection, RemoteGone, RequestTimeout
from mboxio._base.deputies import acting
from mboxio.address import catalogue
from mboxio.client.slow import DistantClient
from mboxio.driver.capabilities import POLL_ACCESSES
from mboxio.sim import VirtualClock
from tests.hardening.support import PATIENCE_S, reached, until
from tests.io.probe import ASKED, Probe, Probed
from tests.race.manual import Manual

TICKS = 50


@pytest.fixture
def driver() -> Iterator[Probed]:
    made = Probed()
    yield made
    made.region.let_go()


def word(number: int) -> bytes:
    return number.to_bytes(4, "little")


def run(work: Coroutine[Any, Any, Any]) -> None:
    """Run on a loop that is expected to end."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work

    asyncio.run(bounded())


async def tick() -> None:
    """Show that the loop runs, and let it do what it has to do."""
    for _ in range(TICKS):
        await asyncio.sleep(0)


def test_no_access_is_made_on_the_loop(driver: Probed) -> None:
    async def work() -> None:
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                assert isinstance(client, DistantClient)
                replies = await asyncio.gather(*[client.request(word(n)) for n in range(20)])
                assert replies == [word(n + 1) for n in range(20)]
                await client.send(word(7))
                await client.flush()
                into = bytearray(4)
                assert await client.request(word(1), into=into) == 4
                assert into == word(2)
            assert driver.stopped_on not in (0, acting())
        assert acting() not in driver.region.threads

    run(work())


def test_the_loop_ticks_while_an_access_hangs(driver: Probed) -> None:
    async def work() -> None:
        region = driver.region
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                region.hold()
                first = asyncio.create_task(client.request(word(1)))
                await reached(region.entered.is_set)
                second = asyncio.create_task(client.request(word(2)))
                third = asyncio.create_task(client.send(word(3)))
                flush = asyncio.create_task(client.flush())
                await tick()
                assert not any(task.done() for task in (first, second, third, flush))
                region.let_go()
                assert await first == word(2)
                assert await second == word(3)
                await asyncio.gather(third, flush)
        assert acting() not in region.threads

    run(work())


def test_a_verb_is_cancelled_at_once_and_its_request_afterwards(driver: Probed) -> None:
    async def work() -> None:
        region = driver.region
        region.mute = True
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                region.hold()
                sending = asyncio.create_task(client.request(word(1)))
                await reached(region.entered.is_set)
                waiting = asyncio.create_task(client.request(word(2)))
                await tick()
                for task in (sending, waiting):
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                region.let_go()
                await reached(lambda: connection.stats()["main"].cancelled == 1)
                assert [value for _, value in region.sent] == [1], "the second never began"
        assert acting() not in region.threads

    run(work())


def test_a_verb_that_is_cancelled_while_it_waits_ends_its_request(driver: Probed) -> None:
    async def work() -> None:
        driver.region.mute = True
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                task = asyncio.create_task(client.request(word(1)))
                await reached(lambda: driver.region.sent)
                await tick()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await reached(lambda: connection.stats()["main"].cancelled == 1)

    run(work())


def test_deadlines_pass_without_the_loop(driver: Probed) -> None:
    async def work() -> None:
        driver.region.mute = True
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                with pytest.raises(RequestTimeout):
                    await client.request(word(1), timeout_s=0.02)
        assert acting() not in driver.region.threads

    run(work())


def test_messages_callbacks_and_handlers_come_to_the_loop(driver: Probed) -> None:
    async def work() -> None:
        region = driver.region
        here = acting()
        seen: list[int] = []
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:

                async def handler(message: bytes) -> bytes:
                    seen.append(acting())
                    return word(int.from_bytes(message, "little") * 2)

                client.on_request(handler)
                async with client.subscribe() as messages:
                    region.arrived.extend([(0, 5), (ASKED | 9, 21), (0, 6)])
                    assert await messages.get(PATIENCE_S) == word(5)
                    assert await messages.get(PATIENCE_S) == word(6)
                    with pytest.raises(RequestTimeout):
                        await messages.get(0.01)
                await reached(lambda: (ASKED | 9, 42) in region.sent)
                called = asyncio.Event()
                request = client.submit(word(1))  # a plain call: its accesses are made here
                request.add_done_callback(lambda _: (seen.append(acting()), called.set()))
                await called.wait()
                assert request.done()
                assert await request == word(2)
                assert await asyncio.wait_for(request.future(), PATIENCE_S) == word(2)
        assert seen == [here, here]

    run(work())


def test_a_future_that_nobody_awaits_any_more_is_forgotten(driver: Probed) -> None:
    async def work() -> None:
        driver.region.mute = True
        with Connection(driver) as connection:
            async with connection.async_client(0) as client:
                request = client.submit(word(1), timeout_s=None)
                future = request.future()
                await reached(lambda: request._watchers)
                future.cancel()
                await reached(lambda: not request._watchers)
                request.cancel()

    run(work())


def test_the_service_thread_rests_when_the_last_async_client_has_left(driver: Probed) -> None:
    async def work(connection: Connection) -> None:
        async with connection.async_client(0) as client:
            await client.request(word(1))
            assert connection._host.worker.needs > 0
        await reached(lambda: connection._host.worker.needs == 0)

    with Connection(driver) as connection:
        run(work(connection))
        run(work(connection))


def test_a_loop_that_ends_in_the_middle_holds_nobody_up(driver: Probed) -> None:
    region = driver.region
    region.mute = True

    async def work(connection: Connection) -> None:
        client = connection.async_client(0)
        request = client.submit(word(1), timeout_s=None)
        request.future()
        await reached(lambda: request._watchers)

    with Connection(driver) as connection:
        run(work(connection))
        region.mute = False
        region.arrived.append((region.sent[0][0], 5))  # an answer for the loop that is no more
        with connection.client(0) as client:
            assert client.request(word(4)) == word(5)
        until(lambda: connection.stats()["main"].done == 2)
        assert not connection._host.pump.loops


def test_opening_by_address_makes_such_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.BUILT_IN, "probed", "tests.io.probe:Probed")

    async def work() -> None:
        async with mboxio.open_async("probed:/main") as client:
            assert isinstance(client, DistantClient)
            assert await client.request(word(1)) == word(2)
        assert acting() not in Probed.made.pop().region.threads

    run(work())


def test_what_is_not_distant_stays_on_the_loop() -> None:
    async def work() -> None:
        with mboxio.connect("loopback:") as connection:
            async with connection.async_client(0) as client:
                assert not isinstance(client, DistantClient)
                assert await client.request(b"x") == b"x"

    run(work())


def test_nobody_spins(driver: Probed) -> None:
    with Connection(driver) as connection:
        assert connection._host.pump.spin_ns == 0
        driver.add_queue(Capabilities(spin_s=1.0), "near")
        assert connection._host.pump.spin_ns == 0, "one distant queue is enough"
        assert connection.client(0).request(word(1)) == word(2)


def test_nobody_spins_once_there_is_a_distant_queue() -> None:
    """Whichever was declared first."""
    driver = Manual(spin_s=1.0)
    with Connection(driver) as connection:
        driver.add_queue(Capabilities(access_s=1e-3), "far")
        assert connection._host.pump.spin_ns == 0


def test_polls_leave_most_of_the_time_to_others() -> None:
    region = Probe()
    region.access_s, region.mute = 0.05, True
    driver = Probed(region=region)
    period_s = POLL_ACCESSES * 0.05
    with Connection(driver, clock=VirtualClock()) as connection:
        client = connection.client(0, timeout_s=100 * period_s)
        assert isinstance(client.submit(word(1)).exception(), RequestTimeout)
        assert 90 < driver.services < 120


def test_a_probe_that_is_unplugged_loses_the_link(driver: Probed) -> None:
    with Connection(driver, clock=VirtualClock()) as connection:
        client = connection.client(0, timeout_s=None)
        request = client.submit(word(1))
        driver.region.mute = driver.region.gone = True
        error = request.exception()
        assert isinstance(error, RemoteGone)
        assert "unplugged" in str(error)
        assert connection._host.lost
        with pytest.raises(RemoteGone):
            client.submit(word(2))
        services = driver.services
        with pytest.raises(RequestTimeout):
            client.request(word(3), queue_timeout_s=1.0)
        polls = 1.0 / connection._host.queues[0].capabilities.period_s
        assert driver.services - services < 2 * polls, "nobody turns in circles"


def test_async_clients_hear_of_an_unplugged_probe(driver: Probed) -> None:
    async def work() -> None:
        driver.region.mute = True
        with Connection(driver) as connection:
            async with connection.async_client(0, timeout_s=None) as client:
                task = asyncio.create_task(client.request(word(1)))
                await reached(lambda: driver.region.sent)
                driver.region.gone = True
                with pytest.raises(RemoteGone, match="unplugged"):
                    await task

    run(work())
