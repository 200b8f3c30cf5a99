"""What addresses of ``rings:`` may say, and what is said to who writes something else."""

from pathlib import Path

import pytest

import mboxio
from mboxio.controllers.firmware_rings.bell_options import parse_bell, register_at
from mboxio.controllers.firmware_rings.options import RingsOptions
from mboxio.errors import AddressError, MailboxError
from tests.firmware_rings.process import FirmwareProcess


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("", r"say where the firmware's memory is: \?at=REGION"),
        ("at=file:RAM&bell=nvic", r"write nvic:N, write:ADDRESS=VALUE, serial:PATH or unix:PATH"),
        ("at=file:RAM&bell=nvic:496", "interrupts 0 to 495"),
        ("at=file:RAM&bell=write:0x3=1", "a register is at a multiple of 4"),
        ("at=file:RAM&bell=nvic:3", "which file:.* cannot reach: add bell_at=REGION"),
        ("at=file:RAM&bell=unix:/nowhere/at/all", "nobody answers at bell=unix"),
        ("at=file:RAM&bell=serial:RAM", "has to be a character device"),
        ("at=file:RAM&base=3", "base is a multiple of 8 bytes"),
        ("at=file:RAM&base=8&search=yes", "one is enough"),
        ("at=file:RAM&bell=nvic:3&mbox=loopback:", "are both the doorbell"),
        ("at=file:RAM&bell_at=qtest:q", "with bell=nvic:N or write:"),
        ("at=file:RAM&beat_s=-1", "beat_s must not be negative"),
        ("at=file:RAM&elf=/nowhere.elf", "elf=/nowhere.elf"),
        ("at=file:RAM&base=16384", "no memory of mboxio|has not started|outside"),
    ],
)
def test_one_clear_line(tmp_path: Path, options: str, says: str) -> None:
    with FirmwareProcess(tmp_path, bell=False):
        address = f"rings:?{options.replace('RAM', str(tmp_path / 'ram.bin'))}"
        with pytest.raises((MailboxError, ValueError), match=says) as caught:
            mboxio.connect(address)
    assert "\n" not in str(caught.value)


def test_registers_over_the_path_of_the_memory() -> None:
    at = "openocd:localhost:6666@0x20000000+0x4000"
    options = RingsOptions(at=at, bell="nvic:33")
    assert register_at(options, 0xE000E204) == "openocd:localhost:6666@0xe000e204+0x4"
    options = RingsOptions(at="file:ram@0+0x2000", bell="nvic:3", bell_at="qtest:/tmp/a@b/q")
    assert register_at(options, 0xE000E200) == "qtest:/tmp/a@b/q@0xe000e200+0x4"
    with pytest.raises(AddressError, match="cannot reach"):
        register_at(RingsOptions(at="file:/a@b/ram", bell="nvic:3"), 0xE000E200)


def test_forms_of_doorbells() -> None:
    assert parse_bell("") is None
    nvic, write, wire = (
        parse_bell(each) for each in ("nvic:12", "write:0x40000004=0x1", "serial:/dev/ttyACM0")
    )
    assert nvic is not None
    assert nvic["line"] == "12"
    assert write is not None
    assert (write["address"], write["value"]) == ("0x40000004", "0x1")
    assert wire is not None
    assert wire["path"] == "/dev/ttyACM0"
