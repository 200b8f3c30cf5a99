"""``mboxio sim``: what a board would do, and whether the core survives boards with faults."""

from pathlib import Path
from typing import Any

import click

from mboxio.cli.commands.bench import Numbers
from mboxio.cli.sim.boards import DEPTHS, compare
from mboxio.cli.sim.seeds import examine_seeds
from mboxio.sim.swarm import Campaign, Faults, Uses
from mboxio.sim.swarm.options import Options
from mboxio.sim.world.board import MATCHINGS

__all__ = ["sim"]

OF_BOARDS, OF_SEEDS = (
    ("depths", "svg"),
    ("seeds", "requests", "faults", "uses", "matching", "clients", "jobs"),
)


class Named(click.ParamType[Any]):
    """Names with numbers.

    Args:
        kind: what they are; its ``parse`` takes the text.
        name: what the help calls them.
    """

    def __init__(self, kind: type[Options], name: str) -> None:
        self.kind = kind
        self.name = name

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Options:
        """See `click.ParamType`."""
        try:
            return self.kind.parse(str(value))
        except ValueError as error:
            self.fail(str(error))


@click.command()
@click.argument(
    "board", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--seed", type=click.IntRange(min=0), default=1, help="Of all that is drawn.")
@click.option(
    "--seconds", type=click.FloatRange(0.0001, 3600), help="Virtual time of each simulation."
)
@click.option("--depths", type=Numbers(), help="BOARD with so many slots; default: 1,2,4,8,16.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="BOARD as a picture.")
@click.option("--seeds", type=click.IntRange(min=1), help="So many seeds, from --seed on.")
@click.option(
    "--requests", type=click.IntRange(min=1), help="As many seeds as these requests take."
)
@click.option(
    "--faults",
    type=Named(Faults, "fault=rate,..."),
    help="In place of what the seeds say; all, none.",
)
@click.option(
    "--uses",
    type=Named(Uses, "use=number,..."),
    help="Of one_way, into, waiters, mappers; all, none.",
)
@click.option(
    "--matching",
    type=click.Choice(MATCHINGS),
    metavar="WAY",
    help="How replies are tied to requests: hardware, tags or order.",
)
@click.option("--clients", type=click.IntRange(min=1), help="In place of what the seeds say.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: one per processor.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.pass_context
def sim(
    context: click.Context,
    board: Path | None,
    seed: int,
    seconds: float | None,
    depths: tuple[int, ...] | None,
    svg: Path | None,
    seeds: int | None,
    requests: int | None,
    faults: Faults | None,
    uses: Uses | None,
    matching: str | None,
    clients: int | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Simulate boards in virtual time, around the real core.

    BOARD is a Python file that describes one: `mboxio sim my_board.py` shows what more slots would
    bring. It is run, so trust it like a command.

    Without BOARD, each seed is a board with clients and faults of its own. In the end all is
    healed, and every request has to be accounted for. A seed that fails is made small and printed
    as a command.
    """
    strange = [
        f"--{name}"
        for name in (OF_SEEDS if board is not None else OF_BOARDS)
        if context.params[name] is not None
    ]
    if strange:
        kind = "without" if board is not None else "with"
        raise click.UsageError(f"{', '.join(strange)}: that is for simulations {kind} BOARD.")
    if board is not None:
        compare(board, seed, seconds, depths or DEPTHS, svg, as_json)
        return
    campaign = Campaign(
        first=seed,
        seeds=seeds or (1 if requests is None else None),
        requests=requests,
        faults=faults,
        uses=uses,
        matching=matching,
        clients=clients,
        seconds=seconds,
        jobs=jobs or 0,
    )
    examine_seeds(campaign, as_json)
