"""Messages that do more than ask: they are refused unless the allow-list names what they do.

A predicate looks at a message and names the dangers in it. It never changes or corrects a message,
and what it cannot read to the end it calls ``malformed:``: the firmware might read it otherwise.
"""

import struct
from collections.abc import Callable, Iterator

from mboxio.errors import WrongMessage
from mboxio.protocols.rpi_tags import RUNS_CODE

__all__ = ["Predicate", "dangers_of", "predicate_of"]

Predicate = Callable[[bytes], Iterator[str]]
"""Takes a message and yields the names of what is dangerous in it."""

TAG = struct.Struct("<III")
HEAD_BYTES = 8
CODES = frozenset(RUNS_CODE.values())


def property_tags(message: bytes) -> Iterator[str]:
    """Yield ``tag:0x30010`` and the like: tags of a Raspberry Pi with which its firmware runs code.

    Source: the wiki of raspberrypi/firmware, Mailbox property interface: size, code, then tags of
    an identifier, a size of the value in bytes, a code, and the value, each padded to words; a zero
    ends them.
    """
    at = HEAD_BYTES
    while len(message) - at >= 4:
        tag = int.from_bytes(message[at : at + 4], "little")
        if tag == 0:
            return
        if tag in CODES:
            yield f"tag:{tag:#x}"
        if len(message) - at < TAG.size:
            break
        at += TAG.size + (TAG.unpack_from(message, at)[1] + 3 & ~3)
    yield "malformed:"


PREDICATES: dict[tuple[str, str], Predicate] = {
    ("vcio", "property"): property_tags,
    ("bcm2835", "property"): property_tags,
}
"""By the controller of an address and the channel."""


def predicate_of(address: str, channel: str) -> Predicate | None:
    """Return what looks at the messages of a channel; None where nothing is known of them."""
    return PREDICATES.get((address.partition(":")[0], channel))


def dangers_of(predicate: Predicate, message: bytes, allowed: frozenset[str]) -> None:
    """Refuse a message with a danger in it that is not allowed, with `WrongMessage`."""
    for danger in predicate(message):
        if danger not in allowed:
            raise WrongMessage(
                f"the gateway refuses {danger} unless its allow-list names it", handed_over="no"
            )
