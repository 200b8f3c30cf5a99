"""Registers that are mapped: /dev/mem with its owners and refusals, and UIO, on fake roots."""

import errno
import mmap
import os
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from mboxio.errors import AddressError, RemoteGone
from mboxio.regions import Kind, Region, devmem, open_region, uio
from mboxio.regions.mapped import MappedRegisters
from mboxio.regions.owner import Hidden, owners

IOMEM = """\
00000000-3b3fffff : System RAM
  00210000-0161ffff : Kernel code
  01d70000-01f7ffff : reserved
3f006000-3f006fff : dwc_otg
3f00b840-3f00b87b : 3f00b840.mailbox mailbox@7e00b840
3f00b880-3f00b8bf : 3f00b880.mailbox mailbox@7e00b880
3f100000-3f100113 : watchdog@7e100000
40000000-4fffffff : PCI Bus 0000:00
  40001000-40001fff : 0000:00:01.0
    40001000-400010ff : nvme
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file system with a memory, and a mailbox that a driver has."""
    for folder in ("dev", "proc", "sys/kernel/security", "sys/bus/platform/devices"):
        (tmp_path / folder).mkdir(parents=True)
    with (tmp_path / "dev/mem").open("wb") as memory:
        memory.truncate(0x5000_0000)  # all holes
    (tmp_path / "proc/iomem").write_text(IOMEM)
    bind(tmp_path, "3f00b880.mailbox", "bcm2835-mbox")
    monkeypatch.setattr(devmem, "ROOT", tmp_path)
    monkeypatch.setattr(uio, "ROOT", tmp_path)
    return tmp_path


def bind(root: Path, device: str, driver: str) -> None:
    """Have a driver take a platform device."""
    there = root / "sys/bus/platform/devices" / device
    there.mkdir()
    (root / "sys/bus/platform/drivers" / driver).mkdir(parents=True)
    (there / "driver").symlink_to(f"../../drivers/{driver}")


# -- mapped registers


@pytest.fixture
def registers(tmp_path: Path) -> Iterator[Region]:
    image = tmp_path / "registers"
    image.write_bytes(bytes(2 * mmap.PAGESIZE))
    descriptor = os.open(image, os.O_RDWR)
    with MappedRegisters(descriptor, mmap.PAGESIZE, 0x80, 0x3E) as region:
        os.close(descriptor)
        yield region
    stored = image.read_bytes()
    assert not any(stored[: mmap.PAGESIZE + 0x80])
    assert not any(stored[mmap.PAGESIZE + 0xBE :])


def test_registers_take_every_width_at_its_alignment(registers: Region) -> None:
    assert registers.kind is Kind.DEVICE
    for width in (1, 2, 4, 8):
        registers.write(0x10, (1 << 8 * width) - 2, width)
        assert registers.read(0x10, width) == (1 << 8 * width) - 2
    registers.write_words(0x20, [1, 2, 3])
    assert registers.read_words(0x20, 3) == [1, 2, 3]
    assert registers.read(0x20, 8) == 2 << 32 | 1


def test_registers_have_no_block_access(registers: Region) -> None:
    assert registers.buffer() is None
    with pytest.raises(TypeError, match="only words"):
        registers.read_block(0, 4)
    with pytest.raises(TypeError, match="only words"):
        registers.write_block(0, b"1234")


@pytest.mark.parametrize(("offset", "width"), [(0x3C, 4), (0x3E, 1), (-4, 4)])
def test_an_access_outside_is_refused(registers: Region, offset: int, width: int) -> None:
    with pytest.raises(IndexError):
        registers.read(offset, width)
    with pytest.raises(IndexError):
        registers.write(offset, 0, width)


@pytest.mark.parametrize(("offset", "width"), [(2, 4), (1, 2), (4, 8), (0, 3)])
def test_an_access_across_is_refused(registers: Region, offset: int, width: int) -> None:
    with pytest.raises(ValueError):
        registers.read(offset, width)
    with pytest.raises(ValueError):
        registers.write(offset, 0, width)


