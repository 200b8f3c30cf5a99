"""The host process forks: the connection belongs to the parent."""

import asyncio
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import mboxio
from mboxio import ForkedError, RemoteGone
from tests.shm.support import PATIENCE_S, Traffic, until
from tests.tools import fork

TWO = {"a": (4, 64), "b": (4, 64)}


@contextmanager
def child(work: Callable[[], str]) -> Iterator[str]:
    """Fork; the child says what came of ``work`` and then lives until the end of the block."""
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(3 * int(PATIENCE_S))
            try:
                said = work()
            except BaseException as error:
                said = repr(error)
            os.write(writing, said.encode())
            signal.pause()
        finally:
            os._exit(0)
    os.close(writing)
    try:
        assert select.select([reading], [], [], 5)[0], "the child hangs"
        yield os.read(reading, 4096).decode()
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def verbs(connection: mboxio.Connection, client: mboxio.Client) -> Callable[[], str]:
    """Try everything; return the names of the errors."""

    def work() -> str:
        found = []
        for verb in (
            lambda: client.request(b"x"),
            lambda: client.send(b"x"),
            lambda: client.submit(b"x"),
            lambda: client.flush(),
            lambda: client.subscribe(),
            lambda: connection.client("a"),
        ):
            try:
                verb()
                found.append("nothing")
            except Exception as error:
                found.append(type(error).__name__)
        client.close()
        connection.close()
        return " ".join(found)

    return work


def test_fork_in_traffic(firmware):
    remote = firmware("t", TWO)
    with mboxio.connect("shm:t") as connection:
        client = connection.client("a")
        with Traffic(
            connection,
            ("a", "b"),
            (("a", "b"),),
            tolerate=(RemoteGone,),
            timeout_s=20,
            queue_timeout_s=20,
        ) as traffic:
            traffic.advance(20, "a", "b")
            for _ in range(3):
                with child(verbs(connection, client)) as said:
                    assert said == " ".join(["ForkedError"] * 6)
                    traffic.advance(20, "a", "b")
                    assert not traffic.errors
                    assert remote.do("hosts") == 1
            with child(lambda: "lives") as said:
                assert said == "lives"
                remote.kill()
                remote = firmware("t", TWO)
                traffic.advance(20, "a", "b")
        assert all(type(error) is RemoteGone for error in traffic.errors)


@pytest.mark.parametrize("waits", ["in a thread", "on a loop"])
def test_a_silent_remote_is_killed_while_a_child_lives(firmware, waits):
    remote = firmware("t", mute=("a",))
    with mboxio.connect("shm:t") as connection:
        if waits == "on a loop":

            async def ask() -> None:
                async with connection.async_client("a", timeout_s=None) as client:
                    request = client.submit(b"x")
                    await client.flush(20)
                    with child(lambda: "lives"):
                        remote.kill()
                        with pytest.raises(RemoteGone):
                            await request

            asyncio.run(ask())
        else:
            with connection.client("a", timeout_s=None) as client:
                request = client.submit(b"x")
                client.flush(20)
                with child(lambda: "lives"):
                    remote.kill()
                    with pytest.raises(RemoteGone):
                        request.result()


@pytest.mark.parametrize("used", ["by a thread", "by a loop"])
def test_the_parent_leaves_while_a_child_lives(firmware, used):
    remote = firmware("t")
    connection = mboxio.connect("shm:t")
    if used == "by a loop":

        async def live() -> None:
            async with connection.async_client("a") as client:
                assert await client.request(b"12") == b"21"
                with child(lambda: "lives"):
                    connection.close()
                    await asyncio.sleep(0)
                    await asyncio.to_thread(until, lambda: remote.do("hosts") == 0, "it left")

        asyncio.run(live())
    else:
        with connection.client("a") as client:
            assert client.request(b"12") == b"21"
        with child(lambda: "lives"):
            connection.close()
            until(lambda: remote.do("hosts") == 0, "the parent left")


def test_a_child_does_not_look_for_a_lost_remote(firmware):
    remote = firmware("t")
    with mboxio.open("shm:t/a") as client:
        client.request(b"x")
        remote.kill()
        with pytest.raises(RemoteGone):
            client.submit(b"x").result()
        remote = firmware("t")

        def work() -> str:
            end = time.monotonic() + 0.1  # longer than the pauses between two tries
            while time.monotonic() < end:
                with pytest.raises(ForkedError):
                    client.request(b"x")
            return "ForkedError"

        with child(work) as said:
            assert said == "ForkedError"
            assert remote.do("stats")["connections"] == 0


def test_fork_while_another_thread_opens_a_client(firmware):
    """Whatever lock was held at that moment, nothing hangs in the child."""
    firmware("t")
    with mboxio.connect("shm:t") as connection, connection.client("a") as client:
        held, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with connection._host.admin:
                held.set()
                leave.wait(PATIENCE_S)

        holder = threading.Thread(target=hold)
        holder.start()
        assert held.wait(PATIENCE_S)
        try:
            with child(verbs(connection, client)) as said:
                assert said == " ".join(["ForkedError"] * 6)
        finally:
            leave.set()
            holder.join()
        assert client.request(b"12") == b"21"
