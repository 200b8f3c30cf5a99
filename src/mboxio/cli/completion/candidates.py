"""What an address may become: remotes, devices and channels that are here now."""

from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem

from mboxio import MailboxError, connect
from mboxio.address import catalogue
from mboxio.cli.machine.devices import uio, vcio
from mboxio.cli.machine.gateways import gateways, listing_of
from mboxio.cli.machine.machine import Found, Machine
from mboxio.cli.machine.nodes import nodes
from mboxio.cli.machine.remotes import remotes
from mboxio.cli.machine.rpmsg import rpmsg
from mboxio.cli.shared.options import allowed
from mboxio.cli.shared.settings import WrongSetting, setting
from mboxio.client.open import Address
from mboxio.far.hosts import SOCKET

__all__ = ["addresses"]

REGISTERS = ("acpm", "bcm2835", "exynos_mbox", "mhu")
"""Controllers that sit on a region, such as a UIO device."""
HARMLESS = ("loopback", "shm")
"""Controllers that may be connected to while a line is typed, to learn their channels."""
LOCAL = "grpc+unix:"
"""Gateways that may be asked what they export while a line is typed."""
ANSWER_S = 1.0


def addresses(incomplete: str, machine: Machine | None = None) -> list[CompletionItem[str]]:
    """Return the addresses that begin like this.

    Channels are shown once the controller is whole: a remote is then connected to for a moment.

    Args:
        incomplete: what has been typed.
        machine: where to look; None: here.
    """
    machine = Machine() if machine is None else machine
    items = [
        CompletionItem(each.address, help=each.about or each.kind)
        for each in _found(machine, incomplete)
        if each.address.startswith(incomplete) and each.address.isprintable()
    ]
    whole = incomplete.partition("/")[0] if "/" in incomplete else ""
    if len(items) == 1 and items[0].value.partition(":")[0] in HARMLESS:
        whole = items[0].value
    if whole:
        items += [
            CompletionItem(f"{whole}/{name}", help="channel")
            for name in _channels(whole)
            if f"{whole}/{name}".startswith(incomplete)
        ]
    if incomplete.startswith(LOCAL) and f"{SOCKET}/" in incomplete:
        items += _exported(incomplete)
    return items


def _found(machine: Machine, incomplete: str) -> Iterator[Found]:
    """Yield what there is; what costs more only if it may be meant."""
    scheme, colon, _ = incomplete.partition(":")
    if "@".startswith(incomplete):
        try:
            found = setting("address")
        except WrongSetting:
            found = None  # the command itself will say so
        if found is not None:
            yield Found("address", "@", "@", f"the address that is set: {found.text}")
    yield from (each for each in remotes(machine) if each.address)
    yield from gateways(machine)
    yield from vcio(machine)
    yield from (each for each in rpmsg(machine) if each.address)
    for each in uio(machine):
        for controller in REGISTERS if each.address else ():
            yield Found("uio", each.name, f"{controller}:?at={each.address}", each.about)
    if not colon or scheme == "dt":
        yield from nodes(machine)
    for name in catalogue.found():
        if not colon or name != "shm":  # that is nothing without a name
            yield Found("controller", name, f"{name}:", "controller")


def _exported(incomplete: str) -> Iterator[CompletionItem[str]]:
    """Yield the mailboxes of a gateway of this machine, and channels of the one that is meant."""
    place = incomplete.partition(SOCKET)[0] + SOCKET
    try:
        found = listing_of(Address.parse(f"{place}?connect_timeout_s={ANSWER_S}"))
    except (MailboxError, OSError, click.ClickException):
        return  # the command itself will say why
    for each in found.exports:
        whole = f"{place}/{each.name}"
        names = {whole: "mailbox"}
        if incomplete.startswith(f"{whole}/"):
            names = {f"{whole}/{channel.name}": "channel" for channel in each.channels}
        for name, what in names.items():
            if name.startswith(incomplete) and name.isprintable():
                yield CompletionItem(name, help=what)


def _channels(address: str) -> list[str]:
    """Return the channels of a controller; none if it cannot be asked."""
    if address.partition(":")[0] not in HARMLESS:
        return []
    try:
        with connect(address, allow=allowed()) as connection:
            return [each for each in connection._host.channels if each.isprintable()]
    except (MailboxError, OSError, RuntimeError, click.ClickException):
        return []  # the command itself will say why
