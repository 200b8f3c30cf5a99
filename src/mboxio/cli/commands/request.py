"""``mboxio request`` and ``mboxio send``."""

from time import perf_counter

import click

from mboxio.cli.completion.addresses import address_argument
from mboxio.cli.shared.messages import Printer, output_options
from mboxio.cli.shared.options import opened, timeout, timeout_option, wait_option
from mboxio.cli.shared.payload import endian_option, payload_arguments
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line

__all__ = ["request", "send"]

REPEAT = click.IntRange(min=1)


@click.command()
@address_argument
@payload_arguments
@timeout_option("the reply")
@click.option("--repeat", type=REPEAT, default=1, metavar="N", help="Number of times to send it.")
@wait_option
@output_options(Printer)
@endian_option
def request(
    address: str,
    data: bytes,
    timeout_s: float | None,
    repeat: int,
    wait_s: float | None,
    printer: Printer,
) -> None:
    """Send a message and print the reply.

    PAYLOAD is text, hex with --hex, or 32-bit words with --word; - reads stdin; left out, the
    message is empty. An ADDRESS of @ is the one that is set, @/NAME another channel of it.
    """
    with opened(address, wait_s) as client, Signals() as signals:
        for _ in range(repeat):
            began_s = perf_counter()
            pending = client.submit(data, timeout_s=timeout(timeout_s))
            signals.wait(pending)
            printer.answer(pending.result(), perf_counter() - began_s)
            signals.check()


@click.command()
@address_argument
@payload_arguments
@timeout_option("TX done")
@click.option("--repeat", type=REPEAT, default=1, metavar="N", help="Number of times to send it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per message.")
@wait_option
@endian_option
def send(
    address: str,
    data: bytes,
    timeout_s: float | None,
    repeat: int,
    as_json: bool,
    wait_s: float | None,
) -> None:
    """Send a one-way message, and wait until it is taken.

    PAYLOAD is text, hex with --hex, or 32-bit words with --word; - reads stdin; left out, the
    message is empty. An ADDRESS of @ is the one that is set, @/NAME another channel of it.
    """
    with opened(address, wait_s) as client, Signals() as signals:
        for _ in range(repeat):
            began_s = perf_counter()
            pending = client.post(data, timeout_s=timeout(timeout_s))
            signals.wait(pending)
            pending.result()
            if as_json:
                seconds = round(perf_counter() - began_s, 7)
                click.echo(json_line({"seconds": seconds, "bytes": len(data)}))
            signals.check()
