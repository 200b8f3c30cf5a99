"""All that this machine has, in one list."""

from collections.abc import Callable, Iterable

from mboxio.address import catalogue
from mboxio.cli.machine.devices import rpmsg, scmi, uio, vcio
from mboxio.cli.machine.machine import Found, Machine
from mboxio.cli.machine.nodes import nodes
from mboxio.cli.machine.remotes import remotes

__all__ = ["KINDS", "survey"]

KINDS = {
    "remote": "remotes",
    "vcio": "Raspberry Pi",
    "uio": "UIO devices",
    "rpmsg": "rpmsg services",
    "scmi": "SCMI",
    "devicetree": "device tree",
}
"""What is looked for, and what people call it."""


def survey(machine: Machine, folder: str | None = None) -> list[Found]:
    """Return what can be talked to on a machine, and what cannot, with the reason.

    Nothing is opened for use, and nobody notices it.

    Args:
        machine: where to look.
        folder: of this user's remotes; None: where they lie.
    """
    controllers = frozenset(catalogue.found())
    looks: list[Callable[[], Iterable[Found]]] = [
        lambda: remotes(machine, folder),
        lambda: vcio(machine),
        lambda: uio(machine),
        lambda: rpmsg(machine, controllers),
        lambda: scmi(machine),
        lambda: nodes(machine),
    ]
    return [found for look in looks for found in look()]
