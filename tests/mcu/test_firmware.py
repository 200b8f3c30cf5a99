"""The firmware of the examples in an emulated microcontroller: whom it serves, what it answers."""

import random
from collections import deque
from collections.abc import Iterator
from itertools import count

import pytest

from mboxio.cli.demo.microcontroller import BOARDS, Microcontroller
from mboxio.ring import ERROR, MESSAGE, REPLY, REQUEST
from mboxio.ring.layout import HOST_ARMED, HOST_READY, REMOTE_ARMED
from tests.mcu.host import Host
from tests.mcu.machine import running

pytestmark = pytest.mark.once

DEPTH, MESSAGE_BYTES = 8, 56


# What QEMU does for a probe is not secure, and the interrupts of an521's firmware are.
WAYS = [("mps2-an385", "wire"), ("mps2-an385", "probe"), ("mps2-an521", "wire")]
lives = count(1)


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> Iterator[tuple[Microcontroller, bool]]:
    name, how = request.param
    with running(name) as machine:
        yield machine, how == "probe"


@pytest.fixture(scope="module", params=BOARDS)
def machine(request: pytest.FixtureRequest) -> Iterator[Microcontroller]:
    with running(request.param) as machine:
        yield machine


@pytest.fixture
def host(way: tuple[Microcontroller, bool]) -> Iterator[Host]:
    machine, probe = way
    with Host(machine, next(lives), probe) as host:
        yield host
        host.leave()


def test_what_it_offers(host: Host) -> None:
    assert [each.name for each in host.layout.channels] == ["echo0", "echo1"]
    for each in host.layout.channels:
        for ring in (each.to_remote, each.to_host):
            assert (ring.slots - 1, ring.message_bytes) == (DEPTH, MESSAGE_BYTES)


def test_it_echoes(host: Host) -> None:
    """Every length, round and round, on both channels."""
    host.meet()
    for tag in range(4 * MESSAGE_BYTES):
        message = random.Random(tag).randbytes(tag % (MESSAGE_BYTES + 1))
        message = b"." + message[1:] if message else b""
        assert host.request(message, tag, tag % 2) == (REPLY, tag, message)


def test_as_many_as_fit_are_in_flight(host: Host) -> None:
    host.meet()
    pending: deque[tuple[int, bytes]] = deque()
    for tag in range(200):
        pending.append((tag, b"%d" % tag))
        host.push(pending[-1][1], tag)
        if len(pending) == DEPTH:
            for expected in pending:
                assert host.pop() == (REPLY, *expected)
            pending.clear()
            # It answers a batch before it gives the places back.
            host.until(lambda: host.out[0].free() == DEPTH, "all places are free")


def test_it_waits_where_replies_have_no_place(host: Host) -> None:
    """Twice as many as fit: they stay where they are until the host takes the first replies."""
    host.meet()
    for tag in range(DEPTH):
        host.push(b".", tag)
    host.until(lambda: host.out[0].free() == DEPTH, "all places are free")
    for tag in range(DEPTH, 2 * DEPTH):
        host.push(b".", tag)
    host.beats(2)
    assert (host.into[0].pending(), host.out[0].free()) == (DEPTH, 0)
    assert host.request(b"other", 99, channel=1) == (REPLY, 99, b"other")
    for tag in range(2 * DEPTH):
        assert host.pop() == (REPLY, tag, b".")
        host.ring()


def test_a_request_fails(host: Host) -> None:
    host.meet()
    assert host.request(b"!", 7) == (ERROR, 7, b"\x16\0\0\0it was asked to fail")


def test_it_serves_nobody_whom_it_has_not_met(host: Host) -> None:
    host.attach()
    host.push(b"too early", 1)
    host.beats(3)
    assert (host.into[0].pending(), host.out[0].free()) == (0, DEPTH - 1)
    host.meet()
    assert host.out[0].free() == DEPTH
    assert host.request(b"now", 2) == (REPLY, 2, b"now")


