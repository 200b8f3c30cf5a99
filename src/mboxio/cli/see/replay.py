"""``mboxio replay``: a capture played again, to a remote or in its place."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import click

from mboxio import AddressError
from mboxio.cli.completion.addresses import address_argument
from mboxio.cli.see.replay_serving import play
from mboxio.cli.see.replay_shown import Shower, sum_up
from mboxio.cli.shared.options import connected, timeout, timeout_option, wait_option
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import note
from mboxio.client.open import Address
from mboxio.see.decoding.decoders import Decoders, protocols_of
from mboxio.see.replay import Pace, Rerun, Selection, Unplayable, select

__all__ = ["replay"]


class CannotPlay(click.ClickException):
    """The recording cannot be played."""

    exit_code = 2


class InFlight(click.ParamType[int]):
    """A number, or ``recorded``, which is 0."""

    name = "n|recorded"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """See `click.ParamType`."""
        if value == "recorded" or (isinstance(value, int) and value == 0):
            return 0
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r}: write a number from 1 on, or recorded.")
        return number


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@address_argument
@click.option("--serve", is_flag=True, help="Be the remote: answer hosts as they were answered.")
@click.option("--all", "show_all", is_flag=True, help="Go on after a difference, and show each.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="Play this channel only; can be given several times.",
)
@click.option("--speed", type=float, default=1.0, metavar="X", help="Play X times as fast.")
@click.option("--max-gap-s", type=float, metavar="SECONDS", help="Shorten longer silences.")
@click.option("--no-gaps", is_flag=True, help="Wait for nothing but replies.")
@click.option(
    "--in-flight",
    type=InFlight(),
    default=0,
    metavar="N|recorded",
    help="Messages under way at once; default: as many as were.",
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="NAME[=CHANNEL]",
    help="Also say what differing messages mean; as for mboxio decode.",
)
@timeout_option("each reply")
@wait_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each line.")
@click.pass_context
def replay(
    context: click.Context,
    file: str,
    address: str,
    serve: bool,
    show_all: bool,
    channels: Sequence[str],
    speed: float,
    max_gap_s: float | None,
    no_gaps: bool,
    in_flight: int,
    protocols: Sequence[str],
    timeout_s: float | None,
    wait_s: float | None,
    as_json: bool,
) -> None:
    """Play a capture again, to a remote or in its place.

    FILE is a capture, pcapng or JSON lines; - is stdin. Its requests are sent to ADDRESS, and the
    first that does not end as it did is explained; the exit code is 1 then. Where ADDRESS has a
    channel, the one channel of the capture is played there.

    With --serve, ADDRESS is served until Ctrl-C: shm:NAME, or acpm:?at=peer:NAME. A message is
    answered as the same bytes were, and refused if it was not recorded.

    A replay does to the hardware what the recorded program did.
    """
    try:
        pace = Pace(speed, not no_gaps, max_gap_s)
        shower = Shower(as_json, Decoders(protocols_of(protocols), note))
    except AddressError:
        raise
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    try:
        if serve:
            _refuse_options(context, "show_all", "in_flight", "protocols", "wait_s", "timeout_s")
            play(file, address, channels or None, pace, as_json)
            return
        selection = select(file, channels or None)
        for line in selection.warnings:
            note(f"{selection.name}: {line}")
        _send(selection, address, pace, in_flight or None, timeout_s, wait_s, show_all, shower)
    except Unplayable as error:
        raise CannotPlay(str(error)) from None


def _refuse_options(context: click.Context, *names: str) -> None:
    """Refuse options that mean nothing with --serve."""
    options = {each.name: each.opts[0] for each in context.command.params}
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise click.UsageError(f"{options[name]} and --serve exclude each other.")


# -- as the host


def _send(
    selection: Selection,
    address: str,
    pace: Pace,
    in_flight: int | None,
    timeout_s: float | None,
    wait_s: float | None,
    show_all: bool,
    shower: Shower,
) -> None:
    """Send what was recorded."""
    parsed = Address.parse(address)
    names: dict[str, str] = {}
    if parsed.channel:
        if len(selection.conversations) != 1:
            there = ", ".join(str(each.source) for each in selection.conversations)
            raise click.UsageError(
                f"{address!r} has a channel, and {selection.name} has several: choose one with"
                f" --channel: {there}."
            )
        names = {selection.conversations[0].source.channel: parsed.channel}
        address = str(dataclasses.replace(parsed, channel=""))
    with (
        connected(address, wait_s) as connection,
        Signals() as signals,
        Rerun(
            selection,
            connection,
            channels=names,
            pace=pace,
            in_flight=in_flight,
            timeout_s=timeout(timeout_s),
            check=signals.check,
        ) as rerun,
    ):
        if not rerun.count:
            raise Unplayable(f"{selection.name} holds no messages of a host: try --serve")
        try:
            for difference in rerun:
                shower.show(difference)
                if not show_all:
                    break
            sum_up(rerun, show_all, shower.as_json)
        except click.exceptions.Exit:
            note(f"interrupted: {rerun.sent} of {rerun.count} messages were sent")
            raise
    if rerun.different or rerun.stopped:
        raise click.exceptions.Exit(1)
