"""A PMIC behind ACPM firmware: registers, and the firmware's answers to requests for them."""

import struct
from collections.abc import Iterable

from mboxio.protocols.acpm_pmic import (
    BULK_READ,
    BULK_WRITE,
    READ,
    READ_REFUSED,
    UPDATE,
    WRITE,
    WRITE_REFUSED,
)

__all__ = ["PmicModel"]

WORDS = struct.Struct("<4I")


class PmicModel:
    """The registers of a PMIC, 8 bits each; a handler for a channel of `AcpmRemote`.

    Args:
        refused: addresses (bus, kind, register) that nobody may read or write.
    """

    def __init__(self, refused: Iterable[tuple[int, int, int]] = ()) -> None:
        self.registers: dict[tuple[int, int, int], int] = {}
        self.refused = frozenset(refused)
        self.served = 0

    def __call__(self, message: bytes) -> bytes | None:
        """Answer one request; None if it is shorter than one."""
        if len(message) < WORDS.size:
            return None
        self.served += 1
        where, what, *data = WORDS.unpack_from(message)
        code, value, data = self.perform(where, what, data)
        reply = WORDS.pack(where, what & 0x00FF00FF | code << 24 | value << 8, *data)
        return reply + message[WORDS.size :]

    def perform(self, where: int, what: int, data: list[int]) -> tuple[int, int, list[int]]:
        """Do what is asked; return the firmware's code, the value and the two data words."""
        bus, kind, register = where >> 12 & 0xF, where >> 8 & 0xF, where & 0xFF
        function, value, mask = what & 0xFF, what >> 8 & 0xFF, what >> 16 & 0xFF
        count = value if function in (BULK_READ, BULK_WRITE) else 1
        at = [(bus, kind, register + step & 0xFF) for step in range(count)]
        writes = function in (WRITE, UPDATE, BULK_WRITE)
        if function > BULK_WRITE or count > 8 or not self.refused.isdisjoint(at):
            return WRITE_REFUSED if writes else READ_REFUSED, value, data
        if function == READ:
            value = self.registers.get(at[0], 0)
        elif function == WRITE:
            self.registers[at[0]] = value
        elif function == UPDATE:
            old = self.registers.get(at[0], 0)
            self.registers[at[0]] = old & ~mask | value & mask
        elif function == BULK_READ:
            read = bytes(self.registers.get(each, 0) for each in at)
            data = list(struct.unpack("<2I", read.ljust(8, b"\0")))
        else:
            self.registers.update(zip(at, struct.pack("<2I", *data), strict=False))
        return 0, value, data
