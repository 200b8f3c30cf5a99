"""The properties of a Raspberry Pi's firmware: numbers, what is asked, what the answer means.

Numbers and layouts: github.com/raspberrypi/firmware, wiki page "Mailbox property interface", and
vcmailbox(7); those that came later: ``soc/bcm2835/raspberrypi-firmware.h`` of Linux.
"""

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = [
    "ARM_MEMORY",
    "BOARD_MODEL",
    "BOARD_REVISION",
    "BOARD_SERIAL",
    "COMMAND_LINE",
    "DMA_CHANNELS",
    "FIRMWARE_REVISION",
    "MAC_ADDRESS",
    "MAX_TEMPERATURE",
    "OVERVIEW",
    "RUNS_CODE",
    "TEMPERATURE",
    "THROTTLED",
    "VC_MEMORY",
    "Clock",
    "Device",
    "Memory",
    "Power",
    "Property",
    "Throttled",
    "Voltage",
    "clock_rate",
    "clock_running",
    "max_clock_rate",
    "max_voltage",
    "measured_clock_rate",
    "min_clock_rate",
    "min_voltage",
    "power",
    "power_up_time",
    "raw",
    "set_clock_rate",
    "set_power",
    "voltage",
]

T = TypeVar("T")

RUNS_CODE = {"execute-code": 0x30010, "execute-qpu": 0x30011, "enable-qpu": 0x30012}
"""Tags that have the GPU run what they are given, by the name under which they may be allowed."""


