"""``mboxio replay --serve``: in place of the remote."""

import os
import signal
import threading
from collections.abc import Sequence

import click

from mboxio.address.allowed import names_of, require_allowed
from mboxio.cli.shared.options import allowed
from mboxio.cli.shared.serving import until_interrupted
from mboxio.cli.shared.text import json_line, note, printable
from mboxio.client.open import Address
from mboxio.regions import access
from mboxio.see.replay import Pace, Player

__all__ = ["play"]

NOTES_MAX = 100
"""Lines about what a host does differently; then one that says so."""


class Teller:
    """Writes lines about what a host does differently, for the thread that serves it."""

    def __init__(self) -> None:
        self.lines = 0
        self.failure: OSError | None = None
        self.lock = threading.Lock()

    def tell(self, line: str) -> None:
        """Write a line; of too many, only that there are more."""
        with self.lock:
            self.lines += 1
            if self.lines > NOTES_MAX or self.failure is not None:
                return
            more = "; more is not told" if self.lines == NOTES_MAX else ""
            try:
                note(f"{line}{more}")
            except OSError as error:
                self.failure = error  # stderr is no use: the command ends as if it had noticed
                os.kill(os.getpid(), signal.SIGTERM)


def play(
    file: str, address: str, channels: Sequence[str] | None, pace: Pace, as_json: bool
) -> None:
    """Answer hosts until Ctrl-C."""
    parsed = Address.parse(address)
    require_allowed(parsed, names_of(allowed()), lambda: access.SCHEMES)
    teller = Teller()
    player = Player(file, address, channels=channels, pace=pace, told=teller.tell)
    for line in player.warnings:
        note(f"{player.name}: {line}")
    _play(player, as_json)
    unasked = len(player.unasked())
    if as_json:
        found = {"answered": player.answered, "refused": player.refused, "unasked": unasked}
        click.echo(json_line(found))
    else:
        told = f"answered {player.answered}, refused {player.refused}"
        click.echo(f"{told}, recorded and never asked for: {unasked}")
    if teller.failure is not None:
        raise teller.failure
    if player.notes:
        raise click.exceptions.Exit(1)


def _play(player: Player, as_json: bool) -> None:
    names = [name or "-" for name in player.parts]

    def told() -> str:
        if as_json:
            return json_line({"address": player.address, "channels": names})
        what = f"playing {player.name} at {player.address}, channels {', '.join(names)}"
        return printable(f"{what}; Ctrl-C ends it")

    until_interrupted(player, told)
