"""Clients with a thread each, which block: in virtual time one of them runs at a time."""

from random import Random
from typing import TYPE_CHECKING

from mboxio._base.request import Request
from mboxio.errors import MailboxError
from mboxio.sim.swarm.client import FaultyPlace, SwarmClient
from mboxio.sim.world.client import Call
from mboxio.sim.world.firmware import NUMBER_AT, NUMBER_END
from mboxio.sim.world.load import Load

if TYPE_CHECKING:
    from mboxio.client.blocking import Client

__all__ = ["Mapper", "Waiter"]

BATCH = 8
"""Messages that a mapper sends with one call."""


class Waiter(SwarmClient):
    """A client whose thread waits for each request.

    Args:
        place, load, client, index, random: see `SimulatedClient`.
    """

    def __init__(
        self, place: FaultyPlace, load: Load, client: "Client", index: int, random: Random
    ) -> None:
        super().__init__(place, load, client, index, random)
        self.open = False
        self.last: Request | None = None
        self.ended = False

    def start(self) -> None:
        """Begin the thread; see `SimulatedClient.start`."""
        self.clock.spawn(self.live, f"waiter {self.index}")

    def live(self) -> None:
        """Ask and wait, in turn."""
        while not self.stopped:
            self.clock.advance(self.pause_ns(1) + self.retry_ns)
            self.work()
        self.ended = True

    def work(self) -> None:
        """Ask once, and wait."""
        self.ring()
        last, self.last = self.last, None
        if last is not None:
            last.wait(None)

    def submitted(self, call: Call, request: Request) -> None:
        """See `SimulatedClient.submitted`."""
        super().submitted(call, request)
        self.last = request

    def again(self, at_ns: int) -> None:
        """See `SimulatedClient.again`: the thread does, when it has waited."""


class Mapper(Waiter):
    """A client whose thread sends by `map`.

    It is told of errors of requests, and of those that were never accepted, in the same way.

    Args:
        place, load, client, index, random: see `SimulatedClient`.
    """

    def __init__(
        self, place: FaultyPlace, load: Load, client: "Client", index: int, random: Random
    ) -> None:
        super().__init__(place, load, client, index, random)
        self.done = self.failed = self.missing = 0
        self.timeout_s = self.timeout_ns / 1e9

    def work(self) -> None:
        """Send some messages; each has to come back, or an error in its place."""
        messages = [self.next_message() for _ in range(BATCH)]
        replies = self.client.map(
            iter(messages),
            timeout_s=self.timeout_s,
            queue_timeout_s=self.timeout_s,
            return_errors=True,
        )
        came = 0
        for message, reply in zip(messages, replies, strict=False):
            came += 1
            if isinstance(reply, MailboxError):
                self.failed += 1
                continue
            self.done += 1
            if reply[NUMBER_AT:NUMBER_END] != message[NUMBER_AT:NUMBER_END]:
                self.tally.wrong += 1
        self.missing += BATCH - came
