"""What there is: remote processors, their vdevs, announced services, endpoints, and who holds them.

Everything is found by names in sysfs. The numbers of nodes are those of one life of the remote.
Attributes are read once; what vanishes while it is read is left out.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mboxio._base.texts import remote_text
from mboxio._os.whose import open_descriptors, user
from mboxio.controllers.rpmsg.options import ANY

__all__ = [
    "RpmsgHolder",
    "RpmsgNode",
    "RpmsgProcessor",
    "RpmsgService",
    "RpmsgVdev",
    "endpoints",
    "holders",
    "processors",
    "services",
    "state_of",
    "vdevs",
]

CHARDEV = "rpmsg_chrdev"
"""The kernel's driver that gives a service an endpoint with a node."""
CONTROL = "rpmsg_ctrl"
OWN = frozenset({CONTROL, "rpmsg_ns"})
"""Devices of the bus that no remote announced."""
VIRTIO_RPMSG = 7
ATTRIBUTE_BYTES = 4096


@dataclass(frozen=True)
class RpmsgProcessor:
    """A remote processor.

    Args:
        node: name of its folder, such as ``remoteproc0``.
        name: what the board calls it.
        state: ``offline``, ``running``, ``crashed`` and so on; empty if it cannot be read.
        firmware: name of the file that it runs.
        recovery: ``enabled``, or ``disabled``: the kernel leaves it crashed.
        folder: where it is in sysfs.
    """

    node: str
    name: str
    state: str
    firmware: str
    recovery: str
    folder: Path


@dataclass(frozen=True)
class RpmsgVdev:
    """A link to a remote: a virtio device, or an edge of Qualcomm's GLINK.

    Args:
        name: such as ``virtio0``.
        processor: folder name of its remote processor; empty if there is none.
        control: its control device, such as ``rpmsg_ctrl0``; empty if there is none.
        identity: differs in each life of the remote, even where all names are the same.
        folder: where it is in sysfs.
    """

    name: str
    processor: str
    control: str
    identity: int
    folder: Path


@dataclass(frozen=True)
class RpmsgService:
    """A service that a remote announced.

    Args:
        name: as announced.
        vdev: on which link.
        src: our address; 0xffffffff: any.
        dst: the remote's address.
        driver: the kernel's driver that has it; empty: none.
        node: the node of its own endpoint, such as ``rpmsg0``; empty if there is none.
        tty: its terminal, such as ``ttyRPMSG0``; empty if there is none.
        folder: where it is in sysfs.
    """

    name: str
    vdev: RpmsgVdev
    src: int
    dst: int
    driver: str
    node: str
    tty: str
    folder: Path


@dataclass(frozen=True)
class RpmsgNode:
    """An endpoint with a node.

    Args:
        node: such as ``rpmsg1``.
        name: of the endpoint.
        src: our address; 0xffffffff: any, also while it is open.
        dst: the remote's address.
        vdev: on which link.
        control: the control device by which it was made; empty: it is a service's own.
    """

    node: str
    name: str
    src: int
    dst: int
    vdev: str
    control: str


@dataclass(frozen=True)
class RpmsgHolder:
    """A process that has a node open.

    Args:
        pid: of it.
        command: its name.
        owner: whose it is, in words.
    """

    pid: int
    command: str
    owner: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.command}) of {self.owner}"


def processors(root: Path = Path("/")) -> list[RpmsgProcessor]:
    """Return the remote processors that the kernel knows."""
    found: list[RpmsgProcessor] = []
    for folder in _entries(root / "sys/class/remoteproc"):
        name, state = _read(folder / "name"), _read(folder / "state")
        firmware, recovery = _read(folder / "firmware"), _read(folder / "recovery")
        found.append(RpmsgProcessor(folder.name, name, state, firmware, recovery, folder))
    return found


def state_of(folder: Path) -> tuple[str, str]:
    """Return the state of a remote processor and whether it recovers, as they are now."""
    return _read(folder / "state"), _read(folder / "recovery")


