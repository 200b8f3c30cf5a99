"""Doorbells without anything behind them: how often the host wakes for them is bounded."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import mboxio
from mboxio.bell import Bell
from mboxio.clock import Parker
from mboxio.controller import EVENT
from mboxio.io import Memory
from mboxio.remote.handshake import greet, new_memory
from mboxio.request import Owner
from mboxio.ring import MESSAGE, Producer, producer
from mboxio.ring.layout import ChannelSpec, MemoryLayout
from mboxio.sleepers import DEAF_MAX_NS, EVENTS_PER_DOUBT, USELESS_MAX
from tests.shm.support import Impostor

LATER_NS = 3_600_000_000_000


@contextmanager
def flooded() -> Iterator[tuple[mboxio.Connection, Producer]]:
    """Connect; the other one sends messages as the remote would."""
    made: list[tuple[Memory, MemoryLayout]] = []

    def greeted(connection: socket.socket) -> None:
        memory, layout, descriptor = new_memory([ChannelSpec("a", 64, 64)])
        made.append((memory, layout))
        greet(connection, memory, descriptor)
        os.close(descriptor)

    with Impostor("t", greeted), mboxio.connect("shm:t") as connection:
        memory, layout = made.pop()
        yield (connection, producer(memory, layout.channels[0].to_host, None))
        del memory


def sleeps(connection: mboxio.Connection, events: int) -> list[bool]:
    """Wake the leader so often; return whether each sleep after it hears the remote."""
    pump, parker = connection.pump, Parker()
    pump.leader = parker
    hears: list[bool] = []
    for _ in range(events):
        now_ns = connection.pump.clock.now_ns()
        assert pump.lead_on(parker, Bell(Owner()), now_ns + LATER_NS, EVENT)
        hears.append(len(parker.watched) > 1)
        until_ns = DEAF_MAX_NS if not hears[-1] else LATER_NS
        assert parker.wake_ns <= connection.pump.clock.now_ns() + until_ns
    pump.gate.call(pump.woke, parker)
    pump.leader = None
    return hears


def test_after_useless_doorbells_the_next_are_not_heard_for_a_while() -> None:
    with flooded() as (connection, _remote):
        heard = sleeps(connection, EVENTS_PER_DOUBT + USELESS_MAX + 20)
        patience = EVENTS_PER_DOUBT + USELESS_MAX - 1
        assert heard[:patience] == [True] * patience
        assert heard[patience:] == [False] * (len(heard) - patience)


def test_a_deadline_is_not_slept_through() -> None:
    with flooded() as (connection, _remote):
        sleeps(connection, EVENTS_PER_DOUBT + USELESS_MAX + 20)
        pump, parker = connection.pump, Parker()
        pump.leader = parker
        due_ns = connection.pump.clock.now_ns() + 1_000_000
        pump.lead_on(parker, Bell(Owner()), due_ns, EVENT)
        assert parker.wake_ns <= due_ns
        pump.gate.call(pump.woke, parker)
        pump.leader = None


def test_news_is_heard_again_at_once() -> None:
    with flooded() as (connection, remote):
        sleeps(connection, EVENTS_PER_DOUBT + USELESS_MAX + 20)
        for _ in range(200):
            assert remote.push(MESSAGE, 0, b"news")
            assert sleeps(connection, 1) == [True]
