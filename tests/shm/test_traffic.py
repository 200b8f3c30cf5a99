"""Many threads and loops, many channels, one remote in another process: every reply fits."""

import asyncio
import threading

import pytest

import mboxio
from tests.shm.support import Traffic, answer, numbered

pytestmark = pytest.mark.usefixtures("each_way")

CHANNELS = {"a": (8, 64), "b": (1, 24), "c": (3, 200), "d": (32, 24)}
NAMES = tuple(CHANNELS)


def test_threads_and_loops_at_once_get_their_own_replies(firmware):
    remote = firmware("t", CHANNELS)
    with mboxio.connect("shm:t") as connection:
        with Traffic(connection, NAMES, (NAMES, NAMES), timeout_s=20) as traffic:
            traffic.advance(200, *NAMES)
        assert not traffic.errors
        here = connection.stats()
        there = remote.do("counts")
        assert sum(there.values()) == traffic.begun
        for name, counts in here.items():
            assert counts.sent == counts.done == there[name] == traffic.right[name]
            assert (counts.in_flight, counts.held_slots, counts.held_tags) == (0, 0, ())
            assert (counts.late, counts.unknown, counts.failed, counts.timed_out) == (0, 0, 0, 0)
    counts = remote.do("stats")
    assert counts["requests"] == traffic.begun
    assert (counts["lies"], counts["failures"]) == (0, 0)


def test_traffic_both_ways_on_every_channel(firmware):
    count = 150  # more than any ring
    remote = firmware("t", CHANNELS)
    asked: list[bytes] = []

    def handler(message: bytes) -> bytes:
        asked.append(message)
        return b"host " + message

    with mboxio.connect("shm:t") as connection:
        clients = {name: connection.client(name, timeout_s=20) for name in NAMES}
        subscriptions = {name: clients[name].subscribe(limit=count) for name in NAMES}
        for client in clients.values():
            client.on_request(handler, limit=count)
        with Traffic(connection, NAMES, (NAMES,), timeout_s=20) as traffic:
            for name in NAMES:
                for number in range(20):
                    clients[name].send(b"keep%d" % number)
                remote.do("notify", name, 1000, count)
                for number in range(1000, 1000 + count):
                    assert subscriptions[name].get(20) == number.to_bytes(8, "little")
                replies = remote.do("ask", name, count)
                assert sorted(question for question, _, _ in replies) == sorted(asked)
                assert all(reply == b"host " + question for question, reply, _ in replies)
                assert not any(status for _, _, status in replies)
                asked.clear()
            traffic.advance(20, *NAMES)
        for name, client in clients.items():
            client.request(b"barrier")
            assert remote.do("kept", name) == [b"keep%d" % number for number in range(20)]
        for counts in connection.stats().values():
            assert counts.notifications == count
            assert counts.remote_requests == count
            assert (counts.unclaimed, counts.messages_lost) == (0, 0)
            assert counts.remote_requests_refused == 0


@pytest.mark.parametrize("where", ["on the service thread", "on a loop"])
def test_a_handler_answers_more_requests_in_all_than_may_wait_for_it(firmware, where):
    remote = firmware("t", {"a": (4, 64)})
    limit, bursts = 8, 5

    def ask() -> list[tuple[bytes, bytes, int]]:
        return [each for _ in range(bursts) for each in remote.do("ask", "a", limit)]

    with mboxio.connect("shm:t") as connection:
        if where == "on a loop":

            async def serve() -> list[tuple[bytes, bytes, int]]:
                async with connection.async_client("a") as client:

                    async def handler(message: bytes) -> bytes:
                        await asyncio.sleep(0)
                        return b"host " + message

                    client.on_request(handler, limit=limit)
                    return await asyncio.to_thread(ask)

            replies = asyncio.run(serve())
        else:
            with connection.client("a") as client:
                client.on_request(lambda message: b"host " + message, limit=limit)
                replies = ask()
    assert len(replies) == limit * bursts
    assert all(reply == b"host " + question for question, reply, _ in replies)


def test_a_handler_that_raises_and_no_handler_are_told_to_the_remote(firmware):
    remote = firmware("t", {"a": (4, 64), "b": (4, 64)})
    with mboxio.connect("shm:t") as connection, connection.client("a") as client:

        def handler(message: bytes) -> bytes:
            raise ValueError("no such thing")

        client.on_request(handler)
        with connection.client("b"):
            ((_, text, status),) = remote.do("ask", "a", 1)
            assert b"no such thing" in text
            assert status
            ((_, text, status),) = remote.do("ask", "b", 1)
            assert b"no handler" in text
            assert status


def test_the_remote_answers_with_an_error(firmware):
    firmware("t", {"a": (4, 64)}, failing=("a",))
    with (
        mboxio.open("shm:t/a") as client,
        pytest.raises(mboxio.RemoteError, match="refused") as raised,
    ):
        client.request(b"x")
    assert raised.value.status == 5


@pytest.mark.parametrize("size", [0, 1, 7, 8, 63, 64])
def test_short_and_long_messages(firmware, size):
    firmware("t", {"a": (2, 64)})
    message = bytes(range(size))
    with mboxio.open("shm:t/a") as client:
        for _ in range(5):
            assert client.request(message) == answer(message)
            client.send(message)
        buffer = bytearray(b"#" * 64)
        assert client.request(message, into=buffer) == size
        assert buffer == answer(message).ljust(64, b"#")
        with pytest.raises(mboxio.MessageTooLong):
            client.request(bytes(65))
        assert client.request(message) == answer(message)


def test_a_reply_that_does_not_fit_leaves_the_buffer_alone(firmware):
    firmware("t", {"a": (2, 64)})
    buffer = bytearray(b"####")
    with mboxio.open("shm:t/a") as client:
        with pytest.raises(mboxio.ReplyTooLong):
            client.request(b"12345", into=buffer)
        assert buffer == b"####"
        assert client.request(b"1234", into=buffer) == 4
        assert buffer == b"4321"


def test_many_in_flight_from_many_threads_into_buffers(firmware):
    firmware("t", {"a": (16, 64)})
    wrong: list[bytes] = []

    def work(client: mboxio.Client, first: int) -> None:
        for number in range(first, first + 400, 4):
            buffers = [bytearray(24) for _ in range(4)]
            requests = [
                client.submit(numbered(number + i), into=buffer) for i, buffer in enumerate(buffers)
            ]
            for i, request in enumerate(requests):
                if request.result() != 24 or buffers[i] != answer(numbered(number + i)):
                    wrong.append(bytes(buffers[i]))

    with mboxio.connect("shm:t") as connection:
        clients = [connection.client("a", timeout_s=20, backlog=4) for _ in range(4)]
        threads = [
            threading.Thread(target=work, args=(client, 1000 * number))
            for number, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert connection.stats()["a"].done == 1600
    assert not wrong