def test_it_drops_what_an_earlier_host_asked(machine: Microcontroller) -> None:
    wrong = 0
    for life in range(1000, 1200):
        with Host(machine, life) as host:
            host.meet()
            for tag in range(2):
                message = b"%d.%d" % (life, tag)
                wrong += host.request(message, tag) != (REPLY, tag, message)
            for tag in range(DEPTH // 2):  # nobody will take these
                host.push(b"left by %d" % life, tag)
    assert wrong == 0


def test_a_host_says_that_it_leaves(host: Host) -> None:
    host.meet()
    host.push(b"left", 1)
    host.leave()
    host.attach()
    host.push(b"nobody is here", 2)
    host.beats(3)
    assert host.out[0].free() == DEPTH - 1


def test_it_speaks_unasked_when_the_host_is_ready(host: Host) -> None:
    host.meet(ready=False)
    for message in (b"N", b"Q"):
        assert host.request(message, 3) == (ERROR, 3, b"\x0b\0\0\0the host is not ready")
    host.write(HOST_READY, host.life)
    assert host.request(b"News", 4) == (MESSAGE, 0, b"News")
    assert host.pop() == (REPLY, 4, b"News")


def test_news_wait_for_a_place(host: Host) -> None:
    """Neither the notification nor the reply goes twice where only one of them fits."""
    host.meet()
    for tag in range(DEPTH - 1):
        host.push(b".", tag)
    host.until(lambda: host.out[0].free() == DEPTH, "all places are free")
    host.push(b"News", 50)
    host.push(b"More", 51)
    host.beats(2)
    assert host.into[0].pending() == DEPTH
    for tag in range(DEPTH - 1):
        assert host.pop() == (REPLY, tag, b".")
    host.ring()
    rest = [host.pop() for _ in range(3)]
    assert rest == [(MESSAGE, 0, b"News"), (REPLY, 50, b"News"), (REPLY, 51, b"More")]
    host.beats(2)
    assert host.into[0].pending() == 0


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def test_it_asks_the_host(host: Host) -> None:
    host.meet()
    for tag in (5, 0xFFFFFFFF):
        assert host.request(b"Q", tag) == (REQUEST, tag, number(tag))
        assert host.request(b"meanwhile", 6) == (REPLY, 6, b"meanwhile")
        assert host.request(b"Q", 8) == (ERROR, 8, b"\x10\0\0\0a question is open")
        host.push(number(0), 9, REPLY)  # of a question that nobody asked
        host.push(number((tag + 1) % (1 << 32)), tag, REPLY)
        assert host.pop() == (REPLY, tag, b"right")


@pytest.mark.parametrize(
    ("kind", "answer"), [(REPLY, number(5)), (REPLY, b"six"), (REPLY, b""), (ERROR, number(6))]
)
def test_it_checks_what_the_host_answers(host: Host, kind: int, answer: bytes) -> None:
    host.meet()
    assert host.request(b"Q", 5, channel=1) == (REQUEST, 5, number(5))
    host.push(answer, 5, kind)  # on the other channel
    assert host.pop(1) == (ERROR, 5, b"\x4a\0\0\0the host's answer is wrong")


def test_a_question_to_an_earlier_host_is_forgotten(machine: Microcontroller) -> None:
    with Host(machine, next(lives)) as host:
        assert host.meet().request(b"Q", 5) == (REQUEST, 5, number(5))
    with Host(machine, next(lives)) as host:
        host.meet().push(number(6), 5, REPLY)
        assert host.request(b"next", 7) == (REPLY, 7, b"next")


def test_a_doorbell_for_each_sleep_of_the_host(machine: Microcontroller) -> None:
    with Host(machine, next(lives)) as host:
        host.meet()
        host.until(host.rung, "it rings when it has met somebody")
        assert host.request(b"awake", 1)[1] == 1
        host.beats(2)
        assert not host.rung()
        for sleep in (2, 3):
            host.write(HOST_ARMED, sleep)
            assert host.request(b"asleep", 2)[1] == 2
            host.until(host.rung, "it rings for a host that sleeps")
            assert host.request(b"asleep", 3)[1] == 3
            host.beats(2)
            assert not host.rung()


def test_it_sleeps(host: Host) -> None:
    """Each time with another number, so that one doorbell is enough."""
    host.meet()
    sleeps: set[int] = set()
    for tag in range(5):
        host.request(b".", tag)
        host.until(lambda: host.word(REMOTE_ARMED) not in {0, *sleeps}, "it sleeps")
        sleeps.add(host.word(REMOTE_ARMED))
    host.beats(2)  # not for ever
