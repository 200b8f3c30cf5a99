"""Doorbells without anything behind them: how often the host wakes for them is bounded."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

import mboxio
from mboxio._base.clock import Parker
from mboxio._base.completion import Completion
from mboxio._base.request import Owner
from mboxio._pump.ears import Ears
from mboxio._pump.sleepers import DEAF_MAX_NS, EVENTS_PER_DOUBT, USELESS_MAX
from mboxio.driver.controller import EVENT, LOOK
from mboxio.local.sockets import DOORBELL
from mboxio.regions import Memory
from mboxio.remote.serving.handshake import greet, new_memory
from mboxio.ring import MESSAGE, Producer, producer
from mboxio.ring.layout import ChannelSpec, MemoryLayout
from tests.hardening.support import reached
from tests.shm.support import Impostor

LATER_NS = 3_600_000_000_000


@contextmanager
def flooded() -> Iterator[tuple[mboxio.Connection, Producer, socket.socket]]:
    """Connect; the other one sends messages as the remote would."""
    made: list[tuple[Memory, MemoryLayout]] = []

    def greeted(connection: socket.socket) -> None:
        memory, layout, descriptor = new_memory([ChannelSpec("a", 64, 64)])
        made.append((memory, layout))
        greet(connection, memory, descriptor)
        os.close(descriptor)

    with Impostor("t", greeted) as impostor, mboxio.connect("shm:t") as connection:
        memory, layout = made.pop()
        to_host = producer(memory, layout.channels[0].to_host, None)
        yield (connection, to_host, impostor.sockets[0])
        del memory


def sleeps(connection: mboxio.Connection, events: int) -> list[bool]:
    """Wake the leader so often; return whether each sleep after it hears the remote."""
    pump, parker = connection._host.pump, Parker()
    pump.leader = parker
    hears: list[bool] = []
    for _ in range(events):
        now_ns = connection._host.pump.clock.now_ns()
        assert pump.lead_on(parker, Completion(Owner()), now_ns + LATER_NS, EVENT)
        hears.append(len(parker.watched) > 1)
        until_ns = DEAF_MAX_NS if not hears[-1] else LATER_NS
        assert parker.wake_ns <= connection._host.pump.clock.now_ns() + until_ns
    pump.gate.call(pump.woke, parker)
    pump.leader = None
    return hears


def test_after_useless_doorbells_the_next_are_not_heard_for_a_while() -> None:
    with flooded() as (connection, *_):
        heard = sleeps(connection, EVENTS_PER_DOUBT + USELESS_MAX + 20)
        patience = EVENTS_PER_DOUBT + USELESS_MAX - 1
        assert heard[:patience] == [True] * patience
        assert heard[patience:] == [False] * (len(heard) - patience)


def test_a_deadline_is_not_slept_through() -> None:
    with flooded() as (connection, *_):
        sleeps(connection, EVENTS_PER_DOUBT + USELESS_MAX + 20)
        pump, parker = connection._host.pump, Parker()
        pump.leader = parker
        due_ns = connection._host.pump.clock.now_ns() + 1_000_000
        pump.lead_on(parker, Completion(Owner()), due_ns, EVENT)
        assert parker.wake_ns <= due_ns
        pump.gate.call(pump.woke, parker)
        pump.leader = None


def test_news_is_heard_again_at_once() -> None:
    with flooded() as (connection, remote, _):
        sleeps(connection, EVENTS_PER_DOUBT + USELESS_MAX + 20)
        for _ in range(200):
            assert remote.push(MESSAGE, 0, b"news")
            assert sleeps(connection, 1) == [True]


def taken_by_another_look(connection: mboxio.Connection, remote: Producer) -> None:
    """Have a message taken before its doorbell is heard."""
    assert remote.push(MESSAGE, 0, b"news")
    connection._host.pump.look_for(LOOK)


def test_doorbells_of_messages_that_another_look_has_taken_are_heard_on() -> None:
    with flooded() as (connection, remote, _), connection.client("a").subscribe() as messages:
        for _ in range(EVENTS_PER_DOUBT + 10 * USELESS_MAX):
            taken_by_another_look(connection, remote)
            assert messages.take() == b"news"
            assert sleeps(connection, 2) == [True] * 2  # the second one is of no use


def test_a_flood_with_messages_beside_it_is_heard_less_all_the_same() -> None:
    with flooded() as (connection, remote, _):
        sleeps(connection, EVENTS_PER_DOUBT)
        for _ in range(4):
            taken_by_another_look(connection, remote)
            heard = sleeps(connection, 2 * USELESS_MAX)
        assert heard.count(True) < USELESS_MAX


PATIENCE = EVENTS_PER_DOUBT + USELESS_MAX - 1
"""So many doorbells in a row are heard, whatever they are about."""
BELLS = PATIENCE + 40


class CountedEars(Ears):
    """Counts what a loop hears, and how often it rests."""

    heard = rests = 0

    def add(self, descriptor: int) -> None:
        if not self.copies:
            self.call, self._heard = self._heard, self.hear
        super().add(descriptor)

    def hear(self) -> None:
        self.heard += 1
        self.call()

    def rest(self, pause_ns: int) -> None:
        self.rests += 1
        assert pause_ns <= DEAF_MAX_NS
        super().rest(pause_ns)


@asynccontextmanager
async def flooded_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[CountedEars, asyncio.Task[bytes], Producer, socket.socket]]:
    """As `flooded`, where an event loop awaits a message."""
    monkeypatch.setattr("mboxio._pump.loops.Ears", CountedEars)
    with flooded() as (connection, remote, bell):
        async with connection.async_client("a") as client, client.subscribe() as messages:
            waiting = asyncio.create_task(messages.get())
            pump: Any = connection._host.pump
            await reached(lambda: pump.loops and pump.loops[0].ears.copies)
            ears = pump.loops[0].ears
            yield ears, waiting, remote, bell
            waiting.cancel()
    await reached(lambda: not ears.copies)
    assert ears.pause is None


def ring(bell: socket.socket, count: int) -> None:
    for _ in range(count):
        bell.send(DOORBELL)


def test_an_event_loop_rests_after_each_useless_doorbell(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with flooded_loop(monkeypatch) as (ears, waiting, remote, bell):
            ring(bell, BELLS)
            await reached(lambda: ears.heard == BELLS)
            assert ears.rests == BELLS - PATIENCE
            assert remote.push(MESSAGE, 0, b"news")  # and no doorbell: the pause ends by itself
            ring(bell, not ears.pause)
            assert await waiting == b"news"

    asyncio.run(run())


def test_an_event_loop_that_rests_closes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with flooded_loop(monkeypatch) as (ears, _waiting, _remote, bell):
            ring(bell, BELLS)
            await reached(lambda: ears.pause is not None)

    asyncio.run(run())
