"""A client of a world with faults, which sometimes changes its mind."""

from random import Random
from typing import TYPE_CHECKING, Protocol

from mboxio._base.request import Request
from mboxio.sim.swarm.faulty import FaultyFirmware
from mboxio.sim.world.client import Call, Place, SimulatedClient
from mboxio.sim.world.load import Load

if TYPE_CHECKING:
    from mboxio.client.blocking import Client

__all__ = ["SwarmClient"]

CANCEL_MAX_NS = 200_000


class FaultyPlace(Place, Protocol):
    """A world with faults, as a client sees it."""

    faulty: FaultyFirmware


class SwarmClient(SimulatedClient):
    """A `SimulatedClient` that cancels some of its requests.

    Args:
        place, load, client, index, random: see `SimulatedClient`.
    """

    def __init__(
        self, place: FaultyPlace, load: Load, client: "Client", index: int, random: Random
    ) -> None:
        SimulatedClient.__init__(self, place, load, client, index, random)
        self.faulty = place.faulty

    def submitted(self, call: Call, request: Request) -> None:
        """See `SimulatedClient.submitted`."""
        if self.faulty.cancels.happens():
            self.faulty.happened("cancelled")
            after_ns = int(self.faulty.amount() * CANCEL_MAX_NS)
            self.clock.call_at(self.clock.now_ns() + after_ns, request.cancel)
