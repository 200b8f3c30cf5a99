"""What an address asks for of the traffic of running programs."""

import dataclasses
import os
from collections.abc import Sequence

from mboxio.client.open import Address
from mboxio.recording.recorder import offset_now
from mboxio.recording.wanted import Wanted

__all__ = ["asked", "is_address"]


def is_address(text: str) -> bool:
    """Return whether a text is the address of running programs, and no file."""
    return ":" in text and not os.path.exists(text)


def asked(address: str | None, channels: Sequence[str] = (), snap: int | None = None) -> Wanted:
    """Return what is wanted at an address, of the channel that it names if it does.

    Args:
        address: of a controller or remote; None: all.
        channels: only these; none: all.
        snap: keep no more bytes of a message.

    Raises:
        AddressError: it is no address.
    """
    wanted = Wanted("", list(channels) or None, snap, offset_now())
    if address is not None:
        parsed = Address.parse(address)
        if parsed.channel:
            wanted.channels = [*channels, parsed.channel]
        wanted.address = str(dataclasses.replace(parsed, channel=""))
    return wanted
