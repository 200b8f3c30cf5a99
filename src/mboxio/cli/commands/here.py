"""``mboxio list`` without an address: what this machine has."""

import dataclasses
from itertools import groupby

import click
from rich.cells import cell_len

from mboxio.cli.machine.machine import Found, Machine
from mboxio.cli.machine.remotes import expected_folder
from mboxio.cli.machine.survey import KINDS, survey
from mboxio.cli.shared.output import Output, wrapped
from mboxio.cli.shared.text import json_line, printable

__all__ = ["show_machine"]

WIDE_MIN = 100
"""Columns from which on a line says everything."""
NAME_MAX = 32
"""Columns of the longest name that others are lined up with."""


def show_machine(machine: Machine, as_json: bool) -> None:
    """Print what there is to talk to, and why some of it cannot be used."""
    found = survey(machine)
    if as_json:
        click.echo(json_line([dataclasses.asdict(each) for each in found]))
        return
    output = Output()
    width = output.width if output.is_terminal else None
    for kind, members in groupby(found, key=lambda each: each.kind):
        click.secho(KINDS[kind], bold=True)
        group = list(members)
        widest = max(min(cell_len(_name(each)), NAME_MAX) for each in group)
        for each in group:
            _show(each, widest, width)
    missing = [name for kind, name in KINDS.items() if kind not in {each.kind for each in found}]
    if missing:
        line = f"none here: {', '.join(missing)}"
        if "remotes" in missing:
            line += f" (remotes would be in {printable(expected_folder())})"
        _lines(line, width, "")


def _name(found: Found) -> str:
    return found.address or found.name


def _show(found: Found, widest: int, width: int | None) -> None:
    """Print one, in one line where that has room."""
    told = found.about
    if found.obstacle:
        told += ("; " if told else "") + f"not usable: {found.obstacle}"
        told += f"; try: {found.advice}" if found.advice else ""
    name = _name(found)
    line = f"  {name}{' ' * (widest - cell_len(name))}  {told}".rstrip()
    if width is None or cell_len(line) <= width:
        click.echo(line)
        return
    if width >= WIDE_MIN and cell_len(name) <= NAME_MAX:
        _lines(line, width, " " * (widest + 4))
        return
    click.echo(f"  {name}")
    for text in (found.about, found.obstacle and f"not usable: {found.obstacle}"):
        if text:
            _lines(f"    {text}", width, "      ")
    if found.advice:
        _lines(f"    try: {found.advice}", width, "      ")


def _lines(text: str, width: int | None, indent: str) -> None:
    for line in wrapped(text, width, indent):
        click.echo(line)
