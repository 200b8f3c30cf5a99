"""A chip behind a debug port: memory in a file, and the debug registers of a processor.

The debug port and the access port are those of ARM IHI 0031 (ADIv5), the registers of the processor
those of ARM DDI 0403 (Armv7-M): as much as debuggers look at before they access memory.
"""

import mmap
from pathlib import Path

RAM = 0x2000_0000
SYSTEM = 0xE000_0000
"""From here on there are registers; those that are not known read as what was written last."""

CPUID, DHCSR, DEMCR = 0xE000_ED00, 0xE000_EDF0, 0xE000_EDFC
KEY, HALT, DEBUGEN = 0xA05F_0000, 1 << 1, 1 << 0
ROM_TABLE, CONTROL_SPACE = 0xE00F_F000, 0xE000_E000

STICKY_ERROR = 1 << 5
POWER_UP = 0x5000_0000
"""Both requests for power; each is acknowledged by the bit above it."""


def identified(base: int, part: int, kind: int) -> dict[int, int]:
    """Return the registers that say what a component is: one of Arm's, of this part and kind."""
    part_bytes = (part & 0xFF, 0xB0 | part >> 8, 0x0B, 0)
    component = (0x0D, kind << 4, 0x05, 0xB1)
    found = {base + 0xFD0: 4, **{base + 0xFE0 + 4 * at: each for at, each in enumerate(part_bytes)}}
    return found | {base + 0xFF0 + 4 * at: each for at, each in enumerate(component)}


class Chip:
    """Memory and registers; each access is one of its width.

    Args:
        path: the file that is the memory.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        # A cast view stores once; struct.pack_into would write zero before the value.
        view = memoryview(self.memory)
        self.views = {1: view.cast("B"), 2: view.cast("H"), 4: view.cast("I")}
        self.registers = {
            CPUID: 0x412F_C230,
            ROM_TABLE: 0xFFF0_F003,
            **identified(ROM_TABLE, 0x4C3, 1),
            **identified(CONTROL_SPACE, 0, 0xE),
        }
        self.stores: list[tuple[int, int]] = []
        """What was written to registers: address and value."""
        self.accesses = 0

    def load(self, address: int, size: int) -> int | None:
        """Read; None: there is nothing."""
        self.accesses += 1
        if self._inside(address, size):
            value: int = self.views[size][(address - RAM) // size]
            return value
        if address < SYSTEM:
            return None
        word = self.registers.get(address & ~3, 0)
        if address & ~3 == DHCSR:
            word = word & 0xF | 1 << 16 | (word & HALT) << 16  # ready; and halted, if it is
        return word >> 8 * (address & 3) & ((1 << 8 * size) - 1)

    def store(self, address: int, value: int, size: int) -> bool:
        """Write; returns whether there is something."""
        self.accesses += 1
        if self._inside(address, size):
            self.views[size][(address - RAM) // size] = value
            return True
        if address < SYSTEM:
            return False
        self.stores.append((address, value))
        self.registers[address & ~3] = value
        return True

    def halts(self) -> bool:
        """Return whether the processor was ever told to halt."""
        return any(address == DHCSR and value & HALT for address, value in self.stores)

    def close(self) -> None:
        self.views.clear()
        self.memory.close()

    def _inside(self, address: int, size: int) -> bool:
        return RAM <= address <= RAM + len(self.memory) - size


class DebugPort:
    """The registers of a debug port with one memory access port, number 0.

    Args:
        chip: what lies behind.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.present = True  # a chip without power answers nothing
        self.control = 0
        self.select = 0
        self.csw = 0x40
        self.tar = 0

    def read(self, address: int) -> int:
        """Read a register of the debug port: 0, 4 or 8 (and 12, which is only for a JTAG probe)."""
        return {0: 0x4BA0_0477, 4: self.control, 8: self.select}.get(address, 0)

    def write(self, address: int, value: int) -> None:
        """Write one."""
        if address == 4:
            kept = self.control & STICKY_ERROR & ~value  # it is cleared by writing 1
            self.control = value & POWER_UP | (value & POWER_UP) << 1 | kept
        elif address == 8:
            self.select = value

    def read_access(self, address: int) -> int:
        """Read a register of the access port; 0 after an error, until it is cleared."""
        if self.control & STICKY_ERROR or self.select >> 24:
            return 0
        register = self.select & 0xF0 | address
        if register == 0x0C or register & 0xF0 == 0x10:
            return self._load(register)
        return {0x00: self.csw, 0x04: self.tar, 0xF8: ROM_TABLE | 3, 0xFC: 0x2477_0011}.get(
            register, 0
        )

    def write_access(self, address: int, value: int) -> None:
        """Write one; nothing after an error."""
        if self.control & STICKY_ERROR or self.select >> 24:
            return
        register = self.select & 0xF0 | address
        if register == 0x00:
            self.csw = value & 0xFFFF_FF37 | 0x40  # enabled, and sizes up to 4 bytes
        elif register == 0x04:
            self.tar = value
        elif register == 0x0C or register & 0xF0 == 0x10:
            place, size = self._place(register), self._size()
            part = value >> 8 * (place & 3) & ((1 << 8 * size) - 1)
            self._went(self.chip.store(place, part, size), register)

    def _load(self, register: int) -> int:
        place, size = self._place(register), self._size()
        found = self.chip.load(place, size)
        self._went(found is not None, register)
        return (found or 0) << 8 * (place & 3)

    def _went(self, right: bool, register: int) -> None:
        """Note an error; else go on to the next address, which wraps at 4 KiB as a Cortex-M3's."""
        if not right or not self.present:
            self.control |= STICKY_ERROR
        elif register == 0x0C and self.csw & 0x30:
            self.tar = self.tar & ~0xFFF | self.tar + self._size() & 0xFFF

    def _place(self, register: int) -> int:
        return self.tar if register == 0x0C else self.tar & ~0xF | register & 0xC

    def _size(self) -> int:
        return min(4, 1 << (self.csw & 7))
