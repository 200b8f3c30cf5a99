"""Remotes and hosts come and go in every order."""

import asyncio
import errno
import threading
import time

import pytest

import mboxio
from mboxio import AddressError, ClosedError, RemoteGone, RequestTimeout
from mboxio._base.deputies import acting
from mboxio.testing.tracer import Tracer
from tests.shm.support import Impostor, Program, Traffic, answer, numbered, until

TWO = {"a": (4, 64), "b": (4, 64)}


def test_nobody_listens():
    with pytest.raises(RemoteGone, match="nobody serves shm:t"):
        mboxio.connect("shm:t")


@pytest.mark.parametrize("name", ["", "a b", "../t", "x" * 65])
def test_impossible_names(name):
    with pytest.raises(AddressError):
        mboxio.connect(f"shm:{name}")


def test_a_socket_that_was_left_behind(firmware):
    firmware("t").kill()
    with pytest.raises(RemoteGone, match="nobody serves shm:t"):
        mboxio.connect("shm:t")
    firmware("t")
    with mboxio.open("shm:t/a") as client:
        assert client.request(b"12") == b"21"


def test_the_remote_exits_cleanly_in_traffic(firmware):
    remote = firmware("t", TWO)
    with mboxio.connect("shm:t") as connection:
        with Traffic(
            connection, ("a", "b"), (("a",),), tolerate=(RemoteGone,), queue_timeout_s=20
        ) as traffic:
            traffic.advance(20, "a", "b")
            remote.exit()
            remote = firmware("t", TWO)
            traffic.advance(20, "a", "b")
        for error in traffic.errors:
            assert error.handed_over in ("no", "yes")


def test_a_request_waits_for_a_remote_that_starts_later(firmware):
    remote = firmware("t")
    following = firmware("t", standby=True)
    replies: list[bytes] = []
    with mboxio.open("shm:t/a") as client:
        client.request(b"x")
        remote.kill()
        with pytest.raises(RemoteGone):
            client.submit(b"x").result()  # that is how its death is noticed at the latest
        with pytest.raises(RequestTimeout) as raised:
            client.request(b"x", queue_timeout_s=0.05)
        assert (raised.value.stage, raised.value.handed_over) == ("queue", "no")
        waiting = threading.Thread(
            target=lambda: replies.append(client.request(b"later", queue_timeout_s=20))
        )
        waiting.start()
        until(lambda: client._host.stats()["a"].queued, "the request in line")  # type: ignore[attr-defined]
        following.serve()
        waiting.join(30)
        assert replies == [b"retal"]


def test_loops_alone_find_the_remote_again(firmware):
    remote = firmware("t")
    following = firmware("t", standby=True)

    async def live() -> None:
        async with mboxio.open_async("shm:t/a", queue_timeout_s=20) as client:
            await client.request(b"x")
            remote.kill()
            with pytest.raises(RemoteGone):
                await client.submit(b"x")
            with pytest.raises(RequestTimeout) as raised:
                await client.request(b"x", queue_timeout_s=0.1)
            assert (raised.value.stage, raised.value.handed_over) == ("queue", "no")
            later = [asyncio.create_task(client.request(numbered(n))) for n in range(20)]
            await asyncio.sleep(0)
            await asyncio.to_thread(following.serve)
            assert await asyncio.gather(*later) == [answer(numbered(n)) for n in range(20)]

    asyncio.run(live())


def test_the_remote_comes_back_with_more_channels(firmware):
    remote = firmware("t", {"a": (4, 64)})
    with mboxio.connect("shm:t") as connection, connection.client("a") as client:
        client.request(b"x")
        remote.kill()
        firmware("t", TWO)
        assert ask(client, b"12") == b"21"
        with connection.client("b") as other:
            assert other.request(b"34") == b"43"


@pytest.mark.parametrize(
    "wrong",
    [{"b": (4, 64)}, {"a": (5, 64)}, {"a": (4, 128)}, {"c": (4, 64)}],
    ids=["a channel less", "another depth", "other messages", "another channel"],
)
def test_the_remote_comes_back_with_other_channels(firmware, wrong):
    remote = firmware("t", {"a": (4, 64)})
    with mboxio.connect("shm:t") as connection, connection.client("a") as client:
        client.request(b"x")
        remote.kill()
        remote = firmware("t", wrong)

        def refused() -> bool:
            with pytest.raises((RequestTimeout, RemoteGone)):
                client.request(b"x", queue_timeout_s=0.1)
            with pytest.raises(RemoteGone) as raised:
                client.submit(b"x")
            return "came back" in str(raised.value)

        until(refused, "the host looks at the new remote")
        remote.kill()
        firmware("t", {"a": (4, 64)})
        assert ask(client, b"12") == b"21"


def ask(client: mboxio.Client, message: bytes) -> bytes:
    """Make a request whose first try may meet the death of an old remote."""
    try:
        return client.request(message, queue_timeout_s=20)
    except RemoteGone:
        return client.request(message, queue_timeout_s=20)


