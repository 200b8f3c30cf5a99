"""What the arguments of several commands have in common."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

import mboxio
from mboxio._base.timeouts import DEFAULT
from mboxio.cli.shared.settings import default, kinds_of, limit, patience, setting
from mboxio.client.open import reach
from mboxio.client.patience import Patience

__all__ = [
    "SECONDS",
    "allowed",
    "connected",
    "opened",
    "reached",
    "timeout",
    "timeout_option",
    "wait_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


class Seconds(click.ParamType[float]):
    """A time-out: 0 or more seconds, or ``none`` for no limit."""

    name = "seconds|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType`; no limit is infinity."""
        try:
            return limit(str(value))
        except ValueError as error:
            self.fail(str(error))


SECONDS = Seconds()


class Wait(click.ParamType[float]):
    """How long to wait for a remote: 0 or more seconds, and never without limit."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType`."""
        try:
            return patience(str(value))
        except ValueError as error:
            self.fail(str(error))


wait_option = click.option(
    "--wait",
    "wait_s",
    type=Wait(),
    default=default("wait_s"),
    metavar="SECONDS",
    help="Time that the remote may take to come up.",
)
"""What `opened` and `connected` get."""


def timeout_option(what: str) -> Callable[[Command], Command]:
    """Return ``--timeout-s`` of a command.

    Args:
        what: the option limits.
    """
    text = f"Limit for {what}; default: the channel's."
    return click.option("--timeout-s", type=SECONDS, default=default("timeout_s"), help=text)


def timeout(seconds: float | None) -> Any:
    """Turn the value of a `SECONDS` option into a time-out of the library."""
    if seconds is None:
        return DEFAULT
    return None if math.isinf(seconds) else seconds


def allowed() -> tuple[str, ...] | None:
    """Return what ``mboxio --allow`` names, or what is set; None: neither."""
    context = click.get_current_context(silent=True)
    text = None if context is None else context.find_root().params.get("kinds")
    if text is None:
        found = setting("allow")
        text = None if found is None else found.text
    return None if text is None else kinds_of(text)


@contextmanager
def opened(address: str, wait_s: float | None = None) -> Generator[mboxio.Client]:
    """Open a client for a command."""
    with _sharing():
        client = mboxio.open(address, wait_s=wait_s, allow=allowed())
    with client:
        yield client


@contextmanager
def connected(address: str, wait_s: float | None = None) -> Generator[mboxio.Connection]:
    """Connect for a command."""
    with _sharing():
        connection = mboxio.connect(address, wait_s=wait_s, allow=allowed())
    with connection:
        yield connection


def reached(
    address: str, wait_s: float | None = None, channel: str | None = None
) -> tuple[mboxio.Connection, str]:
    """Connect to a controller for a command; returns it and the name of the channel that is meant.

    Args:
        address: of the controller, or of one of its channels.
        wait_s: see `mboxio.connect`.
        channel: meant in place of that of the address.
    """
    with _sharing():
        connection, found = reach(address, Patience(wait_s, what=address), allowed())
    try:
        if channel is not None:
            found = connection._host.find_channel(channel)
    except BaseException:
        connection.close()
        raise
    return connection, found.name


@contextmanager
def _sharing() -> Generator[None]:
    """Say in one line where this build cannot share memory."""
    try:
        yield
    except mboxio.MailboxError:
        raise
    except RuntimeError as error:
        raise click.ClickException(str(error)) from None
