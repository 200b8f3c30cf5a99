"""A world with faults, which is healed in the end and has to account for everything."""

from functools import partial
from random import Random

from mboxio._base.clock import Parker
from mboxio._base.states import FOREVER, STATE_NAMES
from mboxio._base.tap import Tap
from mboxio.errors import MailboxError
from mboxio.sim.swarm.client import SwarmClient
from mboxio.sim.swarm.faulty import LATE_MAX_NS, FaultyFirmware
from mboxio.sim.swarm.faulty_mailbox import FaultyMailbox
from mboxio.sim.swarm.scenario import Scenario
from mboxio.sim.swarm.threads import Mapper, Waiter
from mboxio.sim.world.firmware import NUMBER_AT, NUMBER_END, Firmware, Port
from mboxio.sim.world.mailbox import Mailbox
from mboxio.sim.world.world import PRIME, World

__all__ = ["SwarmWorld"]

SUPERVISED_NS = 5_000_000
HELD_MAX = 64
"""So many held messages make the supervisor of the board restart the firmware."""
ALIVE_STEPS = 60
"""Milliseconds in which a request is over for certain."""
HEAL_S = (LATE_MAX_NS + 30_000_000) / 1e9
"""Longer than anything takes: the latest reply, the longest deadline."""


class SwarmWorld(World):
    """A `World` with faults.

    Args:
        scenario: what it is like.
        tap: told what happens to messages.
    """

    def __init__(self, scenario: Scenario, *, tap: Tap | None = None) -> None:
        self.scenario = scenario
        self.uses = scenario.uses
        self.threads: list[Waiter] = []
        self.problems: list[str] = []
        self.lost = 0  # requests that never ended
        self.left = 0  # what is held when nothing may be
        self.done_before = 0
        self.healed = False
        super().__init__(scenario.board, scenario.load, seed=scenario.seed, tap=tap)
        self.clock.call_at(SUPERVISED_NS, self.supervise)
        self.start_threads()

    # -- what it is made of

    firmware_class = FaultyFirmware
    mailbox_class = FaultyMailbox

    def make_firmware(self, random: Random) -> Firmware:
        """See `World.make_firmware`."""
        seed = self.scenario.seed * PRIME
        self.faulty = self.firmware_class(
            self.board, self.clock, random, self.scenario.faults, seed
        )
        return self.faulty

    def make_mailbox(self) -> Mailbox:
        """See `World.make_mailbox`."""
        self.faulty_mailbox = self.mailbox_class(self.board, self.clock, self.faulty)
        return self.faulty_mailbox

    def make_client(self, index: int, random: Random) -> SwarmClient:
        """See `World.make_client`."""
        client = self.open_client(index)
        client._at_home = self.loop
        return SwarmClient(self, self.load, client, index, random)

    def start_threads(self) -> None:
        """Have the clients that block begin."""
        for kind in [Waiter] * self.uses.waiters + [Mapper] * self.uses.mappers:
            index = len(self.tally.done_by)
            self.tally.done_by.append(0)
            random = Random(self.scenario.seed * PRIME + 1 + index)
            self.threads.append(kind(self, self.load, self.open_client(index), index, random))
        for each in self.threads:
            each.start()

    # -- running

    def run(self, seconds: float) -> None:
        """See `World.run`; the end is a timer there, which may ring in any of the threads."""
        if not self.threads:
            World.run(self, seconds)
            return
        parker = Parker()
        end_ns = self.clock.now_ns() + round(seconds * 1e9)
        self.clock.call_at(end_ns, partial(self.clock.unpark, parker))
        self.clock.park(parker, FOREVER)

    def stop(self) -> None:
        """See `World.stop`."""
        World.stop(self)
        for each in self.threads:
            each.stopped = True

    # -- while it runs

    def supervise(self) -> None:
        """Count again, and restart firmware whose mailbox is stuck, as a supervisor would."""
        if not self.uses.mappers:  # what is inside their calls, the connection alone knows
            self.count_again("while it ran")
        queues = self.connection._host.queues
        done = len(self.tally.latencies_ns)
        stuck = self.held() > HELD_MAX or done == self.done_before
        stuck = stuck or any(queue.fault is not None for queue in queues)
        stuck = stuck or any(each.out_of_step for each in self.connection.stats().values())
        self.done_before = done
        if stuck and not self.faulty_mailbox.gone:
            self.faulty_mailbox.restart("supervisor")
        if not self.healed:
            self.clock.call_at(self.clock.now_ns() + SUPERVISED_NS, self.supervise)

    def count_again(self, when: str) -> None:
        """Compare what the clients know with what the connection says."""
        mappers = [each for each in self.threads if isinstance(each, Mapper)]
        stats = self.connection.stats().values()
        live = sum(each.in_flight + each.queued for each in stats)
        if live != self.tally.live:
            self.problem(f"{when}: {self.tally.live} requests live, and stats say {live}")
        names = ("done", "failed", "timed_out", "cancelled", "closed")
        ended = {name: sum(getattr(each, name) for each in stats) for name in names}
        known = {name: self.tally.ends[STATE_NAMES.index(name.replace("_", " "))] for name in names}
        known["done"] += sum(each.done for each in mappers)
        failed = sum(each.failed for each in mappers)  # some of them were never accepted
        more = sum(ended.values()) - sum(known.values())
        if ended["done"] != known["done"] or not 0 <= more <= failed:
            self.problem(f"{when}: ended {known} and {failed} of map, and stats say {ended}")

    def problem(self, text: str) -> None:
        """Note what must not be; the first of each run is enough to look at."""
        self.problems.append(f"{text} (at {self.clock.now_ns() / 1e6:.3f} ms)")

    # -- the end

    def settle(self) -> None:
        """Heal everything, and require that every request ends and nothing is kept."""
        self.healed = True
        self.stop()
        self.faulty_mailbox.heal()
        self.run(HEAL_S)
        self.count_again("when healed")
        self.lost = self.tally.live
        if self.lost:
            self.problem(f"{self.lost} requests never ended")
        self.check_clients()
        self.check_held()
        self.faulty_mailbox.restart("the end")  # a proof of death: now nothing may be held
        self.run(0.001)
        self.left = self.held()
        if self.left:
            self.problem(f"left behind after the end of the firmware: {self.connection.stats()}")
        self.check_alive()
        self.count_again("in the end")

    def check_clients(self) -> None:
        """Every thread has come back, and memory of requests without a reply is as it was."""
        clients = [*self.clients, *self.threads]
        touched = sum(each.check_all() for each in clients if isinstance(each, SwarmClient))
        if touched:
            self.problem(f"replies came into the memory of {touched} requests that had ended")
        for each in self.threads:
            if not each.ended:
                self.problem(f"client {each.index} waits for ever")
            if isinstance(each, Mapper) and each.missing:
                self.problem(f"map of client {each.index} kept {each.missing} replies back")

    def check_held(self) -> None:
        """Before there is a proof, tags are held of exactly what was never answered."""
        stats = self.connection.stats().values()
        held = sum(len(each.held_tags) for each in stats)
        ports: list[Port] = [queue.context for queue in self.connection._host.queues]
        unanswered = sum(len(each.unanswered) for each in ports)
        # Out of step, an answer that comes late cannot be tied to what it answers.
        doubtful = held > unanswered and any(each.out_of_step for each in stats)
        if held != unanswered and not doubtful:
            self.problem(f"{held} tags are held, and {unanswered} messages have no answer")

    def check_alive(self) -> None:
        """Every client gets an answer again."""
        for each in self.clients:
            message = each.next_message()
            self.tally.accepted += 1
            try:
                request = each.client.submit(message, timeout_s=0.05)
            except MailboxError as error:
                self.problem(f"client {each.index} is refused when all is healed: {error}")
                return
            self.loop.set_timer()
            for _ in range(ALIVE_STEPS):
                if not request.over:
                    self.run(0.001)
            self.tally.ends[request._state] += 1
            numbers = slice(NUMBER_AT, NUMBER_END)
            if request.status != "done" or request.result()[numbers] != message[numbers]:
                self.problem(f"client {each.index} gets no answer when all is healed: {request}")
                return
