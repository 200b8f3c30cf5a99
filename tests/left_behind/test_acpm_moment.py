"""The firmware goes on while the next host looks at what was left: every step between two reads."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from mboxio import Client, Connection, QueueFull
from mboxio.controllers.acpm import Acpm
from mboxio.controllers.acpm.layout import AcpmSpec
from mboxio.regions.region import Kind, Memory
from tests.acpm.support import Board, numbered, own, reply_to, submit
from tests.left_behind.test_next_host import die
from tests.rtt.target import Ram

SLOTS = 64
"""As many as there are tags: who has all of them in flight uses those of the dead host, too."""
IN_FLIGHT, TAKEN = 12, 8


class Scene:
    """A host died with messages in flight; the next one sees the memory through ``ram``.

    Args:
        kind: what the next host takes the memory for.
    """

    def __init__(self, kind: Kind) -> None:
        memory = bytearray(4096)
        self.board = Board(AcpmSpec(SLOTS, 16), region=Memory(memory))
        self.ram = Ram(memory, (1, 2, 4))
        self.ram.kind = kind
        self.far = self.board.far[0]
        first = self.board.connect()
        client = first.client(0)
        for number in range(2 * SLOTS):  # all tags have been used before
            submit(client, [number])
            self.far.serve()
            first._host.pump.look()
        submit(client, range(100, 100 + IN_FLIGHT))
        first._host.pump.look()
        self.taken = [message for _, _, message in self.far.taking.pop_batch(TAKEN)]
        die(first)

    def steps(self) -> Iterator[None]:
        """Answer what was taken, one at a time; then take what waits, and answer that."""
        while True:
            while self.taken:
                self.far.put(reply_to(self.taken.pop(0)))
                yield
            self.taken = [message for _, _, message in self.far.taking.pop_batch(1)]
            yield

    def finish(self, host: Any) -> None:
        """Answer everything, the oldest first, and have the host look."""
        host.pump.look()
        while self.taken:
            self.far.put(reply_to(self.taken.pop(0)))
        host.pump.look()
        self.far.serve()
        host.pump.look()

    def connect(self) -> Connection:
        driver = Acpm(options=self.board.options, region=self.ram)
        return Connection(driver, address="acpm:", clock=self.board.clock)


def submitted(client: Client, first: int) -> dict[int, Any]:
    """Submit until the queue is full."""
    requests: dict[int, Any] = {}
    with suppress(QueueFull):
        for number in range(first, first + SLOTS):
            requests[number] = client.submit(numbered(number))
    return requests


def accesses(kind: Kind) -> int:
    """Return how many accesses it takes the next host to look at what was left."""
    scene = Scene(kind)
    with scene.connect() as second:
        second.client(0)
        return scene.ram.accesses


@pytest.mark.parametrize("pace", [1, 3])
@pytest.mark.parametrize("kind", [Kind.DEVICE, Kind.REMOTE])
def test_replies_that_come_while_it_is_looked_are_not_anothers(kind: Kind, pace: int) -> None:
    """From each access on, the firmware makes some steps before every access."""
    for begin in range(accesses(kind)):
        scene = Scene(kind)
        steps = scene.steps()

        def before(scene: Any = scene, steps: Any = steps, begin: int = begin) -> None:
            if scene.ram.accesses > begin:
                for _ in range(pace):
                    next(steps)

        scene.ram.before = before
        with scene.connect() as second:
            client = second.client(0)
            scene.ram.before = lambda: None
            requests = submitted(client, 1000)
            scene.finish(second._host)
            requests |= submitted(client, 2000)
            scene.finish(second._host)
            assert len(requests) > SLOTS
            for number, request in requests.items():
                assert own(request.result(), number), f"from access {begin} on"
            stats = second.stats()["0"]
            assert (stats.held_slots, stats.held_tags) == (0, ()), f"from access {begin} on"
