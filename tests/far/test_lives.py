"""Gateways, remotes behind them and users are killed and frozen in the middle of traffic."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import mboxio
from mboxio import MailboxError, RemoteGone, RequestTimeout
from tests.far.processes import USER, Python, gateway
from tests.far.support import House
from tests.lab.lives import IN_FLIGHT, lives
from tests.shm.support import FirmwareProcess, Program, until

LIVES = int(os.environ.get("MBOXIO_LIVES", "3"))
CHANNELS = {"a": (32, 64)}
DEFAULTS: dict[str, Any] = {"timeout_s": 20.0, "queue_timeout_s": 20.0}


@pytest.fixture
def programs(folder: str) -> Iterator[list[Program]]:
    """Processes that end with the test."""
    started: list[Program] = []
    yield started
    for each in started:
        each.kill()


@pytest.fixture
def firmware(programs: list[Program]) -> FirmwareProcess:
    """The remote behind the gateway."""
    programs.append(started := FirmwareProcess("t", CHANNELS))
    return started


@pytest.fixture
def address(folder: str) -> str:
    """Of channel a, quick to notice what is frozen."""
    return f"grpc+unix:{folder}/gateway@grpc.sock/board/a?frozen_s=0.6"


def numbered(number: int) -> bytes:
    return number.to_bytes(8, "little")


def handed_over(request) -> bool:
    """Look for news of a request: nobody else does."""
    return not request.done() and request.handed_over == "yes"


def held(client) -> tuple[int, ...]:
    """Let the client look, and return what is held."""
    client._pump.look()
    return client._host.stats()["0"].held_tags


def check(client: mboxio.Client, number: int = 7) -> None:
    assert client.request(numbered(number)) == numbered(number)[::-1]


def nothing_is_held(client: Any) -> None:
    stats = client._host.stats()["a"]
    assert (stats.in_flight, stats.queued, stats.unknown) == (0, 0, 0)
    assert (stats.held_slots, stats.held_credits, stats.held_tags) == (0, 0, ())


@pytest.mark.parametrize(("what", "count"), [("killed", LIVES), ("frozen", 2)])
def test_many_lives_of_a_gateway(folder, what, count):
    found = lives(what, count, frozen_s=0.6)
    assert not found.faults
    assert sum(found.ends.values()) == len(found.ended_s) == count * IN_FLIGHT


def test_who_finds_the_gateway_gone_asks_the_next_one(programs, firmware, address):
    """While nobody asks nobody looks, but a message never goes into a stream that has ended."""
    programs.append(gateway())
    with mboxio.open(address, **DEFAULTS) as client:
        check(client)
        programs[-1].kill()
        driver: Any = client._host.controller
        ended = driver.stream
        until(lambda: ended.ending is not None, "the stream ends")
        programs.append(gateway())
        check(client)
        nothing_is_held(client)


def test_what_waits_here_was_not_handed_over(programs, firmware, address):
    programs.append(gateway())
    with mboxio.open(address, backlog=4, **DEFAULTS) as client:
        check(client)
        firmware.freeze()
        left = [client.submit(b"keep %d" % n) for n in range(32)]
        waits = [client.submit(b"keep waiting") for _ in range(4)]
        programs[-1].kill()
        for each in left + waits:
            error = each.exception()
            assert isinstance(error, RemoteGone)
            assert (error.handed_over == "no") == (each in waits)
        firmware.thaw()
        programs.append(gateway())
        check(client)
        assert b"keep waiting" not in firmware.do("kept", "a")
        nothing_is_held(client)


def test_a_remote_behind_the_gateway_dies_and_returns_on_the_same_stream(
    programs, firmware, address
):
    programs.append(gateway())
    with mboxio.open(address, **DEFAULTS) as client:
        check(client)
        driver: Any = client._host.controller
        stream = driver.stream
        firmware.freeze()
        requests = [client.submit(numbered(n)) for n in range(8)]
        firmware.kill()
        for each in requests:
            assert isinstance(each.exception(), RemoteGone)
        programs.append(FirmwareProcess("t", CHANNELS))
        check(client)
        assert driver.stream is stream
        nothing_is_held(client)


def test_a_frozen_remote_is_told_by_the_clock_beside_it(programs, firmware, address):
    programs.append(gateway())
    with mboxio.open(address, **DEFAULTS) as client:
        check(client)
        firmware.freeze()

        def is_told() -> bool:
            with pytest.raises(RequestTimeout) as caught:
                client.request(b"lost", timeout_s=0.8)
            assert (caught.value.stage, caught.value.handed_over) == ("tx_done", "yes")
            return "shm:t" in str(caught.value)

        # On a machine with much to do our own clock may be first.
        until(is_told, "the gateway's error is the one that says more")
        firmware.thaw()
        check(client)
        nothing_is_held(client)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_user_dies_or_freezes_in_traffic_and_others_go_on(
    programs, firmware, address, folder, number
):
    programs.append(gateway("--frozen-s", "0.6"))
    programs.append(user := Python("-c", USER, address))
    with mboxio.open(address, **DEFAULTS) as client:
        check(client)
        user.line()
        user.signal(number)
        connections = client._host.controller
        until(lambda: sessions(connections) == 1, "the gateway lets go of the user")
        for each in range(32):
            check(client, each)


def sessions(driver) -> int:
    """Return how many sessions the gateway says that there are."""
    found = driver.dialling.exports(20.0)
    return int(found["exports"][0]["sessions"])


def test_async_users_meet_the_same_ends(programs, firmware, address):
    async def run() -> None:
        programs.append(serving := gateway())
        async with mboxio.open_async(address, **DEFAULTS) as client:
            assert await client.request(b"abc") == b"cba"
            requests = [client.submit(numbered(n)) for n in range(32)]
            serving.kill()
            ends = await asyncio.gather(*requests, return_exceptions=True)
            assert all(isinstance(each, RemoteGone | bytes) for each in ends)
            programs.append(await asyncio.to_thread(gateway))
            assert await client.request(b"abc") == b"cba"

    asyncio.run(run())


def test_gateways_come_and_go_while_nobody_asks(house: House):
    """A program that only listens finds the next gateway by itself."""
    from mboxio.controllers.loopback import Loopback

    house.serve(Loopback())
    with mboxio.open(f"{house.address}/0") as client, client.subscribe() as messages:
        house.close()
        with pytest.raises(RemoteGone):
            messages.get(20)
        again = Loopback()
        house.serve(again)
        until(lambda: "attach" in house.lines[-1], "the user comes back")
        gate = house.gateway
        assert gate is not None
        until(lambda: gate.exports["board"].connection._host.channels["0"].subscriptions, "")
        again.notify(0, b"hello")
        assert messages.get(20) == b"hello"


def test_a_queue_that_is_stuck_is_told_as_it_is(house: House):
    """Messages that the mailbox takes no more of wait at the gateway: they were not handed over."""
    from tests.drivers import IrqFifo

    driver = IrqFifo()
    house.serve(driver)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        driver.far.stall()
        depth = driver.queue.depth
        first = [client.submit(b"%d" % n) for n in range(depth)]
        until(lambda: all(map(handed_over, first)), "they are handed over")
        last = client.submit(b"last", queue_timeout_s=0.2)
        error = last.exception()
        assert isinstance(error, RequestTimeout)
        assert (error.stage, error.handed_over) == ("queue", "no")
        assert [each.stage for each in first] == ["tx_done"] * depth
        driver.far.resume()
        assert [each.result() for each in first] == [b"%d" % n for n in range(depth)]


def test_what_is_cancelled_here_is_cancelled_there(house: House):
    from tests.drivers import IrqFifo

    driver = IrqFifo()
    gate = house.serve(driver)
    with mboxio.open(f"{house.address}/0", timeout_s=20) as client:
        driver.far.stall()
        request = client.submit(b"never mind")
        until(lambda: handed_over(request), "it is handed over")
        assert request.cancel()
        assert isinstance(request.exception(), MailboxError)
        far = gate.exports["board"].connection
        until(lambda: far.stats()["0"].cancelled == 1, "it is cancelled at the gateway")
        until(lambda: request.done() and held(client) == (), "and let go of here")
        driver.far.resume()
        assert client.request(b"next") == b"next"
