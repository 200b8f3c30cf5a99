"""Shared memory whose remote goes and comes back: the knock, the memory, and what is in between."""

import asyncio
import os
import resource
import select
from typing import Any

import pytest

import mboxio
from mboxio import Connection, RemoteGone
from mboxio.controllers.shm import SharedMemory
from mboxio.local.sockets import listen
from mboxio.remote import Remote
from tests.shm.conftest import sockets as sockets

from .support import PATIENCE_S, look, reached, until


def echo(*names: str) -> Remote:
    """Return a remote that answers every message backwards."""
    remote = Remote("t")
    for name in names:
        remote.handler(name)(lambda message: message[::-1])
    return remote


def notice_the_end(connection: Connection) -> None:
    until(lambda: connection._host.lost or look(connection))


def readable(connection: Any) -> bool:
    return bool(select.select([connection], [], [], PATIENCE_S)[0])


class Overtaken(SharedMemory):
    """The memory of an earlier knock is taken when ``reconnect`` has just begun to knock again."""

    knock_again = False

    def reconnect(self) -> bool:
        if self.knock_again:
            self.knock_again = False
            look(self.host)  # type: ignore[arg-type]
            assert self.linked
        return super().reconnect()


def test_memory_that_comes_while_another_thread_knocks_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Knocking goes on without the lock: it must not hang up on a link that came up meanwhile."""
    # The remote may find the second call closed already. A kept record of that keeps the memory.
    caplog.set_level("ERROR", "mboxio.remote")
    driver = Overtaken("t")
    with echo("a"):
        connection = Connection(driver)
        client = connection.client("a")
        assert client.request(b"12") == b"21"
    notice_the_end(connection)
    with echo("a"), connection:
        connection._host.pump.reconnect_ns = 0
        connection._host.life.try_again()  # the memory comes as an event
        linked = driver.socket
        assert readable(linked)
        driver.knock_again = True
        connection._host.pump.reconnect_ns = 0
        connection._host.life.try_again()
        assert not driver.knock_again
        assert driver.socket is linked
        assert client.request(b"12") == b"21"


def test_an_event_before_the_memory_came_is_only_a_hint() -> None:
    """A sleeper on the old descriptor may wake for nothing while the new call is open."""
    driver = SharedMemory("t")
    with echo("a"):
        connection = Connection(driver)
    notice_the_end(connection)
    listening, lock = listen("t")  # accepts and says nothing yet
    try:
        connection._host.pump.reconnect_ns = 0
        connection._host.life.try_again()
        pending = driver.socket
        assert pending is not None
        look(connection)
        assert driver.socket is pending, "the connection was given up for a spurious event"
    finally:
        connection.close()
        listening.close()
        os.close(lock)


class Taking(SharedMemory):
    taken = False

    def take_memory(self) -> None:
        try:
            super().take_memory()
        finally:
            self.taken = True


def test_a_remote_that_comes_back_with_other_names_every_time_is_bounded() -> None:
    driver = Taking("t")
    with echo("a"):
        connection = Connection(driver)
    with connection:
        notice_the_end(connection)
        for life in range(5):
            with echo(f"new{life}"):
                driver.taken = False
                until(lambda: connection._host.life.seek() or look(connection) or driver.taken)  # type: ignore[redundant-expr]
        assert list(connection._host.channels) == ["a"]


def test_a_reconnect_without_descriptors_to_spare() -> None:
    """EMFILE in reconnect() must not take a user's call along."""
    with echo("a"):
        connection = mboxio.connect("shm:t")
        client = connection.client("a")
    notice_the_end(connection)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with connection:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            connection._host.pump.reconnect_ns = 0
            with pytest.raises(RemoteGone):
                client.submit(b"x")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Counting(SharedMemory):
    tries = depth = deepest = 0

    def reconnect(self) -> bool:
        self.tries += 1
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        try:
            return super().reconnect()
        finally:
            self.depth -= 1


def test_a_loop_that_finds_the_remote_gone_does_not_recurse() -> None:
    async def run() -> int:
        remote = echo("a")
        remote.start()
        driver = Counting("t")
        with Connection(driver) as connection:
            async with connection.async_client("a") as client:
                assert await client.request(b"12") == b"21"
                await asyncio.to_thread(remote.stop)
                await reached(lambda: driver.tries)
        return driver.deepest

    assert asyncio.run(run()) == 1
