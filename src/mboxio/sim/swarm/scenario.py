"""One run, described: the board, the load, the faults and how long, all drawn from a seed."""

from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from mboxio.sim.swarm import options
from mboxio.sim.swarm.faults import Faults
from mboxio.sim.swarm.uses import Uses
from mboxio.sim.world.board import MATCHINGS, REPLIES, TX_DONES, Board
from mboxio.sim.world.durations import Bimodal, Constant, Copied, Duration, Exponential, Stalled
from mboxio.sim.world.load import DEADLINES, Load

__all__ = ["Scenario", "drawn"]

SERVICES: tuple[Duration, ...] = (
    Constant(5.0),
    Exponential(20.0),
    Bimodal(20.0, 800.0, 0.02),
    Copied(1.0, 20.0),
    Stalled(Exponential(10.0), 500, 3000.0),
)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A run that can be repeated.

    Args:
        seed: of all that is drawn while it runs.
        board: the board.
        load: its clients.
        faults: what goes wrong.
        uses: what its clients do besides.
        seconds: virtual time until all is healed.
    """

    seed: int
    board: Board
    load: Load
    faults: Faults
    uses: Uses = field(default_factory=Uses)
    seconds: float = 0.1

    def command(self) -> str:
        """Return the command that runs it again; the seed says the rest."""
        return (
            f"mboxio sim --seed {self.seed} --faults {self.faults} --uses {self.uses}"
            f" --matching {self.board.matching} --clients {self.load.clients}"
            f" --seconds {self.seconds:.6g}"
        )


def drawn(
    seed: int,
    *,
    faults: Faults | None = None,
    uses: Uses | None = None,
    matching: str | None = None,
    clients: int | None = None,
    seconds: float | None = None,
) -> Scenario:
    """Return the scenario of a seed.

    Args:
        seed: from which it is drawn.
        faults, uses, matching, clients, seconds: take these in place of what the seed says;
            nothing else changes, but messages without a reply need a board that can do with them.
    """
    random = Random(seed)

    choice = partial(options.choice, random)
    depth = choice((1, 2, 4, 16, 64))
    board = Board(
        depth=depth,
        queues=choice((1, 1, 2)),
        channels=choice((1, 1, 2)),
        tx_done=choice(TX_DONES),
        replies=choice((*REPLIES, "irq")),
        matching=choice((*MATCHINGS, *MATCHINGS[:2], *MATCHINGS[:2])),  # order: one at a time
        reply_credits=choice((None, None, depth, 2 * depth)),
        workers=choice((1, 4, 16)),
        service=choice(SERVICES),
        spin_us=5.0 if random.random() < 0.05 else 0.0,
        access_us=choice((0.1, 0.1, 0.5)),
    )
    is_open = random.random() < 0.2
    load = Load(
        clients=choice((3, 16, 16)),
        window=choice((1, 1, 4)),
        interval=Exponential(choice((100.0, 300.0))) if is_open else None,
        backlog=choice((0, 1, 8, 20)),
        message_bytes=choice((12, 16, 64)),
        timeout_us=choice((500.0, 1000.0, 5000.0)),
        queue_timeout_us=choice((300.0, 1000.0)),
        deadline=choice((*DEADLINES, "doorbell")),
        retry_us=1000.0,
    )
    found = Scenario(
        seed=seed,
        board=board,
        load=load,
        faults=Faults.drawn(random),
        seconds=choice((0.1, 0.2, 0.4)),
        uses=Uses.drawn(random),
    )
    if faults is not None:
        found = replace(found, faults=faults)
    if uses is not None:
        found = replace(found, uses=uses)
    if board.tx_done == "ack":
        # Where the reply says that a message has left, each one has a reply.
        found = replace(found, uses=replace(found.uses, one_way=0.0))
    if matching is not None:
        found = replace(found, board=replace(board, matching=matching))
    if clients is not None:
        found = replace(found, load=replace(load, clients=clients))
    return found if seconds is None else replace(found, seconds=seconds)
