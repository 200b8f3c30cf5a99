"""``mboxio rpmsg``: what there is of RPMsg on this machine."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from mboxio.cli.machine.machine import Machine
from mboxio.cli.machine.rpmsg import RpmsgMachine, troubles
from mboxio.cli.rpmsg.rings import rings
from mboxio.cli.rpmsg.rule import rule
from mboxio.cli.shared.output import Column, Output, wrapped
from mboxio.cli.shared.text import WORD_MAX, json_line, printable
from mboxio.controllers.rpmsg.options import ANY

__all__ = ["rpmsg"]

SERVICES = (
    Column("address", right=False),
    Column("vdev", right=False),
    Column("from"),
    Column("to"),
    Column("node", right=False),
    Column("driver", right=False),
    Column("held by", right=False),
)
PROCESSORS = (
    Column("processor", right=False),
    Column("name", right=False),
    Column("state", right=False),
    Column("firmware", right=False),
    Column("recovery", right=False),
    Column("vdevs", right=False),
)
NOTHING = (
    "no remote processor and no RPMsg device: their drivers come with the kernel of the board, and "
    "a node of the device tree says that there is one"
)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
@click.pass_context
def rpmsg(context: click.Context, as_json: bool, root: Path) -> None:
    """Show remote processors, services, and what is missing."""
    if context.invoked_subcommand is not None:
        return
    found = RpmsgMachine(Machine(root))
    if as_json:
        click.echo(json_line(in_json(found)))
        return
    output = Output()
    show(output, found)


rpmsg.add_command(rings)
rpmsg.add_command(rule)


def show(output: Output, found: RpmsgMachine) -> None:
    """Print it for people."""
    width = output.width if output.is_terminal else None
    told = in_json(found)
    if told["processors"]:
        names = ("processor", "name", "state", "firmware", "recovery")
        rows = [
            (*(cell(each[name]) for name in names), cell(", ".join(each["vdevs"])))
            for each in told["processors"]
        ]
        output.table(PROCESSORS, rows)
        output.print()
    rows = [
        (
            cell(each["address"] or each["name"]),
            cell(each["vdev"]),
            end(each["src"]),
            end(each["dst"]),
            cell(each["node"] or each.get("tty", "")),
            cell(each.get("driver", "")),
            cell(", ".join(f"{who['pid']} {who['command']}" for who in each["held_by"])),
        )
        for each in (*told["services"], *told["endpoints"])
    ]
    if rows:
        output.table(SERVICES, rows)
        output.print()
    if not found.processors and not found.vdevs:
        for line in wrapped(NOTHING, width, ""):
            click.echo(line)
    elif not told["troubles"]:
        click.echo("nothing is missing")
    for each in told["troubles"]:
        text = printable(f"{each['about']}: {each['text']}; try: {each['advice']}")
        for line in wrapped(text, width, "  "):
            click.echo(line)


def cell(text: str) -> str:
    """Return what others wrote as a cell of a table."""
    return printable(text, WORD_MAX) or "-"


def end(address: int) -> str:
    """Return an address as people write it."""
    return "any" if address == ANY else f"{address:#x}"


def in_json(found: RpmsgMachine) -> dict[str, Any]:
    """Return all that was found."""
    vdevs = {each.name: each for each in found.vdevs}
    return {
        "processors": [
            {
                "processor": each.node,
                "name": each.name,
                "state": each.state,
                "firmware": each.firmware,
                "recovery": each.recovery,
                "vdevs": [name for name, vdev in vdevs.items() if vdev.processor == each.node],
            }
            for each in found.processors
        ],
        "vdevs": [
            {"vdev": each.name, "processor": each.processor, "control": each.control}
            for each in found.vdevs
        ],
        "services": [
            {
                "name": each.name,
                "address": found.address(each),
                "vdev": each.vdev.name,
                "src": each.src,
                "dst": each.dst,
                "driver": each.driver,
                "node": each.node,
                "tty": each.tty,
                "held_by": holders_in_json(found, each.node or each.tty),
            }
            for each in found.services
        ],
        "endpoints": [
            {
                "name": each.name,
                "address": found.endpoint_address(each),
                "vdev": each.vdev,
                "src": each.src,
                "dst": each.dst,
                "node": each.node,
                "held_by": holders_in_json(found, each.node),
            }
            for each in found.endpoints
            if each.control
        ],
        "troubles": [dataclasses.asdict(each) for each in troubles(found)],
    }


def holders_in_json(found: RpmsgMachine, node: str) -> list[dict[str, Any]]:
    """Return who has a node open."""
    return [dataclasses.asdict(each) for each in (found.holders(node) if node else ())]
