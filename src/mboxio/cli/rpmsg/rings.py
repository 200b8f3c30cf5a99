"""``mboxio rpmsg rings``: what two rings in a memory or a dump say."""

import click

from mboxio.cli.rpmsg.rings_shown import picture_in_json, show_picture
from mboxio.cli.rpmsg.source import RingSource, opened_source
from mboxio.cli.shared.output import Output
from mboxio.cli.shared.text import json_line
from mboxio.errors import AddressError
from mboxio.regions.access import number
from mboxio.rpmsg.looking.explain import WRONG, LinkPicture, explain
from mboxio.rpmsg.message import HEADER_BYTES
from mboxio.virtio.layout import NUM_MAX, SplitLayout

__all__ = ["rings"]

BUFFER_BYTES_MAX = 1 << 16
MESSAGES_MAX = 256


class Number(click.ParamType[int]):
    """A number in decimal or hex."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """See `click.ParamType`."""
        try:
            return number(str(value))
        except AddressError as error:
            self.fail(str(error))


NUMBER = Number()


@click.command()
@click.argument("at", metavar="AT")
@click.option("--table", metavar="WHERE", help="Its offset, or the ELF file; default: the start.")
@click.option("--rings", "offsets", metavar="A,B", help="Offsets of both rings, without a table.")
@click.option("--num", type=NUMBER, default=256, help="Descriptors of each; with --rings.")
@click.option("--align", type=NUMBER, default=4096, help="Of each, in bytes; with --rings.")
@click.option("--address", type=NUMBER, help="What the remote calls the first byte of AT.")
@click.option("--buffer-bytes", type=NUMBER, default=512, help="A buffer with its header.")
@click.option("--messages", "count", type=NUMBER, default=8, help="How many of each direction.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each device.")
def rings(
    at: str,
    table: str | None,
    offsets: str | None,
    num: int,
    align: int,
    address: int | None,
    buffer_bytes: int,
    count: int,
    as_json: bool,
) -> None:
    """Explain the rings of RPMsg in a memory or a dump.

    AT is a file with a copy of the memory, the coredump of a remote processor, or memory itself,
    such as devmem:0xa0000000+0x100000. Nothing is written there. The exit code is 1 if something in
    the rings cannot be.
    """
    if not HEADER_BYTES < buffer_bytes <= BUFFER_BYTES_MAX:
        raise click.UsageError(f"--buffer-bytes is {HEADER_BYTES + 1} to {BUFFER_BYTES_MAX}.")
    if not 0 < num <= NUM_MAX or count > MESSAGES_MAX:
        raise click.UsageError(f"--num is 1 to {NUM_MAX}, --messages at most {MESSAGES_MAX}.")
    if table is not None and offsets is not None:
        raise click.UsageError("The rings are in the table: leave out --table or --rings.")
    with opened_source(at, address) as source:
        if offsets is not None:
            pair = [SplitLayout(source.base + each, num, align) for each in two(offsets)]
            pictures = [explain(source.dump, pair, buffer_bytes=buffer_bytes, messages=count)]
        else:
            pictures = of_table(source, table, buffer_bytes, count)
    output = Output(silent=as_json)
    for place, picture in enumerate(pictures):
        if as_json:
            click.echo(json_line({"at": at, **picture_in_json(picture)}))
            continue
        if place:
            output.print()
        show_picture(output, picture)
    if any(each.kind == WRONG for picture in pictures for each in picture.findings):
        raise click.exceptions.Exit(1)


def of_table(
    source: RingSource, where: str | None, buffer_bytes: int, count: int
) -> list[LinkPicture]:
    """Explain each RPMsg device of a resource table."""
    address = source.find_table(where)
    table = source.read_table(address)
    if not table.rpmsg:
        raise AddressError(
            f"{source.text}: the resource table at {address:#x} has no RPMsg device with two rings"
        )
    return [
        explain(
            source.dump,
            [SplitLayout(each.address, each.num, each.align) for each in device.rings],
            buffer_bytes=buffer_bytes,
            device=device,
            messages=count,
        )
        for device in table.rpmsg
    ]


def two(text: str) -> list[int]:
    """Read ``0x4000,0x8000``."""
    found = [number(each) for each in text.split(",")]
    if len(found) != 2:
        raise click.UsageError("--rings are two offsets, as in --rings 0x4000,0x8000.")
    return found
