"""Addresses as arguments: ``@`` stands for the one that is set."""

import dataclasses
from typing import Any

import click
from click.shell_completion import CompletionItem

from mboxio.cli.shared.settings import default, setting
from mboxio.client.open import Address

__all__ = ["ADDRESS", "address_argument", "expanded", "last_address_argument"]

SET = "@"
"""An address cannot begin like this."""


def expanded(text: str) -> str:
    """Return the address that is meant: ``@`` is the one that is set, ``@/pmic`` a channel of it.

    Raises:
        UsageError: none is set.
        AddressError: what is set is not an address.
    """
    if not text.startswith(SET):
        return text
    found = setting("address")
    if found is None:
        raise click.UsageError(
            f"{text!r} means the address that is set: set MBOXIO_ADDRESS, or address in the file."
        )
    whole = Address.parse(found.text)
    rest = text.removeprefix(SET)
    if not rest:
        return found.text
    if not rest.startswith("/") or "?" in rest:
        raise click.UsageError(f"{text!r}: write @ or @/CHANNEL.")
    return str(dataclasses.replace(whole, channel=rest[1:]))


class AddressType(click.ParamType[str]):
    """An address, as it is or with ``@``."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        return expanded(str(value))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """See `click.ParamType`."""
        from mboxio.cli.completion.candidates import addresses  # only at the Tab key

        with ctx.scope(cleanup=False):  # --allow counts
            return addresses(incomplete)


ADDRESS = AddressType()
address_argument = click.argument("address", type=ADDRESS)
"""ADDRESS where another argument follows it."""


def _require(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None and not ctx.resilient_parsing:
        raise click.UsageError("Missing argument 'ADDRESS': name one, or set MBOXIO_ADDRESS.", ctx)
    return value


last_address_argument = click.argument(
    "address", type=ADDRESS, default=default("address"), callback=_require, metavar="[ADDRESS]"
)
"""ADDRESS alone: left out, it is the one that is set."""
