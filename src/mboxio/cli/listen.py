"""``mboxio listen``."""

from time import monotonic

import click

from mboxio import Messages, MessagesLost, RequestTimeout
from mboxio.cli.options import SECONDS, Printer, opened, output_options, printable
from mboxio.cli.signals import LOOK_S, Signals

__all__ = ["listen"]


@click.command()
@click.argument("address")
@click.option("--count", type=click.IntRange(min=1), help="End after so many messages.")
@click.option(
    "--timeout-s", type=SECONDS, default="none", help="Fail if the next one takes longer."
)
@output_options
def listen(address: str, count: int | None, timeout_s: float, printer: Printer) -> None:
    """Print unsolicited messages until Ctrl-C."""
    got = 0
    with opened(address) as client, client.subscribe() as messages, Signals() as signals:
        while got != count and not signals.number:
            try:
                message = _next(messages, timeout_s, signals)
            except MessagesLost as error:
                click.echo(f"mboxio: {printable(str(error))}", err=True)
                continue
            if message is not None:
                printer.write(message)
                got += 1
        if signals.number:  # this is how it is meant to end
            click.echo(f"mboxio: {got} messages", err=True)


def _next(messages: Messages, timeout_s: float, signals: Signals) -> bytes | None:
    """Return the next message; None: a signal came first."""
    end_s = monotonic() + timeout_s
    while not signals.number:
        left_s = end_s - monotonic()
        try:
            return messages.get(max(min(LOOK_S, left_s), 0))
        except RequestTimeout:
            if left_s <= 0:
                raise click.ClickException(f"no message in {timeout_s:g} s") from None
    return None
