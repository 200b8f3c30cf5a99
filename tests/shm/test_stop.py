"""A remote that stands still: requests time out, what it may still touch stays held."""

import asyncio

import pytest

import mboxio
from mboxio import QueueFull, RequestTimeout
from tests.shm.support import answer, numbered, until

DEPTH = 4


def held(client: mboxio.Client) -> tuple[int, int, int]:
    counts = client._host.stats()["a"]  # type: ignore[attr-defined]
    return counts.held_slots, counts.held_credits, len(counts.held_tags)


def test_frozen_before_it_took_the_messages(firmware):
    remote = firmware("t", {"a": (DEPTH, 64)})
    with mboxio.open("shm:t/a") as client:
        client.request(b"warm")
        remote.freeze()
        requests = [client.submit(numbered(number), timeout_s=0.05) for number in range(DEPTH)]
        for request in requests:
            with pytest.raises(RequestTimeout) as raised:
                request.result()
            assert (raised.value.stage, raised.value.handed_over) == ("tx_done", "yes")
        assert held(client) == (DEPTH, DEPTH, DEPTH)
        with pytest.raises(QueueFull) as full:
            client.submit(b"no place")
        assert full.value.reason == "slots"
        assert len(full.value.held_tags) == DEPTH  # type: ignore[attr-defined]
        with pytest.raises(RequestTimeout) as raised:
            client.request(b"no place", queue_timeout_s=0.05)
        assert (raised.value.stage, raised.value.handed_over) == ("queue", "no")
        remote.thaw()
        # Each is answered before the next one is taken: who looks meanwhile may see an answer
        # before it has seen that its message left, and then the answer frees the slot.
        consumer = client._channel.context.consumer
        until(lambda: consumer.pending() == DEPTH, "not all were answered")
        message = numbered(100)
        assert client.request(message, timeout_s=20, queue_timeout_s=20) == answer(message)
        counts = client._host.stats()["a"]  # type: ignore[attr-defined]
        assert (counts.late, counts.unknown, counts.timed_out) == (DEPTH, 0, DEPTH + 1)
        assert held(client) == (0, 0, 0)
        assert counts.freed_by == {"tx_done": DEPTH, "reply": DEPTH}
        assert [bytes(client.request(numbered(n))) for n in range(9)] == [
            answer(numbered(n)) for n in range(9)
        ]


def test_frozen_after_it_took_a_message(firmware):
    remote = firmware("t", {"a": (DEPTH, 64)}, gated=("a",))
    with mboxio.open("shm:t/a") as client:
        requests = [client.submit(numbered(0), timeout_s=0.5)]
        client.flush(20)  # taken, and the handler waits
        requests += [client.submit(numbered(number), timeout_s=0.1) for number in range(1, DEPTH)]
        remote.freeze()
        for request, stage in zip(requests, ["reply"] + ["tx_done"] * (DEPTH - 1), strict=True):
            with pytest.raises(RequestTimeout) as raised:
                request.result()
            assert (raised.value.stage, raised.value.handed_over) == (stage, "yes")
        assert held(client) == (DEPTH - 1, DEPTH, DEPTH)
        with pytest.raises(QueueFull) as full:
            client.submit(b"no credit")
        assert full.value.reason == "credits"
        remote.thaw()
        remote.tell("open_gate")
        message = numbered(100)
        assert client.request(message, timeout_s=20, queue_timeout_s=20) == answer(message)
        assert client._host.stats()["a"].late == DEPTH  # type: ignore[attr-defined]
        assert held(client) == (0, 0, 0)
        remote.outcome()


def test_cancelled_requests_hold_like_timed_out_ones(firmware):
    remote = firmware("t", {"a": (DEPTH, 64)})

    async def cancel() -> None:
        async with mboxio.open_async("shm:t/a") as client:
            await client.request(b"warm")
            remote.freeze()
            tasks = [
                asyncio.create_task(client.request(numbered(number))) for number in range(DEPTH)
            ]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert all(task.cancelled() for task in tasks)
            assert held(client)[2] == DEPTH  # type: ignore[arg-type]
            remote.thaw()
            message = numbered(7)
            reply = await client.request(message, timeout_s=20, queue_timeout_s=20)
            assert reply == answer(message)
            assert client._host.stats()["a"].late == DEPTH  # type: ignore[attr-defined]
            assert held(client) == (0, 0, 0)  # type: ignore[arg-type]

    asyncio.run(cancel())


def test_a_buffer_is_never_touched_after_its_request_ended(firmware):
    remote = firmware("t", {"a": (DEPTH, 64)})
    buffer = bytearray(64)
    with mboxio.open("shm:t/a") as client:
        client.request(b"warm")
        remote.freeze()
        with pytest.raises(RequestTimeout):
            client.request(numbered(1), timeout_s=0.05, into=buffer)
        remote.thaw()
        message = numbered(2)
        assert client.request(message, timeout_s=20, queue_timeout_s=20) == answer(message)
        assert client._host.stats()["a"].late == 1  # type: ignore[attr-defined]
    assert not any(buffer)
    buffer.append(0)  # not exported any more


def test_one_way_messages_wait_for_their_slot(firmware):
    remote = firmware("t", {"a": (DEPTH, 64)})
    with mboxio.open("shm:t/a", backlog=2) as client:
        client.request(b"warm")
        remote.freeze()
        posted = [client.post(b"keep%d" % number, timeout_s=None) for number in range(DEPTH)]
        backlog = [
            client.post(b"keep%d" % number, timeout_s=None, queue_timeout_s=None)
            for number in (DEPTH, DEPTH + 1)
        ]
        with pytest.raises(QueueFull) as full:
            client.post(b"too many")
        assert full.value.reason == "backlog"
        with pytest.raises(RequestTimeout):
            client.flush(0.05)
        assert not any(request.done() for request in posted + backlog)
        remote.thaw()
        client.flush(20)
        assert all(request.done() for request in posted + backlog)
        client.request(b"barrier")
        assert remote.do("kept", "a") == [b"keep%d" % number for number in range(DEPTH + 2)]
