"""A host dies with messages in flight, and the next one connects at once."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from mboxio import Client, Connection, MailboxError
from mboxio.regions.region import Kind
from tests.left_behind.far import (
    AcpmFar,
    MhuFar,
    Remote,
    RingsFar,
    RpmsgFar,
    RttFar,
    VideoCoreFar,
)

FAR: dict[str, Callable[[], Remote]] = {
    "acpm": partial(AcpmFar, 64),
    "acpm, short rings": partial(AcpmFar, 8),
    "rings": partial(RingsFar, Kind.DEVICE),
    "rings behind a probe": partial(RingsFar, Kind.REMOTE),
    "mhu": MhuFar,
    "bcm2835": partial(VideoCoreFar, levels=True),
    "bcm2835 that does not count": partial(VideoCoreFar, levels=False),
    "virtio-rpmsg, source": partial(RpmsgFar, "source"),
    "virtio-rpmsg, tag": partial(RpmsgFar, "tag:0:2"),
    "rtt, tag": partial(RttFar, "normal", "cobs", "tag:0:2"),
    "rtt, tag behind a probe": partial(RttFar, "words", "cobs", "tag:0:2"),
    "rtt, order": partial(RttFar, "normal", "line", "order:4"),
}
ALL = 100
"""More than any of them has room for."""
DEATHS = [
    (1, 0, 0),
    (1, 1, 0),
    (1, 1, 1),
    (3, 1, 0),
    (3, 3, 1),
    (ALL, 0, 0),
    (ALL, 1, 0),
    (ALL, 1, 1),
    (ALL, ALL, 0),
    (ALL, ALL, 1),
    (ALL, ALL, ALL),
]
"""How many messages are in flight, how many of them the remote has taken, and has answered."""
LATE, ROUNDS = 2, 6
"""In which round of the new host what the old one asked is answered; how many there are."""


def die(connection: Connection) -> None:
    """Be a program that has died: it does nothing more, and says nothing to anybody."""
    host: Any = connection._host
    host.gate.forked = True
    host.pump.forked()
    host.controller.forked()


def submitted(client: Client, far: Remote, first: int, count: int = ALL) -> dict[int, Any]:
    """Submit numbered requests until there is no more room; return them by their numbers."""
    found: dict[int, Any] = {}
    with suppress(MailboxError):
        for number in range(first, first + count):
            found[number] = client.submit(far.message(number))
    return found


def looked(connection: Connection, far: Remote, requests: dict[int, Any]) -> None:
    """Have the host look; every request that has a reply then has its own."""
    connection._host.pump.look()
    for number, request in requests.items():
        if request.done() and request.exception() is None:
            assert far.number(request.result()) == far.number_of(number)


@pytest.mark.parametrize(("in_flight", "taken", "answered"), DEATHS)
@pytest.mark.parametrize("make", FAR.values(), ids=FAR.keys())
def test_no_reply_is_anothers(
    make: Callable[[], Remote], in_flight: int, taken: int, answered: int
) -> None:
    far = make()
    first = far.connect()
    client = far.client(first)
    in_flight = len(submitted(client, far, 0, in_flight))
    first._host.pump.look()
    taken = sum(far.take() for _ in range(taken))
    answered = sum(far.answer() for _ in range(answered))
    die(first)
    late = taken - answered
    if late and not far.sees_taken:
        far.forget()  # nothing tells the next host of these; see the documentation
        late = 0
    with far.connect() as second:
        client = far.client(second)
        channel: Any = client._channel
        if far.sees_waiting:
            held = in_flight - (answered if far.holds_taken else taken)
            assert second.stats()[channel.name].held_slots == held
        requests: dict[int, Any] = {}
        for number in range(ROUNDS):
            requests |= submitted(client, far, 1000 + ALL * number)
            looked(second, far, requests)
            if number == LATE:
                for _ in range(late):  # by a remote that has not died
                    far.answer()
                    looked(second, far, requests)
            if number >= LATE:
                far.serve()
                looked(second, far, requests)
        assert len(requests) >= far.depth
        assert all(request.done() and request.exception() is None for request in requests.values())
        stats = second.stats()[channel.name]
        assert (stats.held_slots, stats.held_tags, stats.held_memory) == (0, (), 0), stats
        assert stats.done == len(requests)
