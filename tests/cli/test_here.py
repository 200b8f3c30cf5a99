"""``mboxio list`` without an address, on machines that are made of files."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mboxio.cli.machine.machine import Found, Machine
from mboxio.cli.machine.remotes import remotes
from mboxio.cli.machine.survey import survey
from mboxio.remote import Remote
from tests.cli.conftest import Invoke

Make = Callable[..., Machine]


def put(root: Path, files: dict[str, str | bytes]) -> None:
    """Write files; one that ends in / is a folder, and -> is a link."""
    for where, content in files.items():
        name, arrow, target = where.partition(" -> ")
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrow:
            path.symlink_to(target)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a machine of files; ``shut`` are the devices that this user may not open."""

    def made(files: dict[str, str | bytes], shut: tuple[str, ...] = ()) -> Machine:
        put(tmp_path, files)
        closed = {tmp_path / each for each in shut}
        return Machine(tmp_path, may=lambda path: path not in closed)

    return made


def by_name(found: list[Found]) -> dict[str, Found]:
    """Return what was found, by name; everything can be shown, and what cannot be used says why."""
    for each in found:
        for text in (each.name, each.address, each.about, each.obstacle, each.advice):
            assert text.isprintable()
        assert bool(each.address) != bool(each.obstacle) or each.kind == "rpmsg"
        assert bool(each.advice) <= bool(each.obstacle)
    return {each.name: each for each in found}


def uio(number: int, name: str | bytes, maps: int = 1) -> dict[str, str | bytes]:
    """Return the files of a UIO device."""
    folder = f"sys/class/uio/uio{number}"
    files: dict[str, str | bytes] = {f"{folder}/name": name, f"dev/uio{number}": b""}
    for each in range(maps):
        files[f"{folder}/maps/map{each}/addr"] = f"0x2b1f{each}000\n"
        files[f"{folder}/maps/map{each}/size"] = "0x1000\n"
    return files


def test_an_empty_machine(make: Make) -> None:
    assert survey(make({}), "/nowhere") == []


def test_uio_devices(make: Make) -> None:
    machine = make(
        {
            **uio(0, "mhu\n"),
            **uio(2, "shut\n"),
            **uio(3, "bare\n", maps=0),
            **uio(4, "twin\n"),
            **uio(5, "twin\n"),
            **uio(10, "a/b\n"),
        },
        shut=("dev/uio2",),
    )
    found = {each.about.partition(",")[0]: each for each in survey(machine, "/nowhere")}
    assert list(found)[-1] == "/dev/uio10"  # after uio9
    assert found["/dev/uio0"].address == "uio:mhu/0"
    assert "map 0 at 0x2b1f0000, 0x1000 bytes" in found["/dev/uio0"].about
    assert "no access: /dev/uio2 belongs to " in found["/dev/uio2"].obstacle
    assert "udev rule" in found["/dev/uio2"].advice
    assert "hands out no registers" in found["/dev/uio3"].obstacle
    # A name of two, or one that an address would take apart: the number is the way.
    assert [found[f"/dev/uio{n}"].address for n in (4, 5, 10)] == [
        "uio:4/0",
        "uio:5/0",
        "uio:10/0",
    ]


def test_the_kernels_mailboxes(make: Make) -> None:
    machine = make(
        {
            "dev/vcio": "",
            "sys/bus/scmi/devices/scmi_dev.1/protocol_id": "0x14\n",
            "sys/bus/scmi/devices/scmi_dev.1/driver -> ../scmi-clocks": "",
        },
        shut=("dev/vcio",),
    )
    found = by_name(survey(machine, "/nowhere"))
    assert "no access" in found["/dev/vcio"].obstacle
    assert "usermod -aG video" in found["/dev/vcio"].advice
    assert found["scmi_dev.1"].about == "protocol 0x14 (clocks)"
    assert "scmi-clocks has it" in found["scmi_dev.1"].obstacle


BASE = "sys/firmware/devicetree/base"


def node(path: str, compatible: str, **more: str | bytes) -> dict[str, str | bytes]:
    """Return the files of a mailbox in the device tree."""
    files: dict[str, str | bytes] = {
        f"{BASE}/{path}/compatible": f"{compatible}\0",
        f"{BASE}/{path}/#mbox-cells": b"\0\0\0\1",
    }
    return files | {f"{BASE}/{path}/{name}": value for name, value in more.items()}