# -- who owns what


def test_a_claim_has_a_name_and_a_driver(root: Path) -> None:
    (owner,) = owners(0x3F00_B880, 0x40, root)
    assert owner.driver == "bcm2835-mbox"
    assert str(owner) == (
        "3f00b880.mailbox mailbox@7e00b880, driver bcm2835-mbox (0x3f00b880 to 0x3f00b8bf)"
    )


@pytest.mark.parametrize(
    ("address", "size_bytes", "names"),
    [
        (0x3F00_B8C0, 0x40, []),
        (0x3F00_B800, 0x40, []),
        (0x3F00_B800, 0x41, ["3f00b840.mailbox mailbox@7e00b840"]),
        (0x3F00_B8BF, 1, ["3f00b880.mailbox mailbox@7e00b880"]),
        (0x3F10_0000, 4, ["watchdog@7e100000"]),
        (0x0000_1000, 4, ["System RAM"]),
        (0x0030_0000, 4, ["Kernel code"]),
        (0x01D7_0000, 4, ["reserved"]),
        (0x0100_0000, 0x0100_0000, ["System RAM", "Kernel code", "reserved"]),
        (0x4000_0000, 0x1000, []),
        (0x4000_1000, 4, ["nvme"]),
        (0x4000_1800, 4, ["0000:00:01.0"]),
    ],
)
def test_the_innermost_claims_count(
    root: Path, address: int, size_bytes: int, names: list[str]
) -> None:
    assert {owner.name for owner in owners(address, size_bytes, root)} == set(names)


def test_a_driver_that_claims_nothing_is_found_by_its_device(root: Path) -> None:
    bind(root, "3f200000.gpio", "pinctrl-bcm2835")
    (owner,) = owners(0x3F20_0000, 0x100, root)
    assert (owner.name, owner.driver) == ("3f200000.gpio", "pinctrl-bcm2835")
    assert owners(0x3F20_1000, 0x100, root) == []


def test_a_kernel_that_shows_nothing_owns_nothing(tmp_path: Path) -> None:
    assert owners(0x1000, 4, tmp_path) == []


def test_addresses_that_are_hidden_are_not_taken_for_free(root: Path) -> None:
    hidden = "\n".join(f"00000000-00000000 : {line.split(' : ')[1]}" for line in IOMEM.splitlines())
    (root / "proc/iomem").write_text(hidden)
    with pytest.raises(Hidden):
        owners(0x3F00_B880, 0x40, root)
    with pytest.raises(AddressError, match="does not show who owns it: run as root"):
        open_region("devmem:0x3f00b880+0x40")


# -- devmem


@pytest.mark.parametrize("text", ["devmem:0x3f00b8c4+0x40", "devmem:@0x3f00b8c4+0x40"])
def test_free_registers_are_mapped_at_their_address(root: Path, text: str) -> None:
    with open_region(text) as region:
        assert region.size_bytes == 0x40
        region.write(4, 0xDEADBEEF, 4)
    with (root / "dev/mem").open("rb") as memory:
        memory.seek(0x3F00_B8C8)
        assert memory.read(4) == bytes.fromhex("efbeadde")


def test_the_driver_gives_the_size_where_the_address_does_not(root: Path) -> None:
    with open_region("devmem:0x3f00b8c0", 0x20) as region:
        assert region.size_bytes == 0x20


def test_owned_registers_are_refused_with_the_owner_and_the_way_out(root: Path) -> None:
    with pytest.raises(AddressError) as refused:
        open_region("devmem:0x3f00b880+0x40")
    text = str(refused.value)
    assert "devmem:0x3f00b880+0x40 is owned by 3f00b880.mailbox" in text
    assert "driver bcm2835-mbox" in text
    assert "vcio" in text
    assert text.endswith("devmem:owned=take@0x3f00b880+0x40")
    with open_region(text.rpartition(" ")[2]) as region:
        assert region.size_bytes == 0x40


