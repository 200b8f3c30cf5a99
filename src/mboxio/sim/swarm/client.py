"""Clients of a world with faults: they use every verb, and sometimes change their minds."""

from collections import deque
from random import Random
from typing import TYPE_CHECKING, Protocol

from mboxio._base.request import Request
from mboxio._base.states import DONE
from mboxio.sim.swarm.chance import Chance
from mboxio.sim.swarm.faulty import FaultyFirmware
from mboxio.sim.swarm.uses import Uses
from mboxio.sim.world.client import Call, Place, SimulatedClient
from mboxio.sim.world.firmware import NUMBER_AT, NUMBER_END
from mboxio.sim.world.load import Load

if TYPE_CHECKING:
    from mboxio.client.blocking import Client

__all__ = ["FaultyPlace", "SwarmClient"]

CANCEL_MAX_NS = 200_000
BLANK = 0xEE
KEPT = 32
"""Memory that no reply came into is looked at again, the last of it at least."""


class FaultyPlace(Place, Protocol):
    """A world with faults, as a client sees it."""

    faulty: FaultyFirmware
    uses: Uses


class SwarmClient(SimulatedClient):
    """A `SimulatedClient` that also posts, gives memory for replies, and cancels.

    Args:
        place, load, client, index, random: see `SimulatedClient`.
    """

    def __init__(
        self, place: FaultyPlace, load: Load, client: "Client", index: int, random: Random
    ) -> None:
        SimulatedClient.__init__(self, place, load, client, index, random)
        uses = place.uses
        self.faulty = place.faulty
        self.posts = Chance(uses.one_way, random)
        self.lends = Chance(uses.into, random)
        self.blank = bytearray([BLANK]) * load.message_bytes
        self.untouched: deque[bytearray] = deque(maxlen=KEPT)
        self.touched = 0

    def send(self, call: Call) -> Request:
        """See `SimulatedClient.send`."""
        if self.posts.happens():
            return self.client.post(call.message)
        if self.lends.happens():
            call.into = bytearray(self.blank)
            return self.client.submit(call.message, into=call.into)
        return self.submit(call.message)

    def submitted(self, call: Call, request: Request) -> None:
        """See `SimulatedClient.submitted`."""
        if self.faulty.cancels.happens():
            self.faulty.happened("cancelled")
            after_ns = int(self.faulty.amount() * CANCEL_MAX_NS)
            self.clock.call_at(self.clock.now_ns() + after_ns, request.cancel)

    def is_right(self, call: Call, request: Request) -> bool:
        """See `SimulatedClient.is_right`."""
        if not request._tied:
            # On a deposit nobody knows whether the firmware has it.
            return self.faulty.deposits or call.message[NUMBER_AT:NUMBER_END] in self.faulty.heard
        if call.into is not None:
            right = bytes(call.into[NUMBER_AT:NUMBER_END]) == call.message[NUMBER_AT:NUMBER_END]
            return right and request._value == len(call.message)
        return SimulatedClient.is_right(self, call, request)

    def over(self, call: Call, request: Request) -> None:
        """See `SimulatedClient.over`."""
        SimulatedClient.over(self, call, request)
        if not request._tied:
            self.faulty.heard.discard(call.message[NUMBER_AT:NUMBER_END])
        elif call.into is not None and request._state != DONE:
            if len(self.untouched) == KEPT:
                self.check(self.untouched.popleft())
            self.untouched.append(call.into)

    def check(self, memory: bytearray) -> None:
        """Look whether anything came into memory whose request ended without a reply."""
        if memory != self.blank:
            self.touched += 1

    def check_all(self) -> int:
        """Look at what is left, and return how much was touched ever."""
        while self.untouched:
            self.check(self.untouched.popleft())
        return self.touched