@dataclass(frozen=True)
class Property(Generic[T]):
    """One thing to ask the firmware for.

    Args:
        name: what it is, for people.
        tag: its number.
        decode: turns the answer into a value; it gets `answer_bytes` bytes or more.
        answer_bytes: how long the answer is at the least. Zero: it has any length, and is asked
            for again if it did not fit.
        request: the value that goes out with the tag.
        room_bytes: room for the answer in the first message, where it may be longer.
    """

    name: str
    tag: int
    decode: Callable[[bytes], T]
    answer_bytes: int = 4
    request: bytes = b""
    room_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.name} ({self.tag:#010x})"


class Memory(NamedTuple):
    """A part of the memory, in bytes."""

    base: int
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.size_bytes >> 20} MiB at {self.base:#x}"


class Clock(enum.IntEnum):
    """The clocks by their numbers."""

    EMMC = 1
    UART = 2
    ARM = 3
    CORE = 4
    V3D = 5
    H264 = 6
    ISP = 7
    SDRAM = 8
    PIXEL = 9
    PWM = 10
    HEVC = 11
    EMMC2 = 12
    M2MC = 13
    PIXEL_BVB = 14
    VEC = 15
    DISP = 16


class Voltage(enum.IntEnum):
    """The voltages by their numbers."""

    CORE = 1
    SDRAM_C = 2
    SDRAM_P = 3
    SDRAM_I = 4


class Device(enum.IntEnum):
    """What has a power switch."""

    SD_CARD = 0
    UART0 = 1
    UART1 = 2
    USB_HCD = 3
    I2C0 = 4
    I2C1 = 5
    I2C2 = 6
    SPI = 7
    CCP2TX = 8


class Power(enum.IntFlag):
    """State of a power switch, or of a clock."""

    ON = 1 << 0
    MISSING = 1 << 1


class Throttled(enum.IntFlag):
    """Why the board is slower than it could be, now and at some time since it started."""

    UNDER_VOLTAGE = 1 << 0
    FREQUENCY_CAPPED = 1 << 1
    THROTTLED = 1 << 2
    SOFT_TEMPERATURE_LIMIT = 1 << 3
    WAS_UNDER_VOLTAGE = 1 << 16
    WAS_FREQUENCY_CAPPED = 1 << 17
    WAS_THROTTLED = 1 << 18
    WAS_SOFT_TEMPERATURE_LIMIT = 1 << 19


def _words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _number(answer: bytes) -> int:
    return int.from_bytes(answer[:4], "little")


def _second(answer: bytes) -> int:
    """The answers about one of several things repeat its number first."""
    return int.from_bytes(answer[4:8], "little")


def _long(answer: bytes) -> int:
    return int.from_bytes(answer[:8], "little")


def _mac(answer: bytes) -> str:
    return answer[:6].hex(":")


def _memory(answer: bytes) -> Memory:
    return Memory(_number(answer), _second(answer))


def _celsius(answer: bytes) -> float:
    return _second(answer) / 1000


def _volts(answer: bytes) -> float:
    """Microvolts; old firmware counts steps of 25 mV from 1.2 V, up and down, a few of them."""
    number = int.from_bytes(answer[4:8], "little", signed=True)
    return 1.2 + 0.025 * number if -48 <= number <= 64 else number / 1e6


def _text(answer: bytes) -> str:
    return answer.rstrip(b"\0").decode("utf-8", "backslashreplace")


FIRMWARE_REVISION = Property("firmware revision", 0x00001, _number)
BOARD_MODEL = Property("board model", 0x10001, _number)
BOARD_REVISION = Property("board revision", 0x10002, _number)
MAC_ADDRESS = Property("MAC address", 0x10003, _mac, 6)
BOARD_SERIAL = Property("board serial", 0x10004, _long, 8)
ARM_MEMORY = Property("ARM memory", 0x10005, _memory, 8)
VC_MEMORY = Property("VideoCore memory", 0x10006, _memory, 8)
TEMPERATURE = Property("temperature", 0x30006, _celsius, 8, _words(0))
"""In degrees Celsius."""
MAX_TEMPERATURE = Property("temperature limit", 0x3000A, _celsius, 8, _words(0))
"""In degrees Celsius; above it the clocks go down."""
THROTTLED = Property("throttled", 0x30046, lambda answer: Throttled(_number(answer)), 4, _words(0))
DMA_CHANNELS = Property("DMA channels", 0x60001, _number)
"""A bit for each channel that the firmware leaves to others."""
COMMAND_LINE = Property("command line", 0x50001, _text, 0, room_bytes=128)


def clock_rate(clock: Clock) -> Property[int]:
    """The rate that a clock is set to, in Hz."""
    return Property(f"{clock.name} clock", 0x30002, _second, 8, _words(clock))


def max_clock_rate(clock: Clock) -> Property[int]:
    """The highest rate of a clock, in Hz."""
    return Property(f"{clock.name} clock, highest", 0x30004, _second, 8, _words(clock))


def min_clock_rate(clock: Clock) -> Property[int]:
    """The lowest rate of a clock, in Hz."""
    return Property(f"{clock.name} clock, lowest", 0x30007, _second, 8, _words(clock))


def measured_clock_rate(clock: Clock) -> Property[int]:
    """The rate of a clock as it is measured, in Hz."""
    return Property(f"{clock.name} clock, measured", 0x30047, _second, 8, _words(clock))


def clock_running(clock: Clock) -> Property[Power]:
    """Whether a clock runs, and whether there is one."""
    return Property(f"{clock.name} clock state", 0x30001, _power, 8, _words(clock))


def set_clock_rate(clock: Clock, rate_hz: int, *, skip_turbo: bool = False) -> Property[int]:
    """Set a clock; the value is the rate that it has now, in Hz.

    Args:
        clock: which.
        rate_hz: what is wanted.
        skip_turbo: leave the other clocks and voltages that usually go with the ARM clock.
    """
    request = _words(clock, rate_hz, skip_turbo)
    return Property(f"set {clock.name} clock", 0x38002, _second, 8, request)


def voltage(which: Voltage) -> Property[float]:
    """A voltage, in volts."""
    return Property(f"{which.name} voltage", 0x30003, _volts, 8, _words(which))


def max_voltage(which: Voltage) -> Property[float]:
    """The highest value of a voltage, in volts."""
    return Property(f"{which.name} voltage, highest", 0x30005, _volts, 8, _words(which))


def min_voltage(which: Voltage) -> Property[float]:
    """The lowest value of a voltage, in volts."""
    return Property(f"{which.name} voltage, lowest", 0x30008, _volts, 8, _words(which))


def _power(answer: bytes) -> Power:
    return Power(_second(answer))


def power(device: Device) -> Property[Power]:
    """Whether a device has power, and whether there is one."""
    return Property(f"{device.name} power", 0x20001, _power, 8, _words(device))


def power_up_time(device: Device) -> Property[int]:
    """How long a device takes until its power is stable, in microseconds."""
    return Property(f"{device.name} power-up time", 0x20002, _second, 8, _words(device))


def set_power(device: Device, on: bool, *, wait: bool = True) -> Property[Power]:
    """Switch a device on or off; the value is its state now.

    Args:
        device: which.
        on: whether it shall have power.
        wait: have the firmware answer when its power is stable.
    """
    request = _words(device, on | wait << 1)
    return Property(f"set {device.name} power", 0x28001, _power, 8, request)


def raw(tag: int, request: bytes = b"", room_bytes: int = 64) -> Property[bytes]:
    """Any tag; the value is the answer as it is, asked for again if it has more bytes.

    Args:
        tag: its number.
        request: the value that goes with it.
        room_bytes: room for the answer in the first message.
    """
    return Property("tag", tag, bytes, 0, request, room_bytes)


OVERVIEW: tuple[Property[Any], ...] = (
    FIRMWARE_REVISION,
    BOARD_MODEL,
    BOARD_REVISION,
    BOARD_SERIAL,
    MAC_ADDRESS,
    ARM_MEMORY,
    VC_MEMORY,
    clock_rate(Clock.ARM),
    clock_rate(Clock.CORE),
    TEMPERATURE,
    MAX_TEMPERATURE,
    voltage(Voltage.CORE),
    THROTTLED,
    power(Device.USB_HCD),
    DMA_CHANNELS,
)
"""What says most about a board, in one message."""
