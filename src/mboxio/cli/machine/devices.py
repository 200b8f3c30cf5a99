"""Devices of the kernel that carry messages: ``/dev/vcio``, UIO and SCMI."""

from collections.abc import Iterator

from mboxio.cli.machine.machine import Found, Machine, shown

__all__ = ["scmi", "uio", "vcio"]

VCIO = "/dev/vcio"
UDEV = 'a udev rule: SUBSYSTEM=="uio", GROUP="{}", MODE="0660"'
PROTOCOLS = {
    0x10: "base",
    0x11: "power domains",
    0x12: "system power",
    0x13: "performance",
    0x14: "clocks",
    0x15: "sensors",
    0x16: "reset",
    0x17: "voltages",
    0x18: "power capping",
    0x19: "pin control",
}
"""Arm's SCMI specification (DEN0056): the standard protocols."""


def vcio(machine: Machine) -> Iterator[Found]:
    """Yield the property mailbox of a Raspberry Pi, as its kernel hands it out."""
    if machine.mode(VCIO) is None:
        return
    closed = machine.closed(VCIO)
    advice = "usermod -aG video USER, and log in again" if closed else ""
    yield Found(
        "vcio", VCIO, "" if closed else "vcio:/property", "Raspberry Pi firmware", closed, advice
    )


def uio(machine: Machine) -> Iterator[Found]:
    """Yield the UIO devices: each is a region, for the ``at=`` of a controller."""
    folders = [each for each in machine.names("sys/class/uio") if each[3:].isdecimal()]
    names = {each: machine.word(f"sys/class/uio/{each}/name") for each in folders}
    for folder, name in names.items():
        maps = [
            (number, machine.word(f"{where}/addr"), machine.word(f"{where}/size"))
            for number in machine.names(f"sys/class/uio/{folder}/maps")
            for where in (f"sys/class/uio/{folder}/maps/{number}",)
        ]
        texts = [
            f"map {number.removeprefix('map')} at {at}, {size} bytes" for number, at, size in maps
        ]
        about = ", ".join([f"/dev/{folder}", *texts])
        obstacle = advice = ""
        # An address ends a name at these, and what is called like another needs its number.
        plain = name.isascii() and not set(name) & set("/@?&=%+, \\") and not name.isdecimal()
        unique = list(names.values()).count(name) == 1
        which = name if plain and unique and name else folder.removeprefix("uio")
        if not maps:
            obstacle = "its driver hands out no registers"
            advice = "another driver, such as uio_pdrv_genirq"
        elif machine.mode(f"dev/{folder}") is None:
            obstacle = f"/dev/{folder} does not exist"
            advice = "udevadm trigger, or mknod"
        elif closed := machine.closed(f"/dev/{folder}"):
            obstacle, advice = closed, UDEV.format("YOURS")
        address = "" if obstacle else f"uio:{which}/{maps[0][0].removeprefix('map')}"
        yield Found("uio", name or folder, address, about, obstacle, advice)


def scmi(machine: Machine) -> Iterator[Found]:
    """Yield the devices of SCMI protocols that the kernel made; it alone talks to the platform."""
    bus = "sys/bus/scmi/devices"
    for each in machine.names(bus):
        protocol = _number(machine.word(f"{bus}/{each}/protocol_id"))
        driver = machine.target(f"{bus}/{each}/driver")
        about = "" if protocol is None else f"protocol {protocol:#x}"
        if protocol in PROTOCOLS:
            about += f" ({PROTOCOLS[protocol]})"
        obstacle = f"the kernel's driver {driver} has it" if driver else "the kernel owns SCMI"
        advice = "its sysfs and debugfs: /sys/kernel/debug/scmi"
        name = machine.word(f"{bus}/{each}/name") or shown(each)
        yield Found("scmi", name, "", about, obstacle, advice)


def _number(text: str) -> int | None:
    """Read a number as sysfs writes it: 0x14, or 14 in hex."""
    try:
        return int(text, 16)
    except ValueError:
        return None