def test_memory_of_the_kernel_is_refused(root: Path) -> None:
    with pytest.raises(AddressError, match=r"owned by System RAM.*whoever claimed it"):
        open_region("devmem:0x1000+4")


def test_a_carve_out_is_owned_by_nobody(root: Path) -> None:
    says = (
        "devmem:0x1d70000+0x4 is reserved memory (0x1d70000 to 0x1f7ffff{}), a carve-out that the"
        " kernel leaves alone, as it does for firmware: see who uses it before you write; to map it"
        " all the same: devmem:owned=take@0x1d70000+0x4"
    )
    with pytest.raises(AddressError) as refused:
        open_region("devmem:0x1d70000+4")
    assert str(refused.value) == says.format("")
    for node in ("vdev0buffer@1d71000", "other@2000000", "name@", "linux,cma"):
        (root / "proc/device-tree/reserved-memory" / node).mkdir(parents=True)
    with pytest.raises(AddressError) as refused:
        open_region("devmem:0x1d70000+4")
    assert str(refused.value) == says.format(": vdev0buffer@1d71000")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("devmem:", "say where and how large"),
        ("devmem:0x3f00b8c0", "say where and how large"),
        ("devmem:0x3f00b8c0+0", "say where and how large"),
        ("devmem:here+4", "'here' is no number"),
        ("devmem:owned=mine@0+4", "owned is take or refuse"),
        ("devmem:own=take@0+4", "no option 'own=take'; there are: owned"),
        ("devmem:0xffffffffffff0000000+4", "is more than 64 bits"),
    ],
)
def test_an_address_that_means_nothing_says_what_to_write(root: Path, text: str, says: str) -> None:
    with pytest.raises(AddressError, match=says):
        open_region(text)


@pytest.mark.parametrize(
    ("number", "lockdown", "says"),
    [
        (errno.ENOENT, "", "there is no /dev/mem"),
        (errno.EACCES, "", "run as root"),
        (errno.EPERM, "", "CAP_SYS_RAWIO"),
        (errno.EPERM, "[none] integrity confidentiality", "CAP_SYS_RAWIO"),
        (errno.EPERM, "none [integrity] confidentiality", r"locked down \(integrity\)"),
        (errno.EPERM, "none integrity [confidentiality]", r"locked down \(confidentiality\)"),
        (errno.EIO, "", "Input/output error"),
    ],
)
def test_a_refusal_to_open_is_explained(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, lockdown: str, says: str
) -> None:
    if lockdown:
        (root / "sys/kernel/security/lockdown").write_text(lockdown)

    def refuse(path: object, flags: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(devmem.os, "open", refuse)  # type: ignore[attr-defined]
    with pytest.raises(AddressError, match=says):
        devmem.map_physical(0x3F00_B8C0, 4)


@pytest.mark.parametrize(
    ("lockdown", "says"),
    [("", "CONFIG_STRICT_DEVMEM.*iomem=relaxed.*uio:"), ("[integrity]", "locked down")],
)
def test_a_refusal_to_map_is_explained(
    root: Path, monkeypatch: pytest.MonkeyPatch, lockdown: str, says: str
) -> None:
    (root / "sys/kernel/security/lockdown").write_text(lockdown)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(AddressError, match=says):
        devmem.map_physical(0x3F00_B8C0, 4)


# -- UIO


@pytest.fixture
def mailbox(root: Path) -> Path:
    """Make a UIO device with two maps, the second of which begins inside its page."""
    for number, (size, offset) in enumerate([(0x1000, 0), (0x40, 0x880)]):
        folder = root / f"sys/class/uio/uio3/maps/map{number}"
        folder.mkdir(parents=True)
        (folder / "size").write_text(f"{size:#018x}\n")
        (folder / "offset").write_text(f"{offset:#x}\n")
    (root / "sys/class/uio/uio3/name").write_text("mailbox\n")
    (root / "dev/uio3").write_bytes(bytes(2 * mmap.PAGESIZE))
    return root / "dev/uio3"


@pytest.mark.parametrize("name", ["uio:3/1", "uio:mailbox/1"])
def test_a_map_lies_where_sysfs_says(mailbox: Path, name: str) -> None:
    with open_region(name) as region:
        assert (region.kind, region.size_bytes) == (Kind.DEVICE, 0x40)
        region.write(4, 0x12345678, 4)
    stored = mailbox.read_bytes()
    assert stored[mmap.PAGESIZE + 0x884 :][:4] == bytes.fromhex("78563412")


def test_a_window_of_a_map_and_the_first_map(mailbox: Path) -> None:
    with open_region("uio:3/1@0x20+0x10") as region:
        assert region.size_bytes == 0x10
        region.write(0, 1, 4)
    assert mailbox.read_bytes()[mmap.PAGESIZE + 0x8A0] == 1
    with open_region("uio:3") as region:
        assert region.size_bytes == 0x1000


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("uio:3/2", "there is no uio:3/2; there are: 3/0, 3/1"),
        ("uio:0", "there is no uio:0/0; there are: 3/0, 3/1"),
        ("uio:fridge", "no UIO device is called 'fridge'; there are: 3=mailbox"),
        ("uio:3/x", "'x' is no number"),
        ("uio:", "say which device"),
        ("uio:3/1@0x20+0x40", "has 0x40 bytes, nothing to map at 0x20 to 0x60"),
        ("uio:3/1@0x40", "nothing to map"),
    ],
)
def test_a_device_that_is_not_there_is_answered_by_those_that_are(
    mailbox: Path, name: str, says: str
) -> None:
    with pytest.raises(AddressError, match=says):
        open_region(name)


