"""A remote that dies right after a good hello costs as little as one that is not there."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from mboxio import Connection, RemoteGone
from mboxio._host.pace import PAUSE_MAX_NS, PAUSE_MIN_NS, PROVEN_NS
from mboxio.client.open import connect
from mboxio.sim import VirtualClock
from tests.race.manual import Manual

from .support import SECOND, attach

MINUTE = 60 * SECOND
TRIES_MAX = 75
"""In a minute: some at first, then one a second."""


class Mortal(Manual):
    """Its remote lives for ``life_ns`` after each hello, once there is one."""

    def __init__(self, life_ns: int = 0) -> None:
        super().__init__(epoch_source="link")
        self.life_ns = life_ns
        self.there = True
        self.tries_ns: list[int] = []

    def reconnect(self) -> bool:
        clock = self.host.gate.clock
        self.tries_ns.append(clock.now_ns())
        if self.there:
            self.link(True, len(self.tries_ns) + 1)
            if self.life_ns:
                clock.call_at(clock.now_ns() + self.life_ns, self.die)
            else:
                self.die()
        return True

    def die(self) -> None:
        self.link(False, 0, "it died")


def attended(driver: Mortal) -> Iterator[Connection]:
    """A connection that somebody minds though nobody waits."""
    connection = attach(driver)
    driver.link(True, 1)
    connection.client(0).on_request(lambda message: message)
    yield connection
    connection.close()


@pytest.fixture
def driver() -> Mortal:
    return Mortal()


@pytest.fixture
def connection(driver: Mortal) -> Iterator[Connection]:
    yield from attended(driver)


@pytest.mark.parametrize("life_ns", [0, 1, PAUSE_MIN_NS, 300_000_000, PROVEN_NS - 1])
def test_who_dies_soon_is_tried_ever_more_seldom(
    driver: Mortal, connection: Connection, life_ns: int
) -> None:
    driver.life_ns = life_ns
    driver.die()
    connection._host.gate.clock.advance(MINUTE)  # type: ignore[attr-defined]
    tries = driver.tries_ns
    assert 55 < len(tries) < TRIES_MAX
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= PAUSE_MIN_NS
    assert pauses[-1] == PAUSE_MAX_NS


def test_so_it_is_while_somebody_asks_all_the_time(driver: Mortal, connection: Connection) -> None:
    client = connection.client(0)
    driver.die()
    for _ in range(MINUTE // PAUSE_MIN_NS):
        with pytest.raises(RemoteGone):
            client.submit(b"")
        connection._host.gate.clock.advance(PAUSE_MIN_NS)  # type: ignore[attr-defined]
    assert 55 < len(driver.tries_ns) < TRIES_MAX


def test_who_says_a_word_before_is_tried_a_hundred_times_a_second_at_the_most(
    driver: Mortal, connection: Connection
) -> None:
    clock = connection._host.gate.clock
    client = connection.client(0)
    messages = client.subscribe()
    driver.life_ns = SECOND // 1000
    driver.die()
    with pytest.raises(RemoteGone):
        messages.get()
    for _ in range(100):
        clock.advance(1)  # type: ignore[attr-defined]
        assert not connection._host.lost
        driver.notify(b"hello")
        clock.advance(PAUSE_MIN_NS - 1)  # type: ignore[attr-defined]
    assert len(driver.tries_ns) == 101


def test_who_restarts_now_and_then_is_back_at_once(driver: Mortal, connection: Connection) -> None:
    driver.life_ns = PROVEN_NS
    clock = connection._host.gate.clock
    began_ns = clock.now_ns()
    driver.die()
    clock.advance(MINUTE)  # type: ignore[attr-defined]
    assert driver.tries_ns[:3] == [began_ns, began_ns + PROVEN_NS, began_ns + 2 * PROVEN_NS]


def test_a_life_that_lasts_makes_the_pauses_short_again(
    driver: Mortal, connection: Connection
) -> None:
    clock = connection._host.gate.clock
    driver.die()
    clock.advance(MINUTE)  # type: ignore[attr-defined]
    driver.life_ns = 2 * PROVEN_NS
    clock.advance(PAUSE_MAX_NS)  # type: ignore[attr-defined]
    assert not connection._host.lost
    driver.there = False
    del driver.tries_ns[:]
    clock.advance(2 * PROVEN_NS)  # type: ignore[attr-defined]
    first, second, *_ = driver.tries_ns
    assert second - first == PAUSE_MIN_NS


def test_connecting_with_patience_tries_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()
    tries: list[int] = []

    def open_and_die(self: object) -> None:
        tries.append(clock.now_ns())
        raise RemoteGone("it died")

    monkeypatch.setattr("mboxio.controllers.loopback.Loopback.open", open_and_die)
    with pytest.raises(RemoteGone, match="waited 60 s"):
        connect("loopback:", clock=clock, wait_s=60)
    assert len(tries) < 260
    assert tries[-2] - tries[-3] == 250_000_000
