"""``mboxio rpmsg``: what a machine has, the rule of udev, and rings in dumps."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mboxio.cli.machine.health import WARN, examine
from mboxio.cli.machine.machine import Machine
from mboxio.cli.machine.rpmsg import RpmsgMachine, troubles
from mboxio.cli.machine.survey import survey
from mboxio.rpmsg.image import make_image
from mboxio.rpmsg.message import NAME_SERVICE, Announcement
from mboxio.rpmsg.table import VirtioDevice, Vring, pack_table
from tests.cli.conftest import Invoke
from tests.rpmsg.fake_kernel import FakeSystem
from tests.rpmsg.support import ADDRESS, Pair

Kernel = Callable[..., FakeSystem]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel whose processor announces these services."""

    def make(services: dict[str, int] | None = None) -> FakeSystem:
        return FakeSystem(tmp_path, services)

    return make


def told(root: Path) -> dict[str, str]:
    """Return what is the matter, with the advice, by what it is about."""
    found = RpmsgMachine(Machine(root))
    return {each.about: f"{each.text}; {each.advice}" for each in troubles(found)}


def test_a_machine_without(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("rpmsg", "--root", str(tmp_path))
    assert "no remote processor" in result.output
    assert not told(tmp_path)
    assert all(each.kind != "rpmsg" for each in survey(Machine(tmp_path), "/nowhere"))


def test_a_processor_with_services(invoke: Invoke, kernel: Kernel, tmp_path: Path) -> None:
    system = kernel({"rpmsg-raw": 0x400, "echo": 0x401})
    system.start()
    result = invoke("rpmsg", "--root", str(tmp_path))
    assert result.exit_code == 0
    assert "remoteproc0" in result.output
    assert "rpmsg:rpmsg-raw" in result.output
    assert "rpmsg0" in result.output
    found = json.loads(invoke("rpmsg", "--root", str(tmp_path), "--json").output)
    assert found["processors"][0]["vdevs"] == ["virtio0"]
    by_name = {each["name"]: each for each in found["services"]}
    assert by_name["rpmsg-raw"]["node"] == "rpmsg0"
    assert by_name["rpmsg-raw"]["address"] == "rpmsg:rpmsg-raw"
    assert by_name["echo"]["dst"] == 0x401
    assert not found["troubles"]
    listed = {each.name: each for each in survey(Machine(tmp_path), "/nowhere")}
    assert listed["echo"].address == "rpmsg:echo"
    assert listed["rpmsg-raw"].address == "rpmsg:rpmsg-raw"


def test_who_holds_a_node(invoke: Invoke, kernel: Kernel, tmp_path: Path) -> None:
    system = kernel()
    system.start()
    process = tmp_path / "proc/4711"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("owner\x1b\n")
    (process / "fd/5").symlink_to(tmp_path / "dev/rpmsg0")
    result = invoke("rpmsg", "--root", str(tmp_path), "--json")
    (service,) = json.loads(result.output)["services"]
    assert [(each["pid"], each["command"]) for each in service["held_by"]] == [(4711, "owner\\x1b")]
    assert "4711 owner" in invoke("rpmsg", "--root", str(tmp_path)).output


def test_an_offline_processor(kernel: Kernel, tmp_path: Path) -> None:
    kernel()
    (text,) = told(tmp_path).values()
    assert "offline; its firmware is echo.elf" in text
    assert "echo start > /sys/class/remoteproc/remoteproc0/state" in text


def test_a_crashed_processor_looks_alive(kernel: Kernel, tmp_path: Path) -> None:
    system = kernel()
    system.start()
    system.put(system.processor / "recovery", "disabled")
    system.crash()
    text = told(tmp_path)["remoteproc0 (imx-rproc)"]
    assert "crashed, and recovery is disabled" in text
    assert "echo recover" in text
    lines = {each.name: each for each in examine(Machine(tmp_path))}
    assert lines["remoteproc0 (imx-rproc)"].status == WARN


def test_firmware_without_an_rpmsg_device(kernel: Kernel, tmp_path: Path) -> None:
    system = kernel()
    system.put(system.processor / "state", "running")
    assert "has no RPMsg device" in told(tmp_path)["remoteproc0 (imx-rproc)"]
    system.put(system.processor / "state", "invalid")
    assert "it is invalid" in told(tmp_path)["remoteproc0 (imx-rproc)"]


def test_nothing_announced(kernel: Kernel, tmp_path: Path) -> None:
    system = kernel({})
    system.start()
    assert "modprobe virtio_rpmsg_bus" in told(tmp_path)["virtio0"]
    (system.vdev / "driver").symlink_to(tmp_path / "sys/bus/virtio/drivers/virtio_rpmsg_bus")
    assert "announced no service" in told(tmp_path)["virtio0"]


def test_modules_that_are_not_loaded(kernel: Kernel, tmp_path: Path) -> None:
    """The bus, the control device, and the drivers of services."""
    system = kernel({})
    system.start()
    system.add_device("rpmsg-tty", 1, 0x402)
    assert "modprobe rpmsg_tty" in told(tmp_path)["service rpmsg-tty on virtio0"]
    name = system.control.name
    os.unlink(tmp_path / "sys/class/rpmsg" / name)
    assert "modprobe rpmsg_ctrl" in told(tmp_path)["virtio0"]


def test_no_permission_and_no_node(kernel: Kernel, tmp_path: Path) -> None:
    system = kernel({"rpmsg-raw": 0x400, "echo": 0x401})
    system.start()
    shut = {tmp_path / "dev/rpmsg0", tmp_path / "dev" / system.control.name}
    machine = Machine(tmp_path, may=lambda path: path not in shut)
    found = {each.name: each for each in survey(machine, "/nowhere")}
    for each in ("rpmsg-raw", "echo"):
        assert "no access" in found[each].obstacle
        assert found[each].advice == "the udev rule: mboxio rpmsg rule"
        assert not found[each].address
    (tmp_path / "dev/rpmsg0").unlink()
    assert "no such file" in told(tmp_path)["/dev/rpmsg0"]


def test_a_service_that_the_kernel_has(kernel: Kernel, tmp_path: Path) -> None:
    system = kernel({})
    system.start()
    system.add_device("sensors", 1, 0x405, "sensor_hub")
    text = told(tmp_path)["service sensors on virtio0"]
    assert "the kernel's driver sensor_hub has it" in text
    assert "> /sys/bus/rpmsg/drivers/sensor_hub/unbind" in text


def test_two_services_of_one_name(kernel: Kernel, tmp_path: Path) -> None:
    system = kernel({"echo": 0x401})
    system.start()
    system.add_device("echo", 1, 0x402)
    found = RpmsgMachine(Machine(tmp_path))
    assert [found.address(each) for each in found.services] == [
        "rpmsg:echo@0x401",
        "rpmsg:echo@0x402",
    ]
    system.add_device("a&b\x1b", 1, 0x403)
    assert "does not fit into an address" in str(told(tmp_path))
    assert "\x1b" not in str(told(tmp_path))


def test_the_rule(invoke: Invoke) -> None:
    text = invoke("rpmsg", "rule").output
    assert 'SUBSYSTEM=="rpmsg"' in text
    found = json.loads(invoke("rpmsg", "rule", "--json").output)
    assert found["text"] == text
    assert found["name"].endswith(".rules")


# -- rings

TABLE_AT = 0x8000


class Board:
    """A memory with a resource table, and both sides over it."""

    def __init__(self, status: int = 7) -> None:
        self.pair = Pair(8, 16, 512)
        rings = [Vring(ADDRESS + each.base, each.num, each.align) for each in self.pair.layouts]
        table = pack_table([VirtioDevice(rings, agreed=1, status=status)])
        self.table = table

    @property
    def memory(self) -> bytes:
        return bytes(self.pair.memory).ljust(TABLE_AT, b"\0") + self.table

    def dump(self, path: Path) -> str:
        path.write_bytes(self.memory)
        path.chmod(0o444)
        return str(path)


@pytest.fixture
def board() -> Board:
    return Board()


OPTIONS = ("--address", hex(ADDRESS), "--table", hex(TABLE_AT))


def test_a_dump(invoke: Invoke, board: Board, tmp_path: Path) -> None:
    board.pair.remote.send(1024, NAME_SERVICE, Announcement("echo", 1024).pack())
    board.pair.remote.send(1024, 1025, b"\x1b[31mred")
    path = board.dump(tmp_path / "dump.bin")
    before = os.stat(path)
    result = invoke("rpmsg", "rings", path, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert "status 0x07: ACKNOWLEDGE, DRIVER, DRIVER_OK" in result.output
    assert "6 lent to the remote to send in, 2 with the host" in result.output
    assert "service echo is at 0x400" in result.output
    assert "1b 5b 33 31 6d 72 65 64  .[31mred" in result.output
    assert "nothing here is stuck" in result.output
    assert "\x1b" not in result.output
    assert os.stat(path).st_mtime_ns == before.st_mtime_ns
    same = invoke("rpmsg", "rings", f"file:{path}@0x0", *OPTIONS)
    assert same.output == result.output


def test_a_dump_in_json(invoke: Invoke, board: Board, tmp_path: Path) -> None:
    while board.pair.host.send(1025, 1024, b"?") >= 0:
        pass
    path = board.dump(tmp_path / "dump.bin")
    result = invoke("rpmsg", "rings", path, *OPTIONS, "--json")
    assert result.exit_code == 0
    found = json.loads(result.output)
    assert found["device"]["status_words"] == "ACKNOWLEDGE, DRIVER, DRIVER_OK"
    assert found["rings"][1]["with_remote"] == 8
    assert found["findings"][0]["kind"] == "stuck"
    assert {each["first_bytes"] for each in found["messages"]} == {"3f"}


def test_a_lie_is_exit_code_1(invoke: Invoke, board: Board, tmp_path: Path) -> None:
    board.pair.words.store16(board.pair.host.incoming.used + 2, 900)
    result = invoke("rpmsg", "rings", board.dump(tmp_path / "dump.bin"), *OPTIONS)
    assert result.exit_code == 1
    assert "wrong: queue 0: indices 8 (available) and 900 (used)" in result.output


def test_rings_without_a_table(invoke: Invoke, board: Board, tmp_path: Path) -> None:
    path = board.dump(tmp_path / "dump.bin")
    pair = f"0,{board.pair.layouts[1].base:#x}"
    more = ("--rings", pair, "--num", "8", "--align", "16", "--address", hex(ADDRESS))
    result = invoke("rpmsg", "rings", path, *more)
    assert result.exit_code == 0, result.output
    assert "without a resource table" in result.output


@pytest.mark.parametrize("wide", [False, True])
def test_a_coredump(invoke: Invoke, board: Board, tmp_path: Path, wide: bool) -> None:
    """With a section the table is found; those of Linux have none, and the firmware tells."""
    image = make_image(board.memory, ADDRESS, TABLE_AT, len(board.table), wide=wide)
    firmware = tmp_path / "firmware.elf"
    firmware.write_bytes(image)
    result = invoke("rpmsg", "rings", str(firmware))
    assert result.exit_code == 0, result.output
    assert "8 lent to the remote" in result.output
    core = bytearray(image)
    at = 0x30 if not wide else 0x3C  # how many section headers there are, and which has the names
    core[at : at + 4] = bytes(4)
    dump = tmp_path / "core.elf"
    dump.write_bytes(core)
    failed = invoke("rpmsg", "rings", str(dump))
    assert failed.exit_code == 2
    assert "with --table" in failed.output
    for table in (str(firmware), hex(ADDRESS + TABLE_AT)):
        assert invoke("rpmsg", "rings", str(dump), "--table", table).output == result.output


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("nowhere.bin",), "No such file"),
        (("{dump}", "--table", "0x90000"), "is not in it"),
        (("{dump}", "--table", "0x10"), "there is no resource table at 0x10"),
        (("{dump}", "--rings", "0"), "two offsets"),
        (("{dump}", "--rings", "0,x"), "no number"),
        (("{dump}", "--rings", "0,1", "--table", "0"), "leave out"),
        (("{dump}", "--num", "0"), "--num is 1 to"),
        (("{dump}", "--buffer-bytes", "4"), "--buffer-bytes"),
        (("{dump}", "--address", "-5"), "no number"),
        (("{dump}", "--table", "nowhere.elf"), "No such file"),
        (("/dev/null",), "has to be a regular file"),
    ],
)
def test_what_is_wrong_is_one_line(
    invoke: Invoke, board: Board, tmp_path: Path, args: tuple[str, ...], text: str
) -> None:
    path = board.dump(tmp_path / "dump.bin")
    result = invoke("rpmsg", "rings", *(each.format(dump=path) for each in args))
    assert result.exit_code == 2
    assert text in result.output
    assert result.output.count("\n") == 1


