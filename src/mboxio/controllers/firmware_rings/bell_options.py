"""Which doorbell an address of ``rings:`` names."""

import re
from collections.abc import Callable
from typing import Any, Protocol

from mboxio.controllers.firmware_rings.bells import (
    Bell,
    MailboxBell,
    RegionBell,
    RegisterBell,
    WireBell,
)
from mboxio.errors import AddressError
from mboxio.regions.access import number
from mboxio.regions.region import Region

__all__ = ["bell_of", "parse_bell"]

NVIC_PENDING = 0xE000E200
"""NVIC_ISPR0: bit n % 32 of word n / 32 makes interrupt n pending. Source: Armv7-M Architecture
Reference Manual, B3.4.5."""
NVIC_INTERRUPTS = 496
FORMS = re.compile(
    r"(?P<nvic>nvic:(?P<line>[0-9]{1,3}))"
    r"|(?P<write>write:(?P<address>[0-9a-fA-Fx]+)=(?P<value>[0-9a-fA-Fx]+))"
    r"|(?P<wire>(?:serial|unix):(?P<path>.+))",
    re.ASCII,
)


class Ringing(Protocol):
    """What `RingsOptions` say of doorbells."""

    @property
    def at(self) -> str: ...
    @property
    def bell(self) -> str: ...
    @property
    def bell_at(self) -> str: ...
    @property
    def mbox(self) -> str: ...
    @property
    def mbox_channel(self) -> str: ...


def parse_bell(text: str) -> re.Match[str] | None:
    """Take the option ``bell`` apart; None if it is left out.

    Raises:
        ValueError: it means nothing.
    """
    if not text:
        return None
    found = FORMS.fullmatch(text)
    if found is None:
        raise ValueError(
            f"bell={text!r:.60}: write nvic:N, write:ADDRESS=VALUE, serial:PATH or unix:PATH"
        )
    if found["nvic"] and int(found["line"]) >= NVIC_INTERRUPTS:
        raise ValueError(f"bell={text}: a Cortex-M has interrupts 0 to {NVIC_INTERRUPTS - 1}")
    if found["write"] and number(found["address"]) % 4:
        raise ValueError(f"bell={text}: a register is at a multiple of 4")
    return found


def bell_of(
    options: Ringing,
    region: Region,
    connect: Callable[[str], Any] | None,
    heard: Callable[[bytes], object],
) -> Bell:
    """Return the doorbell that the options name; it is not open yet.

    Args:
        region: the memory, which may bring its own.
        connect, heard: see `MailboxBell`.

    Raises:
        AddressError: it is a register, and nothing says how to reach it.
    """
    if options.mbox:
        return MailboxBell(options.mbox, options.mbox_channel, connect, heard)
    found = parse_bell(options.bell)
    if found is None:
        has_one = region.doorbell is not None or region.interrupt is not None
        return RegionBell(region) if has_one else Bell()
    if found["wire"]:
        return WireBell(options.bell.partition(":")[0], found["path"])
    if found["nvic"]:
        line = int(found["line"])
        address, value = NVIC_PENDING + line // 32 * 4, 1 << line % 32
    else:
        address, value = number(found["address"]), number(found["value"])
    return RegisterBell(register_at(options, address), value)


def register_at(options: Ringing, address: int) -> str:
    """Return the region of one register: over ``bell_at``, or the access path of the memory.

    Raises:
        AddressError: that path does not know the addresses of the microcontroller.
    """
    path = (options.bell_at or options.at).rpartition("@")
    path_text = path[0] if path[1] and "/" not in path[2] else options.bell_at or options.at
    if path_text.startswith(("file:", "uio:", "peer:")) or not path_text:
        raise AddressError(
            f"rings: bell={options.bell} is a register, which {path_text or 'nothing'} cannot"
            " reach: add bell_at=REGION, for example bell_at=qtest:q.sock",
            option="bell_at",
        )
    return f"{path_text}@{address:#x}+0x4"