def test_the_device_tree(make: Make) -> None:
    machine = make(
        {
            f"{BASE}/#address-cells": b"\0\0\0\1",
            f"{BASE}/#size-cells": b"\0\0\0\1",
            **node("mhu@2b1f0000", "arm,mhu", reg=bytes.fromhex("2b1f000000001000")),
            **node("bound@1000", "arm,mhu", reg=bytes.fromhex("0000100000001000")),
            **node("mailbox@7e00b880", "brcm,bcm2835-mbox", status="disabled\0"),
            **node("other", "acme,k7\x1b"),
            "sys/bus/platform/devices/1000.bound/driver -> ../../drivers/arm-mhu": "",
            f"sys/bus/platform/devices/1000.bound/of_node -> ../../../../../{BASE}/bound@1000": "",
        }
    )
    found = by_name(survey(machine, "/nowhere"))
    assert found["/mhu@2b1f0000"].address == "dt:/mhu@2b1f0000"
    assert found["/mhu@2b1f0000"].about == "arm,mhu at 0x2b1f0000, controller mhu"
    assert found["/bound@1000"].obstacle == "the kernel's driver arm-mhu has it"
    assert "1000.bound > /sys/bus/platform/drivers/arm-mhu/unbind" in found["/bound@1000"].advice
    assert found["/mailbox@7e00b880"].obstacle == "disabled in the device tree"
    assert "no controller" in found["/other"].obstacle
    assert "acme,k7\\x1b" in found["/other"].about


def test_a_tree_that_cannot_be_read(make: Make) -> None:
    (found,) = survey(make({"proc/device-tree/anything": "?"}), "/nowhere")
    assert "no device tree" in found.obstacle


def test_hostile_names_are_shown_and_not_obeyed(make: Make) -> None:
    evil = os.fsdecode(b"evil\x1b[2J\xff\n\xe2\x80\xae")
    files = {
        **uio(0, b"evil\x1b[2J\xff\0\n" + b"x" * 100_000),
        f"sys/class/remoteproc/{evil}/state": b"\x9b2J\n",
        f"sys/bus/scmi/devices/{evil}/name": b"\x07" * 5000,
    }
    found = survey(make(files), "/nowhere")
    assert len(found) == 3
    by_name(found)
    assert all(len(each.name) < 256 for each in found)


def test_a_pipe_in_place_of_an_attribute_is_not_waited_for(make: Make, tmp_path: Path) -> None:
    machine = make({"sys/class/uio/uio0/dev": "", "dev/uio0": ""})
    os.mkfifo(tmp_path / "sys/class/uio/uio0/name")
    (found,) = survey(machine, "/nowhere")
    assert found.name == "uio0"


def test_remotes(remote: Remote, invoke: Invoke, sockets: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(f"{sockets}/dead.sock")
    Path(sockets, "a b.sock").touch()  # nobody can have this name
    found = {each["name"]: each for each in json.loads(invoke("list", "--json").stdout)}
    assert found["shm:t"]["address"] == "shm:t"
    assert found["shm:t"]["about"] == f"pid {os.getpid()}"
    assert found["shm:dead"]["address"] == ""
    assert found["shm:dead"]["advice"] == "mboxio serve shm:dead"
    assert not any(" b" in name for name in found)
    lines = [line.split() for line in invoke("list").stdout.splitlines()]
    assert ["shm:t", "pid", str(os.getpid())] in lines
    assert remote.connections == ()  # nobody was asked
    assert remote.stats().connections == 0


def test_remotes_of_another_session(make: Make, tmp_path: Path) -> None:
    folder = "/run/user/77/mboxio"
    table = f"Num ...\nffff: 00000002 00000000 00010000 0005 01 4242 {folder}/board@peer.sock\n"
    machine = make({f"{folder[1:]}/board@peer.sock": "", "proc/net/unix": table})
    (found,) = remotes(machine, "/nowhere")
    assert found.name == "peer:board"
    assert found.address == ""
    assert found.advice == f"MBOXIO_RUNTIME_DIR={folder}"


def test_a_folder_that_others_can_use(remote: Remote, sockets: str, invoke: Invoke) -> None:
    os.chmod(sockets, 0o755)
    (line,) = [line for line in invoke("list").stdout.splitlines() if "shm:t" in line]
    assert "can be used by others" in line
    assert line.endswith("try: mboxio doctor")
    os.chmod(sockets, 0o700)
