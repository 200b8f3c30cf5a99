"""Which protocols can be decoded: those of mboxio and those of other packages."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from mboxio.capture.event import Source
from mboxio.errors import AddressError
from mboxio.see.decoding.contract import Decoder

__all__ = ["BUILT_IN", "GROUP", "found", "guess", "load"]

BUILT_IN = {
    "acpm": "mboxio.see.decoding.acpm:AcpmDecoder",
    "acpm-pmic": "mboxio.see.decoding.acpm:PmicDecoder",
    "rpi-property": "mboxio.see.decoding.rpi_property:PropertyDecoder",
}
GROUP = "mboxio.decoders"

CERTAIN = {
    ("acpm", None): "acpm",
    ("bcm2835", "property"): "rpi-property",
    ("vcio", None): "rpi-property",
}
"""Controllers, or channels of them, over which only one protocol is spoken."""


def found() -> list[str]:
    """Return the names of all protocols."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=GROUP))})


def guess(source: Source) -> str | None:
    """Return the protocol of a channel where its address leaves no doubt."""
    controller = source.address.partition(":")[0]
    return CERTAIN.get((controller, source.channel)) or CERTAIN.get((controller, None))


def load(name: str) -> Callable[[], Decoder]:
    """Return what makes decoders of a protocol.

    Raises:
        AddressError: there is none, and the text lists those that exist; or its package is broken.
    """
    where = BUILT_IN.get(name)
    if where is not None:
        module, _, attribute = where.partition(":")
        made: Callable[[], Decoder] = getattr(import_module(module), attribute)
        return made
    entries = [entry for entry in entry_points(group=GROUP) if entry.name == name]
    if not entries:
        raise AddressError(f"no protocol {name!r}; there are: {', '.join(found())}")
    try:
        loaded: Callable[[], Decoder] = entries[-1].load()
    except Exception as error:  # whatever that code raises when it is imported
        raise AddressError(
            f"protocol {name!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from None
    if not callable(loaded):
        raise AddressError(f"protocol {name!r} cannot be loaded: {entries[-1].value} is no class")
    return loaded
