"""Who owns a piece of the physical address space: whoever it is must be asked, not overridden.

Two drivers on the same registers corrupt each other's messages, so registers of a running system
are mapped only where nobody claims them. ``/proc/iomem`` says which addresses are claimed (Linux,
Documentation/filesystems/proc.rst), and sysfs which driver has a device.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Claimant", "Hidden", "carve_outs", "owners"]

CLAIM = re.compile(r"( *)([0-9a-f]+)-([0-9a-f]+) : (.*)")
UNIT_ADDRESS = re.compile(r"([0-9a-f]+)\.")
HEX = re.compile(r"[0-9a-f]{1,16}")
BUSES = re.compile(r"PCI Bus\b.*", re.IGNORECASE)
"""Windows through which devices are reached; nobody's own."""


class Hidden(Exception):
    """The kernel shows its addresses to root only."""


@dataclass(frozen=True)
class Claimant:
    """Somebody who claims addresses.

    Args:
        begin, end: the first address and the one after the last.
        name: what the kernel calls it.
        driver: the driver of the device; "" if there is none or it is no device.
    """

    begin: int
    end: int
    name: str
    driver: str = ""

    @property
    def is_carve_out(self) -> bool:
        """Whether nobody claimed it: the kernel was told to leave this memory alone."""
        return self.name.lower() == "reserved" and not self.driver

    def __str__(self) -> str:
        whose = f"{self.name}, driver {self.driver}" if self.driver else self.name
        return f"{whose} ({self.begin:#x} to {self.end - 1:#x})"


def owners(address: int, size_bytes: int, root: Path = Path("/")) -> list[Claimant]:
    """Return who claims any of these physical addresses.

    Args:
        address: the first one.
        size_bytes: how many there are.
        root: where ``proc`` and ``sys`` are.

    Raises:
        Hidden: this process may not know.
    """
    end = address + size_bytes
    drivers = _drivers(root)
    found = [
        Claimant(each.begin, each.end, each.name, _driver_of(each.name, drivers))
        for each in _claims(root)
        if each.begin < end and address < each.end
    ]
    # A driver may use its registers without claiming them: then its device's name has the address.
    for device, driver in drivers.items():
        unit = UNIT_ADDRESS.match(device)
        at = int(unit[1], 16) if unit else -1
        if address <= at < end and not any(each.driver == driver for each in found):
            found.append(Claimant(at, at + 1, device, driver))
    return found


def carve_outs(begin: int, end: int, root: Path = Path("/")) -> list[str]:
    """Return the names of reserved memory that the device tree has between these addresses."""
    found: dict[int, str] = {}
    for node in (root / "proc/device-tree/reserved-memory").glob("*@*"):
        name, _, unit = node.name.rpartition("@")
        if name and HEX.fullmatch(unit) and begin <= int(unit, 16) < end:
            found[int(unit, 16)] = node.name
    return [found[address] for address in sorted(found)]


def _claims(root: Path) -> Iterator[Claimant]:
    """Yield the innermost claims, and outer ones as far as nothing in them is claimed apart."""
    try:
        text = (root / "proc/iomem").read_text()
    except FileNotFoundError:
        return
    except PermissionError:
        raise Hidden from None
    lines = [found.groups() for line in text.splitlines() if (found := CLAIM.fullmatch(line))]
    if lines and all(int(end, 16) == 0 for _, _, end, _ in lines):
        raise Hidden
    for index, (indent, first, last, name) in enumerate(lines):
        begin, end = int(first, 16), int(last, 16) + 1
        if BUSES.fullmatch(name):
            continue
        for inner_indent, inner_first, inner_last, _ in lines[index + 1 :]:
            if len(inner_indent) <= len(indent):
                break
            if len(inner_indent) == len(indent) + 2:
                if begin < int(inner_first, 16):
                    yield Claimant(begin, int(inner_first, 16), name)
                begin = max(begin, int(inner_last, 16) + 1)
        if begin < end:
            yield Claimant(begin, end, name)


def _drivers(root: Path) -> dict[str, str]:
    """Return the driver of each platform device that has one."""
    folder = root / "sys/bus/platform/devices"
    if not folder.is_dir():
        return {}
    return {
        device.name: (device / "driver").resolve().name
        for device in folder.iterdir()
        if (device / "driver").exists()
    }


def _driver_of(name: str, drivers: dict[str, str]) -> str:
    """Find the driver of a claim, which begins with the name of the device."""
    return next((drivers[word] for word in name.split() if word in drivers), "")
