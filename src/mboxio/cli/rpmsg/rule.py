"""``mboxio rpmsg rule``: the udev rule that lets a group use RPMsg."""

import click

from mboxio.cli.shared.text import json_line
from mboxio.controllers.rpmsg import rules

__all__ = ["rule"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def rule(as_json: bool) -> None:
    """Print the udev rule that gives RPMsg to the group mboxio.

    mboxio rpmsg rule | sudo tee /etc/udev/rules.d/70-mboxio-rpmsg.rules
    """
    text = rules.text()
    click.echo(json_line({"name": rules.NAME, "text": text}) if as_json else text, nl=as_json)
