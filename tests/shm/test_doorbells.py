"""Doorbells and messages without end, and doorbells that nobody takes."""

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Iterator
from itertools import count

import pytest

import mboxio
from mboxio import MessagesLost, QueueFull, RemoteGone, RequestTimeout
from mboxio.remote import Remote
from tests.shm.support import Traffic, answer, numbered, until

MEMORY_BYTES = 4 << 20


def test_the_host_never_waits_for_a_socket_that_nobody_drains():
    remote = Remote("t")
    remote.channel("a", depth=8, message_bytes=64)
    remote.handler("a")(answer)
    with remote, mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=20)
        remote.stop_draining_socket()
        for _ in range(5000):
            client.ring()
        with Traffic(connection, ("a",), (("a",),), timeout_s=20) as traffic:
            traffic.advance(200, "a")
        for _ in range(200):
            client.send(b"x")
        remote.silence()
        for _ in range(8):
            client.post(b"x", timeout_s=None)
        with pytest.raises(QueueFull):
            client.post(b"x")
        for _ in range(1000):
            client.ring()
        remote.silence(False)
        client.flush(20)
        remote.stop_draining_socket(False)
        assert client.request(b"12") == b"21"
    assert remote.stats().messages == 208


def during_the_flood(connection: mboxio.Connection) -> Iterator[int]:
    """Count to 100, and on until the flood was too much for a subscriber."""
    for number in count():
        if number >= 100 and connection.stats()["a"].messages_lost:
            return
        yield number


@pytest.mark.parametrize("how", ["blocking", "async"])
def test_a_flood_is_told_and_hurts_no_request(firmware, how):
    remote = firmware("t", {"a": (8, 64), "b": (8, 64)})
    limit = 16
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=20)
        with client.subscribe(limit=limit) as messages, connection.client("b") as other:
            remote.do("flood", "a")
            tracemalloc.start()
            try:
                if how == "blocking":
                    for number in during_the_flood(connection):
                        message = numbered(number)
                        assert client.request(message) == answer(message)
                        assert other.request(message, timeout_s=20) == answer(message)
                else:

                    async def ask() -> None:
                        async with connection.async_client("a", timeout_s=20) as loops:
                            for number in during_the_flood(connection):
                                message = numbered(number)
                                assert await loops.request(message) == answer(message)

                    asyncio.run(ask())
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < MEMORY_BYTES
            sent = remote.do("end_flood")
            assert client.request(b"barrier") == answer(b"barrier")
            taken, lost, last = 0, 0, -1
            while taken + lost < sent:
                try:
                    number = int.from_bytes(messages.get(20), "little")
                except MessagesLost as error:
                    lost += error.count
                else:
                    taken += 1
                    assert number > last
                    last = number
            assert taken + lost == sent
            assert last == sent - 1
            assert taken <= limit
            assert lost
            counts = connection.stats()["a"]
            assert (counts.notifications, counts.messages_lost) == (sent, lost)


@pytest.mark.parametrize("handled", [False, True], ids=["no handler", "a handler"])
def test_questions_of_a_remote_that_takes_no_answers(handled):
    """What is owed to the remote is bounded, whatever it asks."""
    remote = Remote("t")
    remote.channel("a", depth=8, message_bytes=64)
    remote.handler("a")(answer)
    with remote, mboxio.connect("shm:t") as connection:
        client = connection.client("a", timeout_s=None)
        if handled:
            client.on_request(lambda message: message, limit=8)
        remote.silence()
        client.post(b"x")
        asked = 0
        while asked < 2000:
            try:
                remote.ask_wait("a", b"question", timeout_s=0)
            except RequestTimeout:
                asked += 1
            except QueueFull:
                connection._host.pump.look()
        connection._host.pump.look()
        until(lambda: not connection._host.worker.jobs, "the handler had its turn")
        assert connection.stats()["a"].remote_requests == asked
        assert len(connection._host.queues[0].answers) <= 64
        remote.silence(False)
        assert client.request(b"12", timeout_s=20, queue_timeout_s=20) == b"21"


def test_time_outs_come_in_a_flood_of_doorbells(firmware):
    remote = firmware("t", {"a": (8, 64), "b": (8, 64)}, mute=("b",))
    with mboxio.connect("shm:t") as connection:
        client = connection.client("b", timeout_s=0.05)
        remote.do("flood", "a")
        for _ in range(3):
            with pytest.raises(RequestTimeout) as raised:
                client.request(b"x")
            assert raised.value.stage == "reply"
        remote.do("end_flood")


def test_a_flooding_remote_dies(firmware):
    remote = firmware("t", {"a": (8, 64), "b": (8, 64)}, mute=("b",))
    ended: list[object] = []
    with mboxio.connect("shm:t") as connection:
        client = connection.client("b", timeout_s=None)
        remote.do("flood", "a")
        request = client.submit(b"x")
        waiter = threading.Thread(target=lambda: ended.append(request.exception()))
        waiter.start()
        end = time.monotonic() + 20
        while "b" not in remote.do("counts"):
            assert time.monotonic() < end
        remote.kill()
        waiter.join(20)
        assert [type(error) for error in ended] == [RemoteGone]
