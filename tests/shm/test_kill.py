"""The remote is killed in the middle of traffic, again and again."""

import asyncio
import os

import pytest

import mboxio
from mboxio import RemoteGone
from tests.shm.support import Traffic, until

LIVES = int(os.environ.get("MBOXIO_LIVES", "15"))
CHANNELS = {"a": (4, 64), "b": (8, 64)}
# Before the message left it can be repeated; afterwards only the firmware could know.
FITTING = {("queue", "no"), ("tx_done", "yes"), ("reply", "yes")}


def memories() -> int:
    """Return how many shared memories are mapped here."""
    with open("/proc/self/maps") as maps:
        return sum("/memfd:mboxio" in line for line in maps)


def test_many_lives_of_a_remote_on_one_connection(firmware):
    remote = firmware("t", CHANNELS)
    with mboxio.connect("shm:t") as connection:
        descriptors = []
        traffic = Traffic(
            connection,
            ("a", "b"),
            (("a", "b"),),
            tolerate=(RemoteGone,),
            timeout_s=20,
            queue_timeout_s=20,
        )
        with traffic:
            for _ in range(LIVES):
                following = firmware("t", CHANNELS, standby=True)
                traffic.advance(5, "a", "b")
                remote.kill()
                remote = following
                remote.serve()
                traffic.advance(1, "a", "b")
                assert memories() == 1
                descriptors.append(len(os.listdir("/proc/self/fd")))
        for error in traffic.errors:
            assert type(error) is RemoteGone
            assert (error.stage, error.handed_over) in FITTING
            assert "\n" not in str(error)
        # A loop is told of new descriptors a moment later than others.
        assert max(descriptors[10:]) <= max(descriptors[:10]) + 4
        for counts in connection.stats().values():
            assert (counts.in_flight, counts.queued, counts.unknown) == (0, 0, 0)
            assert (counts.held_slots, counts.held_credits, counts.held_tags) == (0, 0, ())
        assert sum(each.failed for each in connection.stats().values()) == len(traffic.errors)
        with connection.client("a") as client:
            assert client.request(b"123") == b"321"


@pytest.mark.parametrize("way", ["blocking", "polling", "async", "callback", "subscription"])
def test_whoever_waits_is_told_at_once(firmware, way):
    remote = firmware("t", {"a": (4, 64)}, mute=("a",))
    with mboxio.connect("shm:t") as connection:
        if way == "async":

            async def ask() -> None:
                async with connection.async_client("a", timeout_s=None) as client:
                    request = client.submit(b"x")
                    await client.flush(20)
                    await asyncio.to_thread(remote.kill)
                    with pytest.raises(RemoteGone) as raised:
                        await request
                    assert (raised.value.stage, raised.value.handed_over) == ("reply", "yes")

            asyncio.run(ask())
            return
        with connection.client("a", timeout_s=None) as client:
            if way == "subscription":
                with client.subscribe() as messages:
                    remote.kill()
                    with pytest.raises(RemoteGone):
                        messages.get(20)
                return
            request = client.submit(b"x")
            client.flush(20)
            if way == "callback":
                over: list[object] = []
                request.add_done_callback(over.append)
                remote.kill()
                until(lambda: over, "the callback")
            remote.kill()
            if way == "polling":
                until(request.done, "looking is enough")
            error = request.exception()
            assert isinstance(error, RemoteGone)
            assert (error.stage, error.handed_over) == ("reply", "yes")
            with pytest.raises(RemoteGone) as raised:
                client.submit(b"y")
            assert raised.value.handed_over == "no"


def test_nobody_uses_a_connection_while_the_remote_dies_and_returns(firmware):
    remote = firmware("t", CHANNELS)
    handed_over: list[str | None] = []
    with mboxio.connect("shm:t") as connection, connection.client("a") as client:
        for _ in range(3):
            assert client.request(b"123") == b"321"
            remote.kill()
            remote = firmware("t", CHANNELS)
            # The old life is not known to be over, so the first message may go down with it.
            try:
                client.request(b"lost", queue_timeout_s=20)
            except RemoteGone as error:
                handed_over.append(error.handed_over)
    assert set(handed_over) <= {"yes"}
