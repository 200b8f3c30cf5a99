"""Gateways: those of this machine, and what any of them exports to this user."""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from mboxio.address.allowed import names_of
from mboxio.cli.machine.machine import Found, Machine
from mboxio.cli.machine.remotes import expected_folder, listening
from mboxio.cli.shared.options import allowed
from mboxio.client import open as registry
from mboxio.client.open import Address
from mboxio.client.patience import Patience
from mboxio.errors import AccessDenied, AddressError
from mboxio.far.frames import BadFrame
from mboxio.far.hosts import SOCKET
from mboxio.far.listing import Listing

__all__ = ["gateways", "is_elsewhere", "listing_of"]


def gateways(machine: Machine, folder: str | None = None) -> Iterator[Found]:
    """Yield the gateway of this user, if one listens; it is not asked for anything.

    Args:
        machine: where to look.
        folder: of this user's remotes; None: `expected_folder`.
    """
    path = os.path.join(folder or expected_folder(), SOCKET)
    if path in listening(machine):
        about = "mboxio list with this address shows what is exported"
        yield Found("gateway", path, f"grpc+unix:{path}", about)


def is_elsewhere(address: Address) -> bool:
    """Return whether an address leads to a gateway."""
    return address.controller.partition("+")[0] == "grpc"


def listing_of(address: Address, wait_s: float | None = None) -> Listing:
    """Ask a gateway what it exports to this user, or what it says of the one in the address.

    Args:
        address: of a gateway, or of an export.
        wait_s: see `mboxio.connect`.

    Raises:
        AddressError: the address means nothing, or what answers is no gateway.
        AccessDenied: nothing is exported to this user, or not what the address names.
        RemoteGone: nobody answers there.
    """
    whole = dataclasses.replace(address, channel="")
    return registry.patiently(Patience(wait_s, what=str(whole)), lambda: _asked(whole))


def _asked(address: Address) -> Listing:
    names = allowed()
    driver: Any = registry.make(address, None if names is None else names_of(names))
    try:
        dialling, export = driver.way()
        driver.dialling = dialling  # `close` ends it
        try:
            found = Listing.of(dialling.exports(driver.options.connect_timeout_s))
        except BadFrame as error:
            raise AddressError(f"{dialling.where} is no gateway of mboxio: {error}") from None
    finally:
        driver.close()
    if not export:
        return found
    exports = tuple(each for each in found.exports if each.name == export)
    if not exports:
        names_there = ", ".join(each.name for each in found.exports) or "nothing"
        raise AccessDenied(
            f"{dialling.where}: {export!r} is not exported to {found.user}; there is: {names_there}"
        )
    return Listing(found.user, exports)
