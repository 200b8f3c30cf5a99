"""``mboxio request`` and ``mboxio send``."""

from time import perf_counter

import click

from mboxio.cli.shared.options import SECONDS, opened, payload_arguments, timeout, wait_option
from mboxio.cli.shared.output import Printer, output_options
from mboxio.cli.shared.signals import Signals
from mboxio.cli.shared.text import json_line

__all__ = ["request", "send"]

REPEAT = click.IntRange(min=1)


@click.command()
@click.argument("address")
@payload_arguments
@click.option("--timeout-s", type=SECONDS, help="Limit for the reply; default: the channel's.")
@click.option("--repeat", type=REPEAT, default=1, metavar="N", help="Number of times to send it.")
@wait_option
@output_options(Printer)
def request(
    address: str,
    data: bytes,
    timeout_s: float | None,
    repeat: int,
    wait_s: float,
    printer: Printer,
) -> None:
    """Send a message and print the reply.

    PAYLOAD is text, or hex with --hex; - reads stdin; left out, the message is empty.
    """
    with opened(address, wait_s) as client, Signals() as signals:
        for _ in range(repeat):
            began_s = perf_counter()
            pending = client.submit(data, timeout_s=timeout(timeout_s))
            signals.wait(pending)
            printer.write(pending.result(), seconds=round(perf_counter() - began_s, 7))
            signals.check()


@click.command()
@click.argument("address")
@payload_arguments
@click.option("--timeout-s", type=SECONDS, help="Limit for TX done; default: the channel's.")
@click.option("--repeat", type=REPEAT, default=1, metavar="N", help="Number of times to send it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per message.")
@wait_option
def send(
    address: str,
    data: bytes,
    timeout_s: float | None,
    repeat: int,
    as_json: bool,
    wait_s: float,
) -> None:
    """Send a one-way message, and wait until it is taken.

    PAYLOAD is text, or hex with --hex; - reads stdin; left out, the message is empty.
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