def vdevs(root: Path = Path("/")) -> list[RpmsgVdev]:
    """Return the links to remotes: also those on which nothing was announced."""
    folders = {_real(each).parent for each in _entries(root / "sys/bus/rpmsg/devices")}
    for each in _entries(root / "sys/bus/virtio/devices"):
        if _number(_read(each / "device"), 16) == VIRTIO_RPMSG:
            folders.add(_real(each))
    controls: dict[Path, str] = {}
    for each in _entries(root / "sys/class/rpmsg"):
        if each.name.startswith(CONTROL):
            # …/virtio0/virtio0.rpmsg_ctrl.0.0/rpmsg/rpmsg_ctrl0
            controls[_real(each).parent.parent.parent] = each.name
    found: list[RpmsgVdev] = []
    for folder in sorted(folders, key=lambda each: _by_number(each.name)):
        try:
            identity = folder.stat().st_ino
        except OSError:
            continue
        processor = next((each.name for each in folder.parents if _is_processor(each)), "")
        control = controls.get(folder, "")
        found.append(RpmsgVdev(folder.name, processor, control, identity, folder))
    return found


def services(root: Path = Path("/")) -> list[RpmsgService]:
    """Return the services that remotes have announced."""
    links = {each.folder: each for each in vdevs(root)}
    found: list[RpmsgService] = []
    for entry in _entries(root / "sys/bus/rpmsg/devices"):
        folder = _real(entry)
        name, vdev = _read(folder / "name"), links.get(folder.parent)
        driver = _target(folder / "driver")
        if not name or vdev is None or name in OWN or driver in OWN:
            continue
        src, dst = (_address(_read(folder / each), 16) for each in ("src", "dst"))
        node = next((each.name for each in _entries(folder / "rpmsg")), "")
        tty = next((each.name for each in _entries(folder / "tty")), "")
        found.append(RpmsgService(name, vdev, src, dst, driver, node, tty, folder))
    return found


def endpoints(root: Path = Path("/")) -> list[RpmsgNode]:
    """Return the endpoints that have a node, open or not."""
    found: list[RpmsgNode] = []
    for entry in _entries(root / "sys/class/rpmsg"):
        if entry.name.startswith(CONTROL):
            continue
        folder = _real(entry)
        holder = folder.parent
        made = holder.name.startswith(CONTROL)
        # …/virtio0/CHANNEL/rpmsg/rpmsg0, or …/virtio0/CHANNEL/rpmsg/rpmsg_ctrl0/rpmsg1
        vdev = (holder.parent if made else holder).parent.parent
        src, dst = (_address(_read(folder / each), 10) for each in ("src", "dst"))
        control = holder.name if made else ""
        name = _read(folder / "name")
        found.append(RpmsgNode(entry.name, name, src, dst, vdev.name, control))
    return found


def holders(node: str, root: Path = Path("/")) -> list[RpmsgHolder]:
    """Return which processes have a node below ``/dev`` open, as far as this user may see."""
    try:
        wanted = (root / "dev" / node).stat()
    except OSError:
        return []
    found: dict[int, RpmsgHolder] = {}
    for process, number in open_descriptors(root / "proc"):
        try:
            status = (process / "fd" / number).stat()
            if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
                command = remote_text(_read(process / "comm"))
                owner = user(process.stat().st_uid)
                found[int(process.name)] = RpmsgHolder(int(process.name), command, owner)
        except OSError:
            continue  # it ended, or belongs to another user
    return [found[pid] for pid in sorted(found)]


def _is_processor(folder: Path) -> bool:
    return folder.parent.name == "remoteproc"


def _entries(folder: Path) -> Iterator[Path]:
    """Yield the entries of a folder, the numbered ones in the order of their numbers."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names, key=_by_number):
        yield folder / name


def _by_number(name: str) -> tuple[str, int, str]:
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    return stem, int(digits) if digits else -1, name


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            text = file.read(ATTRIBUTE_BYTES)
    except OSError:
        return ""
    return text.split(b"\n")[0].strip(b"\0").decode(errors="replace")


def _target(path: Path) -> str:
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def _number(text: str, base: int) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None


def _address(text: str, base: int) -> int:
    """Return an address of 32 bits; sysfs writes any as -1, or as 0xffffffff."""
    number = _number(text, base)
    return ANY if number is None else number & ANY
