"""What ``mboxio gateway`` is told: names of exports, places to listen at, and who comes there."""

from collections.abc import Sequence

import click

from mboxio import AddressError
from mboxio.address.address import Address
from mboxio.far.hello import NAME
from mboxio.gateway.allow import AllowList
from mboxio.gateway.places import InsecurePlace, LocalPlace, Place, TlsPlace

__all__ = ["ANYBODY", "names_of", "port_of", "require_known", "socket_of"]

ANYBODY = "anybody"
"""What all are called who come without certificates."""


def names_of(addresses: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what users call each mailbox.

    Raises:
        UsageError, AddressError: that cannot be.
    """
    parsed = [Address.parse(each) for each in addresses]
    for text, each in zip(addresses, parsed, strict=True):
        if each.channel:
            raise click.UsageError(
                f"{text!r} names a channel: a gateway takes a whole mailbox, and --allow-list says"
                " which of its channels are for whom."
            )
    if names and len(names) != len(addresses):
        raise click.UsageError(f"--as: there are {len(addresses)} addresses, {len(names)} names.")
    called = list(names) or [each.name or each.controller for each in parsed]
    for name in called:
        if not NAME.fullmatch(name):
            raise click.UsageError(
                f"{name!r} is no name for users: use --as with letters, digits, '.', '_' and '-'."
            )
        if called.count(name) > 1:
            raise click.UsageError(f"Two mailboxes are called {name!r}: tell them apart by --as.")
    return called


def port_of(listen: str | None, files: Sequence[str | None], insecure: bool) -> list[Place]:
    """Return the place of ``--listen``, which reads its files now; none without it.

    Args:
        listen: ``HOST[:PORT]``.
        files: certificate, key, and who vouches for users.
        insecure: there are none of these.

    Raises:
        UsageError, AddressError: that cannot be, or would be open to the world.
    """
    if listen is None:
        if insecure or any(files):
            raise click.UsageError("--cert, --key, --ca and --insecure go with --listen HOST:PORT.")
        return []
    if insecure:
        if any(files):
            raise click.UsageError("--insecure and --cert, --key, --ca exclude each other.")
        return [InsecurePlace(listen, ANYBODY)]
    cert, key, ca = (each or "" for each in files)
    missing = [name for name, each in (("cert", cert), ("key", key), ("ca", ca)) if not each]
    if missing:
        raise AddressError(
            f"{listen}: users of other machines show certificates, and so does this one: give "
            f"--{', --'.join(missing)}; or let them come by ssh, to the Unix socket"
        )
    return [TlsPlace(listen, cert, key, ca)]


def socket_of(text: str) -> LocalPlace:
    """Return the place of one ``--socket``; raises UsageError."""
    user, equals, path = text.partition("=")
    if not equals or not user or not path.endswith(".sock"):
        raise click.UsageError(f"--socket {text!r}: write USER=PATH, where PATH ends in .sock.")
    return LocalPlace(path, user)


def require_known(allow: AllowList, file: str, places: Sequence[Place]) -> None:
    """Refuse to listen where nobody could do anything; raises AddressError."""
    for place in places:
        if place.user is not None and not allow.knows(place.user):
            raise AddressError(
                f"{file} allows nothing to {place.user!r}, as whom everybody comes by {place.where}"
            )
