"""``mboxio list grpc:HOST``: what a gateway exports, and what one may do there."""

import dataclasses

import click

from mboxio.cli.machine.gateways import listing_of
from mboxio.cli.shared.output import Column, Output
from mboxio.cli.shared.text import WORD_MAX, json_line, printable
from mboxio.client.open import Address

__all__ = ["show_exported"]

COLUMNS = (
    Column("mailbox", right=False),
    Column("remote", right=False),
    Column("users"),
    Column("channel", right=False),
    Column("in flight"),
    Column("message bytes"),
    Column("you may", right=False),
)


def show_exported(address: Address, as_json: bool, wait_s: float | None) -> None:
    """Print what a gateway exports."""
    found = listing_of(address, wait_s)
    if as_json:
        click.echo(json_line(dataclasses.asdict(found)))
        return
    if not found.exports:
        click.echo(printable(f"nothing is exported to {found.user}"))
        return
    rows: list[tuple[str, ...]] = []
    for each in found.exports:
        remote = "up" if each.up else f"lost: {each.reason}"
        about = (printable(each.name, WORD_MAX), printable(remote, WORD_MAX), str(each.sessions))
        for channel in each.channels:
            name = printable(channel.name, WORD_MAX)
            sizes = (str(channel.depth), str(channel.message_bytes))
            rows.append((*about, name, *sizes, ", ".join(channel.rights)))
    Output().table(COLUMNS, rows)
    click.echo(printable(f"you are {found.user}"))