def test_two_connections_do_not_see_each_other(firmware):
    remote = firmware("t", TWO)
    with mboxio.connect("shm:t") as first:
        with mboxio.connect("shm:t") as second:
            assert remote.do("hosts") == 2
            with (
                Traffic(first, ("a", "b"), (("a",),), timeout_s=20) as one,
                Traffic(second, ("a", "b"), (("a",),), timeout_s=20) as other,
            ):
                one.advance(50, "a", "b")
                other.advance(50, "a", "b")
            assert first.stats()["a"].done == one.right["a"]
            assert second.stats()["a"].done == other.right["a"]
        until(lambda: remote.do("hosts") == 1, "the second host left")
        with first.client("a") as client:
            assert client.request(b"12") == b"21"


def test_the_host_closes_in_traffic_and_the_next_one_comes(firmware):
    remote = firmware("t", TWO)
    for _ in range(5):
        connection = mboxio.connect("shm:t")
        traffic = Traffic(connection, ("a", "b"), (("a", "b"),), tolerate=(ClosedError,))
        with traffic:
            traffic.advance(20, "a", "b")
            connection.close()
        for error in traffic.errors:
            assert type(error) is ClosedError
        until(lambda: remote.do("hosts") == 0, "the host left")
    counts = remote.do("stats")
    assert (counts["connections"], counts["lies"], counts["refused"]) == (5, 0, 0)


@pytest.mark.parametrize("waiting", ["reply", "message"])
def test_the_host_closes_right_before_a_waiter_sleeps(firmware, waiting):
    firmware("t", mute=("a",))
    closers: list[threading.Thread] = []
    waiter = acting()

    def trace(point: str, subject: object) -> None:
        if point == "pump.sleeping" and acting() == waiter and not closers:
            closers.append(threading.Thread(target=connection.close))
            closers[0].start()
            closers[0].join()

    connection = mboxio.connect("shm:t")
    connection._host.add_tap(Tracer(trace))
    client = connection.client("a", timeout_s=None)
    wait = client.subscribe().get if waiting == "message" else client.submit(b"x").result
    with pytest.raises(ClosedError):
        wait()
    assert closers


def test_the_service_thread_is_not_robbed_of_its_kick(firmware):
    """A waiter takes the lead while the service thread falls asleep: both must be woken."""
    firmware("t")
    asleep, go_on = threading.Event(), threading.Event()
    here = acting()

    def trace(point: str, subject: object) -> None:
        if point == "pump.sleeping" and acting() != here:
            asleep.set()
            go_on.wait(20)

    with mboxio.connect("shm:t") as connection:
        connection._host.add_tap(Tracer(trace))
        messages = connection.client("a").subscribe()  # from now on the service thread leads
        assert asleep.wait(20)
        with pytest.raises(RequestTimeout):
            messages.get(0.05)
        go_on.set()
    assert not [each for each in threading.enumerate() if "mboxio service" in each.name]


def test_a_host_that_is_killed_in_traffic_hurts_no_other(firmware, programs):
    remote = firmware("t", TWO)
    with mboxio.connect("shm:t") as connection:
        with Traffic(connection, ("a", "b"), timeout_s=20) as traffic:
            for _ in range(3):
                host = Program("host.py", {"address": "shm:t", "what": "traffic"})
                programs.append(host)
                assert host.line() == "in traffic"
                assert remote.do("hosts") == 2
                host.kill()
                until(lambda: remote.do("hosts") == 1, "the killed host is dropped")
                traffic.advance(20, "a", "b")
        assert not traffic.errors
    assert remote.do("stats")["lies"] == 0


def test_an_answer_that_comes_after_close_is_dropped(firmware, programs):
    remote = firmware("t")
    host = Program("host.py", {"address": "shm:t", "what": "late_answer"})
    programs.append(host)
    assert host.line() == "listening"
    ((_, _, status),) = remote.do("ask", "a", 1)
    assert status == errno.EPIPE
    assert host.end() == (0, "")


def test_a_loop_that_ended_keeps_no_connection(firmware):
    remote = firmware("t")
    loop = asyncio.new_event_loop()
    try:
        connection = mboxio.connect("shm:t")

        async def once() -> bytes:
            async with connection.async_client("a") as client:
                return await client.request(b"12")

        assert loop.run_until_complete(once()) == b"21"
        connection.close()
        until(lambda: remote.do("hosts") == 0, "the host left")
    finally:
        loop.close()


def test_an_event_is_only_a_hint(firmware):
    """A look at a new connection whose memory has not come yet must not give it up."""
    remote = firmware("t")
    with mboxio.open("shm:t/a") as client:
        client.request(b"x")
        remote.kill()
        with pytest.raises(RemoteGone):
            client.submit(b"x").result()
        with Impostor("t", lambda connection: None) as impostor:
            until(lambda: knock(client) or impostor.greeted, "a try to reach the next one")  # type: ignore[redundant-expr]
            host = client._host
            connected = host.controller.socket  # type: ignore[attr-defined]
            assert connected is not None
            host.gate.call(host.pump.turn, time.monotonic_ns(), "event")
            assert host.controller.socket is connected  # type: ignore[attr-defined]


def knock(client: mboxio.Client) -> None:
    """Have a lost remote looked for."""
    with pytest.raises(RemoteGone):
        client.submit(b"x")
