"""A world with faults, which is healed in the end and has to account for everything."""

from collections import Counter
from random import Random

from mboxio._base.clock import Waitable
from mboxio._base.request import Request
from mboxio._base.states import STATE_NAMES
from mboxio._base.tap import Tap
from mboxio.errors import MailboxError
from mboxio.sim.swarm.faults import never
from mboxio.sim.swarm.faulty import LATE_MAX_NS, FaultyFirmware
from mboxio.sim.swarm.faulty_mailbox import FaultyMailbox
from mboxio.sim.swarm.scenario import Scenario
from mboxio.sim.world.client import Call, SimulatedClient
from mboxio.sim.world.firmware import NUMBER, Firmware
from mboxio.sim.world.mailbox import Mailbox
from mboxio.sim.world.world import PRIME, World

__all__ = ["SwarmWorld"]

SUPERVISED_NS = 5_000_000
HELD_MAX = 64
"""So many held messages make the supervisor of the board restart the firmware."""
CANCEL_MAX_NS = 200_000
ALIVE_STEPS = 60
"""Milliseconds in which a request is over for certain."""
HEAL_S = (LATE_MAX_NS + 30_000_000) / 1e9
"""Longer than anything takes: the latest reply, the longest deadline."""


class SwarmClient(SimulatedClient):
    """A client that counts how its requests end, and sometimes changes its mind."""

    place: "SwarmWorld"

    def submitted(self, call: Call, request: Request) -> None:
        """See `SimulatedClient.submitted`."""
        place = self.place
        place.accepted += 1
        if place.cancels():
            place.faulty.happened("cancelled")
            after_ns = int(place.faulty.amount() * CANCEL_MAX_NS)
            self.clock.call_at(self.clock.now_ns() + after_ns, request.cancel)

    def over(self, call: Call, request: Waitable) -> None:
        """See `SimulatedClient.over`."""
        self.place.ends[request._state] += 1
        super().over(call, request)


class SwarmWorld(World):
    """A `World` with faults.

    Args:
        scenario: what it is like.
        tap: told what happens to messages.
    """

    def __init__(self, scenario: Scenario, *, tap: Tap | None = None) -> None:
        self.scenario = scenario
        self.accepted = 0
        self.ends: Counter[int] = Counter()
        self.problems: list[str] = []
        self.lost = 0  # requests that never ended
        self.left = 0  # what is held when nothing may be
        self.done_before = 0
        super().__init__(scenario.board, scenario.load, seed=scenario.seed, tap=tap)
        self.clock.call_at(SUPERVISED_NS, self.supervise)

    # -- what it is made of

    client_class = SwarmClient

    def make_firmware(self, random: Random) -> Firmware:
        """See `World.make_firmware`."""
        seed = self.scenario.seed * PRIME
        self.faulty = FaultyFirmware(self.board, self.clock, random, self.scenario.faults, seed)
        self.cancels = self.faulty.draws["cancelled"]
        return self.faulty

    def make_mailbox(self) -> Mailbox:
        """See `World.make_mailbox`."""
        self.faulty_mailbox = FaultyMailbox(self.board, self.clock, self.faulty)
        return self.faulty_mailbox

    # -- while it runs

    def supervise(self) -> None:
        """Count again, and restart firmware whose mailbox is stuck, as a supervisor would."""
        self.count_again("while it ran")
        queues = self.connection._host.queues
        done = len(self.tally.latencies_ns)
        stuck = self.held() > HELD_MAX or done == self.done_before
        stuck = stuck or any(queue.fault is not None for queue in queues)
        self.done_before = done
        if stuck and not self.faulty_mailbox.gone:
            self.faulty_mailbox.restart("supervisor")
        if not self.stopped:
            self.clock.call_at(self.clock.now_ns() + SUPERVISED_NS, self.supervise)

    def count_again(self, when: str) -> None:
        """Compare what the clients know with what the connection says."""
        stats = self.connection.stats().values()
        live = sum(each.in_flight + each.queued for each in stats)
        if live != self.tally.live:
            self.problem(f"{when}: {self.tally.live} requests live, and stats say {live}")
        names = ("done", "failed", "timed_out", "cancelled", "closed")
        ended = {name: sum(getattr(each, name) for each in stats) for name in names}
        known = {name: self.ends[STATE_NAMES.index(name.replace("_", " "))] for name in names}
        if ended != known:
            self.problem(f"{when}: ended {known}, and stats say {ended}")

    def problem(self, text: str) -> None:
        """Note what must not be; the first of each run is enough to look at."""
        self.problems.append(f"{text} (at {self.clock.now_ns() / 1e6:.3f} ms)")

    # -- the end

    def settle(self) -> None:
        """Heal everything, and require that every request ends and nothing is kept."""
        self.stopped = True
        self.cancels = never
        self.faulty_mailbox.heal()
        self.run(HEAL_S)
        self.count_again("when healed")
        self.lost = self.tally.live
        if self.lost:
            self.problem(f"{self.lost} requests never ended")
        self.check_held()
        self.faulty_mailbox.restart("the end")  # a proof of death: now nothing may be held
        self.run(0.001)
        self.left = self.held()
        if self.left:
            self.problem(f"left behind after the end of the firmware: {self.connection.stats()}")
        self.check_alive()
        self.count_again("in the end")

    def check_held(self) -> None:
        """Before there is a proof, tags are held of exactly what was never answered."""
        held = sum(len(each.held_tags) for each in self.connection.stats().values())
        unanswered = len(self.faulty.unanswered)
        if held != unanswered:
            self.problem(f"{held} tags are held, and {unanswered} messages have no answer")

    def check_alive(self) -> None:
        """Every client gets an answer again."""
        for each in self.clients:
            number = self.tally.begin(self.clock.now_ns())
            self.accepted += 1
            try:
                request = each.client.submit(b"\0\0\0\0" + number + each.padding, timeout_s=0.05)
            except MailboxError as error:
                self.problem(f"client {each.index} is refused when all is healed: {error}")
                return
            self.loop.set_timer()
            for _ in range(ALIVE_STEPS):
                if not request.over:
                    self.run(0.001)
            self.ends[request._state] += 1
            if request.status != "done" or request.result()[NUMBER] != number:
                self.problem(f"client {each.index} gets no answer when all is healed: {request}")
                return
