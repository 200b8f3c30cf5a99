"""``mboxio listen``."""

from time import monotonic

import click

from mboxio import Messages, MessagesLost, RemoteGone, RequestTimeout
from mboxio.cli.completion.addresses import last_address_argument
from mboxio.cli.shared.messages import LinePrinter, output_options
from mboxio.cli.shared.options import SECONDS, opened, wait_option
from mboxio.cli.shared.payload import endian_option
from mboxio.cli.shared.signals import LOOK_S, Signals
from mboxio.cli.shared.text import note

__all__ = ["listen"]


@click.command()
@last_address_argument
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many messages.")
@click.option(
    "--timeout-s", type=SECONDS, default="none", help="Fail if the next message takes longer."
)
@click.option("--follow", is_flag=True, help="Continue after the remote has restarted.")
@wait_option
@output_options(LinePrinter)
@endian_option
def listen(
    address: str,
    count: int | None,
    timeout_s: float,
    follow: bool,
    wait_s: float | None,
    printer: LinePrinter,
) -> None:
    """Print unsolicited messages until Ctrl-C.

    Each has the time when it was taken, its channel, its direction (rx) and its bytes: in one
    line, or on a terminal as a hexdump. Lost messages are reported on stderr.
    """
    got = 0
    with (
        opened(address, wait_s) as client,
        client.subscribe() as messages,
        Signals() as signals,
    ):
        while got != count and not signals.number:
            try:
                message = _next(messages, timeout_s, signals)
            except MessagesLost as error:
                note(str(error))
                continue
            except RemoteGone as error:
                if not follow:
                    raise
                note(f"{error}; listening for its next life")
                continue
            if message is not None:
                printer.receive(client.name, message)
                got += 1
        if signals.number:  # this is how it is meant to end
            note(f"{got} messages")


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