def test_a_table_without_rings_yet(invoke: Invoke, tmp_path: Path) -> None:
    """Firmware as it is on disk: the host has chosen nothing."""
    table = pack_table([VirtioDevice([Vring(0xFFFF_FFFF, 16, 4096)] * 2)])
    path = tmp_path / "table.bin"
    path.write_bytes(table)
    result = invoke("rpmsg", "rings", str(path))
    assert result.exit_code == 0, result.output
    assert "the host has not chosen yet where this ring is" in result.output
    path.write_bytes(pack_table([]).ljust(64, b"\0"))
    assert "no RPMsg device with two rings" in invoke("rpmsg", "rings", str(path)).output


def test_only_what_is_allowed(invoke: Invoke, board: Board, tmp_path: Path) -> None:
    path = board.dump(tmp_path / "dump.bin")
    refused = invoke("--allow", "shm", "rpmsg", "rings", path)
    assert refused.exit_code == 2
    assert "'file' is not allowed" in refused.output
    refused = invoke("--allow", "file", "rpmsg", "rings", "devmem:0x1000+0x1000")
    assert "'devmem' is not allowed" in refused.output


def test_memory_of_another_process(
    invoke: Invoke, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A region of any kind is read where it is."""
    from mboxio.cli.rpmsg import source

    opened: list[str] = []

    def region(text: str) -> Any:
        opened.append(text)
        return board.pair.region

    monkeypatch.setattr(source, "open_region", region)
    rings = ("--rings", f"0,{board.pair.layouts[1].base}", "--num", "8", "--align", "16")
    at = f"devmem:{ADDRESS:#x}+{len(board.pair.memory):#x}"
    result = invoke("rpmsg", "rings", at, *rings)
    assert opened == [at]
    assert result.exit_code in (0, 1)
    assert "queue 1, from the host to the remote" in result.output