def test_a_machine_without_uio_says_so(root: Path) -> None:
    with pytest.raises(AddressError, match="none: no UIO driver has a device"):
        open_region("uio:0/0")


def test_no_access_is_explained(mailbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(uio.os, "open", refuse)  # type: ignore[attr-defined]
    with pytest.raises(AddressError, match="udev rule"):
        open_region("uio:3")


def test_a_device_that_cannot_be_mapped_is_let_go(mailbox: Path) -> None:
    mailbox.write_bytes(b"")
    with pytest.raises(AddressError, match="cannot be mapped"):
        open_region("uio:3/1")


class Line:
    """A UIO device's descriptor as the kernel's side sees it: counts out, unmasking in."""

    def __init__(self) -> None:
        self.kernel, device = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        device.setblocking(False)
        self.interrupt = uio.UioInterrupt(device.detach())
        self.count = 40

    def fire(self, times: int = 1) -> None:
        self.count = (self.count + times) % (1 << 32)
        self.kernel.send(struct.pack("=I", self.count))

    def unmasked(self) -> bool:
        try:
            return self.kernel.recv(64, socket.MSG_DONTWAIT) == struct.pack("=I", 1)
        except BlockingIOError:
            return False


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.kernel.close()
    made.interrupt.close()
    made.interrupt.close()


def readable(interrupt: uio.UioInterrupt) -> bool:
    poller = select.poll()
    poller.register(interrupt.fileno(), select.POLLIN)
    return bool(poller.poll(0))


def test_an_interrupt_is_counted_and_unmasked(line: Line) -> None:
    assert not readable(line.interrupt)
    assert line.interrupt.clear() == 0
    line.fire()
    assert readable(line.interrupt)
    assert line.interrupt.clear() == 1
    assert not readable(line.interrupt)
    assert not line.unmasked()
    line.interrupt.unmask()
    assert line.unmasked()
    line.fire(3)
    assert line.interrupt.clear() == 3


def test_the_count_goes_round(line: Line) -> None:
    line.count = (1 << 32) - 2
    line.fire()
    line.interrupt.clear()
    line.fire(2)
    assert line.interrupt.clear() == 2


def test_a_device_that_goes_away_is_noticed(line: Line) -> None:
    line.kernel.close()
    with pytest.raises(RemoteGone, match="the UIO device is gone"):
        line.interrupt.clear()
    with pytest.raises(RemoteGone, match="the UIO device is gone"):
        line.interrupt.unmask()


def test_a_driver_that_never_masks_is_not_asked_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def refuse(descriptor: int, data: bytes) -> int:
        asked.append(descriptor)
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(uio.os, "write", refuse)  # type: ignore[attr-defined]
    line.interrupt.unmask()
    line.interrupt.unmask()
    assert len(asked) == 1


def test_a_device_without_an_interrupt_has_none(
    mailbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(uio.os, "read", refuse)  # type: ignore[attr-defined]
        region = open_region("uio:3")
    assert region.interrupt is None
    region.close()
    with open_region("uio:3") as region:
        assert region.interrupt is not None


# -- UIO devices that have something in common


@pytest.fixture
def many(root: Path) -> Path:
    """Make devices as a board with several nodes of one name has them."""
    for number, name, parent, address in [
        (0, "axi-pmon", "ffa00000.axi-pmon", 0xFFA0_0000),
        (2, "axi-pmon", "fd0b0000.axi-pmon", 0xFD0B_0000),
        (3, "mailbox", "a0010000.mailbox", 0xA001_0000),
        (10, "axi-pmon", "fd490000.axi-pmon", 0xFD49_0000),
        (11, "pci", "", None),
    ]:
        folder = root / f"sys/class/uio/uio{number}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (root / f"dev/uio{number}").write_bytes(number.to_bytes(4, "little") * mmap.PAGESIZE)
        if parent:
            (root / f"sys/devices/platform/{parent}").mkdir(parents=True)
            (folder / "device").symlink_to(root / f"sys/devices/platform/{parent}")
        if address is not None:
            (folder / "maps/map0").mkdir(parents=True)
            for what, value in (("addr", address), ("size", 0x1000), ("offset", 0)):
                (folder / f"maps/map0/{what}").write_text(f"{value:#x}\n")
    return root


@pytest.mark.parametrize("name", ["uio:axi-pmon", "uio:axi-pmon/0", "uio:axi-pmon@0x20+0x10"])
def test_several_devices_of_one_name_are_listed(many: Path, name: str) -> None:
    says = (
        r"^3 UIO devices are called 'axi-pmon': uio:0 \(ffa00000.axi-pmon, map 0 at 0xffa00000\), "
        r"uio:2 \(.*\), uio:10 \(.*\); say which one, by its number or by its address as "
        r"uio:axi-pmon@0xffa00000 or as uio:ffa00000.axi-pmon$"
    )
    with pytest.raises(AddressError, match=says):
        open_region(name)


@pytest.mark.parametrize(
    "name",
    [
        "uio:2",
        "uio:axi-pmon@0xfd0b0000",
        "uio:axi-pmon@0xfd0b0000+0x10",
        "uio:axi-pmon@0xfd0b0000/0",
        "uio:axi-pmon@0xfd0b0000/0@0x20+0x10",
        "uio:fd0b0000.axi-pmon",
        "uio:fd0b0000.axi-pmon/0@0x20+0x10",
    ],
)
def test_each_of_them_can_be_named(many: Path, name: str) -> None:
    with open_region(name) as region:
        assert region.read(0, 4) == 2
        assert region.size_bytes == (0x10 if name.endswith("+0x10") else 0x1000)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("uio:axi-pmon@0x1000/0", "has its map 0 at 0x1000; there are: uio:0 .*, uio:2 .*, uio:10"),
        ("uio:11", "uio:11: the device has no maps"),
        ("uio:pci", "uio:pci: the device has no maps"),
        ("uio:3/1", "there are: 0/0, 2/0, 3/0, 10/0, 11 without maps$"),
        ("uio:x", "there are: 0=axi-pmon, 2=axi-pmon, 3=mailbox, 10=axi-pmon, 11=pci$"),
    ],
)
def test_lists_go_by_number(many: Path, name: str, says: str) -> None:
    with pytest.raises(AddressError, match=says):
        open_region(name)
