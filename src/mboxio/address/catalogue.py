"""Which controllers there are, and where: those of mboxio and those of other packages."""

import dataclasses
from typing import Any

from mboxio import _build
from mboxio.errors import AddressError

__all__ = ["BUILT_IN", "GROUP", "broken_controllers", "found", "load"]

BUILT_IN = {
    "acpm": "mboxio.controllers.acpm:Acpm",
    "bcm2835": "mboxio.controllers.bcm2835:Bcm2835",
    "exynos_mbox": "mboxio.controllers.exynos_mbox:ExynosMailbox",
    "grpc": "mboxio.controllers.grpc.ways:OverNetwork",
    "grpc+ssh": "mboxio.controllers.grpc.ways:OverSsh",
    "grpc+unix": "mboxio.controllers.grpc.ways:OverUnix",
    "loopback": "mboxio.controllers.loopback:Loopback",
    "mhu": "mboxio.controllers.arm_mhu:Mhu",
    "rings": "mboxio.controllers.firmware_rings.driver:FirmwareRings",
    "rpmsg": "mboxio.controllers.rpmsg:Rpmsg",
    "rtt": "mboxio.controllers.rtt.driver:Rtt",
    "shm": "mboxio.controllers.shm:SharedMemory",
    "virtio-rpmsg": "mboxio.controllers.virtio_rpmsg.driver:VirtioRpmsg",
    "vcio": "mboxio.controllers.vcio:Vcio",
}
"""Controllers found without asking for entry points, which costs some milliseconds."""

GROUP = "mboxio.controllers"


def found() -> dict[str, str]:
    """Return every known controller: its name and where it is, ``module:class``."""
    from importlib.metadata import entry_points

    outside = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    return {**outside, **BUILT_IN}


def broken_controllers() -> dict[str, str]:
    """Return the controllers of other packages that cannot be loaded, and why; it loads all."""
    broken: dict[str, str] = {}
    for name in found().keys() - BUILT_IN.keys():
        try:
            load(name)
        except AddressError as error:
            broken[name] = str(error)
    return broken


def load(name: str) -> Any:
    """Return the controller class of this name.

    Raises:
        AddressError: unknown, and the text lists what exists; or another package says that it has
            it, and it cannot be loaded.
    """
    where = BUILT_IN.get(name)
    if where is None:
        return _load_from_outside(name)
    module, _, attribute = where.partition(":")
    from importlib import import_module

    kind = getattr(import_module(module), attribute)
    _build.hide_frames()
    return kind


def _load_from_outside(name: str) -> Any:
    from importlib.metadata import entry_points

    entries = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not entries:
        raise AddressError(f"no controller {name!r}; there are: {', '.join(sorted(found()))}")
    entry = entries[-1]  # as in `found`
    package = f" of package {entry.dist.name}" if entry.dist is not None else ""
    try:
        kind = entry.load()
    except Exception as error:  # whatever that code raises when it is imported
        why = f"{type(error).__name__}: {error}"
    else:
        if isinstance(kind, type) and dataclasses.is_dataclass(getattr(kind, "Options", None)):
            return kind
        why = f"{entry.value} is no class of controllers with a dataclass Options"
    line = " ".join(f"controller {name!r}{package} cannot be loaded: {why}".split())
    raise AddressError(line)
