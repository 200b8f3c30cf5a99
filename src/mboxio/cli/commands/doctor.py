"""``mboxio doctor``: what keeps mboxio from working here."""

import dataclasses

import click

from mboxio.cli.machine.health import FAIL, OK, WARN, Check, examine
from mboxio.cli.machine.machine import Machine
from mboxio.cli.shared.output import Output, wrapped
from mboxio.cli.shared.text import json_line, printable

__all__ = ["doctor"]

COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}
STATUS_WIDTH = 4


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor(as_json: bool) -> None:
    """Check build, permissions and environment.

    Each line is ok, warn or fail, with what to do about it. The exit code is 1 if a line is fail.
    """
    checks = list(examine(Machine()))
    failed = any(each.status == FAIL for each in checks)
    if as_json:
        lines = [dataclasses.asdict(each) for each in checks]
        click.echo(json_line({"healthy": not failed, "checks": lines}))
    else:
        output = Output()
        for each in checks:
            _show(each, output.width if output.is_terminal else None)
    if failed:
        raise click.exceptions.Exit(1)


def _show(check: Check, width: int | None) -> None:
    text = f"{check.name}: {check.text}"
    text += f"; try: {check.advice}" if check.advice else ""
    status = click.style(f"{check.status:<{STATUS_WIDTH}}", COLOURS[check.status])
    room = None if width is None else width - STATUS_WIDTH - 1
    first, *others = wrapped(printable(text), room, "  ")
    click.echo(f"{status} {first}")
    for line in others:
        click.echo(" " * (STATUS_WIDTH + 1) + line)
