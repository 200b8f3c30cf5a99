"""All that this machine has, in one list."""

from collections.abc import Callable, Iterable

from mboxio.cli.machine.devices import scmi, uio, vcio
from mboxio.cli.machine.gateways import gateways
from mboxio.cli.machine.machine import Found, Machine
from mboxio.cli.machine.nodes import nodes
from mboxio.cli.machine.remotes import remotes
from mboxio.cli.machine.rpmsg import rpmsg

__all__ = ["KINDS", "survey"]

KINDS = {
    "remote": "remotes",
    "gateway": "gateways",
    "vcio": "Raspberry Pi",
    "uio": "UIO devices",
    "rpmsg": "RPMsg",
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
    looks: list[Callable[[], Iterable[Found]]] = [
        lambda: remotes(machine, folder),
        lambda: gateways(machine, folder),
        lambda: vcio(machine),
        lambda: uio(machine),
        lambda: rpmsg(machine),
        lambda: scmi(machine),
        lambda: nodes(machine),
    ]
    return [found for look in looks for found in look()]
