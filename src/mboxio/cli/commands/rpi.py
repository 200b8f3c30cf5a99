"""``mboxio rpi``: what the firmware of a Raspberry Pi says about the board."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.table import Table

from mboxio.cli.completion.addresses import ADDRESS, expanded
from mboxio.cli.shared.options import opened, timeout, timeout_option, wait_option
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.payload import unhexed
from mboxio.cli.shared.text import json_line, printable
from mboxio.client.open import Address
from mboxio.protocols import rpi_tags as tags
from mboxio.protocols.rpi_property import RpiProperty
from mboxio.protocols.rpi_words import in_json, in_words

__all__ = ["property_address", "rpi"]

Wanted = list[tags.Property[Any]]

VALUES: dict[str, Wanted] = {
    "firmware": [tags.FIRMWARE_REVISION],
    "model": [tags.BOARD_MODEL],
    "revision": [tags.BOARD_REVISION],
    "serial": [tags.BOARD_SERIAL],
    "mac": [tags.MAC_ADDRESS],
    "memory": [tags.ARM_MEMORY, tags.VC_MEMORY],
    "temperature": [tags.TEMPERATURE, tags.MAX_TEMPERATURE],
    "throttled": [tags.THROTTLED],
    "clocks": [tags.clock_rate(clock) for clock in tags.Clock],
    "limits": [
        kind(tags.Clock.ARM)
        for kind in (tags.min_clock_rate, tags.max_clock_rate, tags.measured_clock_rate)
    ],
    "voltages": [tags.voltage(which) for which in tags.Voltage],
    "power": [tags.power(device) for device in tags.Device],
    "dma": [tags.DMA_CHANNELS],
    "command-line": [tags.COMMAND_LINE],
}
"""What can be asked for by name; left out: `tags.OVERVIEW`."""


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Complete a value, and as the first word an address of a Raspberry Pi."""
    given = ctx.params.get("what") or ()
    items = [
        CompletionItem(name) for name in VALUES if name.startswith(incomplete) and name not in given
    ]
    if not given:
        known = ADDRESS.shell_complete(ctx, param, incomplete)
        items += [each for each in known if each.value.startswith(("vcio:", "bcm2835:", "@"))]
    return items


@click.command()
@click.argument("what", nargs=-1, metavar="[ADDRESS] [VALUE]...", shell_complete=_complete)
@click.option("--tag", "raw", multiple=True, help="Any tag, as NUMBER or NUMBER=HEX for its value.")
@click.option(
    "--allow-tag",
    "allow",
    multiple=True,
    type=click.Choice(list(tags.RUNS_CODE)),
    metavar="TAG",
    help=f"Allow a tag that makes the GPU run given code: {' or '.join(tags.RUNS_CODE)}.",
)
@timeout_option("each message")
@wait_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def rpi(
    what: tuple[str, ...],
    raw: tuple[str, ...],
    allow: tuple[str, ...],
    timeout_s: float | None,
    wait_s: float | None,
    as_json: bool,
) -> None:
    """Ask the firmware of a Raspberry Pi about the board.

    ADDRESS is vcio: on the board itself, and may be left out there; elsewhere it is, for example,
    bcm2835:?at=gdb:localhost:3333@0x3f00b880+0x40&pool=gdb:localhost:3333@0x100000.

    \b
    VALUE is one of:
      firmware model revision serial mac memory temperature throttled
      clocks limits voltages power dma command-line
    """
    address = "vcio:"
    if what and (":" in what[0] or what[0].startswith("@")):
        address, what = expanded(what[0]), what[1:]
    wanted = chosen(what, raw)
    found: dict[str, Any] = {}
    with opened(property_address(address), wait_s) as client:
        board = RpiProperty(client, allow=allow)
        for part in in_messages(wanted, client.message_bytes):
            values = board.read_all(*part, timeout_s=timeout(timeout_s))
            found.update(zip((each.name for each in part), values, strict=True))
    if as_json:
        click.echo(json_line({name: in_json(value) for name, value in found.items()}))
        return
    rows = Table(show_header=False, box=None, pad_edge=False)
    rows.add_column(overflow="fold")
    rows.add_column(overflow="fold")
    for name, value in found.items():
        rows.add_row(name, printable(in_words(name, value)))
    Output().print(rows)


def chosen(what: Sequence[str], raw: Sequence[str]) -> Wanted:
    """Return what the arguments ask for."""
    for name in what:
        if name not in VALUES:
            raise click.UsageError(f"no value {name!r}; there are: {', '.join(VALUES)}.")
    wanted = [each for name in what for each in VALUES[name]]
    return wanted + [raw_tag(text) for text in raw] or list(tags.OVERVIEW)


def raw_tag(text: str) -> tags.Property[bytes]:
    """Read ``0x30002=03000000``."""
    number, _, value = text.partition("=")
    try:
        tag, request = int(number, 0), unhexed(value)
        if not 0 < tag < 1 << 32:
            raise ValueError
    except ValueError:
        raise click.UsageError(f"--tag {text!r}: write NUMBER or NUMBER=HEX.") from None
    return replace(tags.raw(tag, request), name=f"tag {tag:#010x}")


def in_messages(wanted: Wanted, message_bytes: int) -> list[Wanted]:
    """Split what is wanted into messages that the channel carries."""
    parts: list[Wanted] = [[]]
    room = message_bytes - 12
    for each in wanted:
        size = 16 + max(len(each.request), each.answer_bytes, each.room_bytes)
        if parts[-1] and size > room:
            parts.append([])
            room = message_bytes - 12
        parts[-1].append(each)
        room -= size
    return parts


def property_address(text: str) -> str:
    """Add the channel to an address that has none.

    Raises:
        AddressError: it is no address.
    """
    address = Address.parse(text)
    return str(address if address.channel else replace(address, channel="property"))
