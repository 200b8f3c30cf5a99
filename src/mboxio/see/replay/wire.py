"""What a message is without the tag that was stamped into it, by controller."""

from mboxio.address.address import Address
from mboxio.controllers.acpm.layout import TAG_BITS, TAG_LOW_BIT
from mboxio.driver.correlate import REPLY, Correlator, Tagged
from mboxio.errors import AddressError

__all__ = ["carries_addresses", "controller_of", "correlator_of", "has_tag", "untagged"]

ACPM = frozenset({"acpm", "peer", "file"})
"""How an address of ACPM begins: as hosts call it, and as its firmware does."""
ADDRESS_CHANNELS = {"bcm2835": frozenset({"1", "8"})}
"""Channels whose words are addresses of buffers: no capture holds what lies there."""


def controller_of(address: str) -> str:
    """Return the name of the controller of an address; empty: it says none."""
    try:
        return Address.parse(address).controller
    except AddressError:
        return ""


def correlator_of(address: str) -> Correlator:
    """Return how the controller of an address stamps messages; a plain `Correlator` does not."""
    if controller_of(address) in ACPM:
        return Tagged(low_bit=TAG_LOW_BIT, bits=TAG_BITS)
    return Correlator()


def untagged(message: bytes, correlator: Correlator) -> bytes:
    """Return a message as a client hands it in: the bits of its tag are 0."""
    try:
        return correlator.stamp(message, 0)
    except (IndexError, ValueError):
        return message  # too short for a tag, so it has none


def has_tag(message: bytes, correlator: Correlator) -> bool:
    """Return whether a message asks for its answer, or is one, by what is stamped into it."""
    return correlator.classify(message).kind == REPLY


def carries_addresses(address: str, channel: str) -> bool:
    """Return whether the messages of a channel are addresses of memory that the capture lacks."""
    return channel in ADDRESS_CHANNELS.get(controller_of(address), ())
