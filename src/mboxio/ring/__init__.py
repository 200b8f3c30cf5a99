"""Rings in shared memory: the layout, the contracts, and the choice of implementation."""

import platform
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from mboxio.regions.region import Kind, Region
from mboxio.ring.contract import ERROR, MESSAGE, REPLY, REQUEST, Armed, Consumer, Producer, Ring
from mboxio.ring.layout import RingLayout
from mboxio.ring.reference import ReferenceArmed, ReferenceConsumer, ReferenceProducer

__all__ = [
    "ERROR",
    "MESSAGE",
    "REPLY",
    "REQUEST",
    "Armed",
    "Consumer",
    "Implementation",
    "Producer",
    "Ring",
    "armed",
    "consumer",
    "implementations",
    "producer",
    "require_ordered_memory",
]


class Implementation(NamedTuple):
    """One way to run a ring."""

    name: str
    producer: Callable[[Region, RingLayout, Armed | None], Producer]
    consumer: Callable[[Region, RingLayout], Consumer]
    armed: Callable[[Region, int, int], Armed]


_REFERENCE = Implementation("reference", ReferenceProducer, ReferenceConsumer, ReferenceArmed)
_compiled: Implementation | None = None
# A compiled module that is there and does not load is an error and no reason to become slow.
if find_spec("mboxio.ring.compiled"):
    _module = import_module("mboxio.ring.compiled")
    _compiled = Implementation(
        "compiled", _module.CompiledProducer, _module.CompiledConsumer, _module.CompiledArmed
    )


def implementations() -> tuple[Implementation, ...]:
    """Return what this build has, the reference first."""
    return (_REFERENCE,) if _compiled is None else (_REFERENCE, _compiled)


def producer(region: Region, layout: RingLayout, armed: Armed | None = None) -> Producer:
    """Return the sending side of a ring; arguments as `ReferenceProducer`.

    Raises:
        ValueError, RemoteError: as `ReferenceProducer`.
        RuntimeError: as `require_ordered_memory`.
    """
    return _fitting(region).producer(region, layout, armed)


def consumer(region: Region, layout: RingLayout) -> Consumer:
    """Return the receiving side of a ring; arguments as `ReferenceConsumer`, errors as above."""
    return _fitting(region).consumer(region, layout)


def armed(region: Region, own: int, peer: int) -> Armed:
    """Return the armed words of mboxio's own memory; arguments as `ReferenceArmed`.

    Raises:
        RuntimeError: as `require_ordered_memory`.
    """
    return _fitting(region).armed(region, own, peer)


def require_ordered_memory(region: Region | None = None) -> None:
    """Refuse to share a ring with another processor or process where this build cannot.

    Args:
        region: where the ring lies; None: in memory. What lies behind a probe or another program is
            reached by one access after the other, and needs no fence.

    Raises:
        RuntimeError: the build is pure Python, which has no fences, and the machine needs them.
    """
    if _compiled is not None or (region is not None and region.kind is Kind.REMOTE):
        return
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64", "i386", "i486", "i586", "i686"):
        raise RuntimeError(
            f"the pure Python build cannot share rings on {machine}, whose memory needs fences:"
            " install the compiled build"
        )


def _fitting(region: Region) -> Implementation:
    require_ordered_memory(region)
    if _compiled is None or region.buffer() is None:
        return _REFERENCE
    return _compiled
