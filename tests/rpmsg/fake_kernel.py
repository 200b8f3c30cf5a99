"""Linux with a remote processor, as the driver of ``rpmsg:`` sees it: a made sysfs and sockets.

What it answers in each situation was measured on Linux 6.1 and 6.12 with real drivers. A node that
is open is a pair of sockets; the processor echoes every message to its source.
"""

import errno
import os
import select
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from mboxio.controllers.rpmsg import Rpmsg, RpmsgOptions
from mboxio.controllers.rpmsg.nodes.ioctls import CREATE_EPT, DESTROY_EPT, INFO
from mboxio.controllers.rpmsg.nodes.system import System
from mboxio.controllers.rpmsg.options import ANY

PAYLOAD_BYTES = 496
FIRST_DYNAMIC = 0x400
ECHOES = range(0x400, 0x410)
"""Addresses of the remote that answer."""
CHARDEV_NAMES = ("rpmsg-raw", "rpmsg_chrdev")


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass
class FakeNode:
    """A node below ``/dev``, and the kernel's queue behind it."""

    name: str
    src: int
    dst: int
    folder: Path
    made: bool
    alive: bool = True
    far: socket.socket | None = None
    near: int = -1
    queue: deque[bytes] = field(default_factory=deque)
    address: int = ANY

    def is_open(self) -> bool:
        if self.far is None:
            return False
        poller = select.poll()
        poller.register(self.far, 0)
        if poller.poll(0):  # its other end was closed
            self.far.close()
            self.far = None
            self.near = -1
        return self.far is not None


class Listening(socket.socket):
    """A socket that takes its other end along when it is closed."""

    other: socket.socket

    def close(self) -> None:
        self.other.close()
        super().close()


class FakeSystem(System):
    """The kernel and the processor.

    Args:
        root: an empty folder.
        services: names and addresses that the firmware announces.
        ring: buffers towards the processor.
        uevents: whether the kernel tells of devices.
    """

    def __init__(
        self,
        root: Path,
        services: dict[str, int] | None = None,
        *,
        ring: int = 16,
        uevents: bool = True,
    ) -> None:
        super().__init__(root)
        self.read, self.write = self.read_node, self.write_node
        self.services = {"rpmsg-raw": 0x400} if services is None else services
        self.ring = ring
        self.hears = uevents
        self.lock_taken = threading.RLock()
        self.nodes: dict[str, FakeNode] = {}
        self.sockets: list[socket.socket] = []
        self.held: deque[tuple[FakeNode, bytes]] = deque()
        self.holding = False
        self.silent = False
        self.taken: list[bytes] = []
        self.lives = 0
        self.made = 0
        self.destroyed: list[str] = []
        self.panicked = False
        self.write_error: int | None = None
        self.locked_by_another = False
        self.numbers = 0
        (root / "dev").mkdir()
        (root / "proc").mkdir()
        (root / "graves").mkdir()
        for each in ("bus/rpmsg/devices", "bus/rpmsg/drivers", "bus/virtio/devices"):
            (root / "sys" / each).mkdir(parents=True)
        for each in ("class/rpmsg", "class/remoteproc"):
            (root / "sys" / each).mkdir(parents=True)
        for each in ("rpmsg_chrdev", "rpmsg_ctrl", "rpmsg_ns", "rpmsg_tty"):
            (root / "sys/bus/rpmsg/drivers" / each).mkdir()
        self.processor = root / "sys/devices/platform/remoteproc/remoteproc0"
        self.processor.mkdir(parents=True)
        for name, text in (
            ("name", "imx-rproc"),
            ("state", "offline"),
            ("firmware", "echo.elf"),
            ("recovery", "enabled"),
        ):
            self.put(self.processor / name, text)
        (root / "sys/class/remoteproc/remoteproc0").symlink_to(self.processor)

    # -- sysfs

    @property
    def vdev(self) -> Path:
        return self.processor / "rproc-virtio.1.auto/virtio0"

    def put(self, path: Path, text: str) -> None:
        path.write_text(f"{text}\n")

    def start(self) -> None:
        """Start the processor: its vdev and what it announces appear."""
        with self.lock_taken:
            self.lives += 1
            self.holding = False
            self.vdev.mkdir(parents=True)
            self.put(self.vdev / "device", "0x0007")
            (self.root / "sys/bus/virtio/devices/virtio0").symlink_to(self.vdev)
            control = self.add_device("rpmsg_ctrl", 0, 0, "rpmsg_ctrl")
            folder = control / f"rpmsg/rpmsg_ctrl{self.lives - 1}"
            folder.mkdir(parents=True)
            (self.root / "sys/class/rpmsg" / folder.name).symlink_to(folder)
            (self.root / "dev" / folder.name).touch()
            self.control = folder
            self.put(self.processor / "state", "running")
            self.tell("add", self.vdev)
            for name, address in self.services.items():
                self.announce(name, address)

    def add_device(self, name: str, src: int, dst: int, driver: str = "") -> Path:
        shown = "-1" if src == ANY else str(src)
        folder = self.vdev / f"virtio0.{name}.{shown}.{dst}"
        folder.mkdir()
        self.put(folder / "name", name)
        self.put(folder / "src", f"{src:#x}")
        self.put(folder / "dst", f"{dst:#x}")
        (folder / "driver_override").write_text("(null)\n")
        if driver:
            (folder / "driver").symlink_to(self.root / "sys/bus/rpmsg/drivers" / driver)
        (self.root / "sys/bus/rpmsg/devices" / folder.name).symlink_to(folder)
        return folder

    def announce(self, name: str, address: int) -> None:
        """The remote announces a service."""
        with self.lock_taken:
            folder = self.add_device(name, ANY, address)
            if name in CHARDEV_NAMES:
                self.bind(folder)
            elif name == "rpmsg-tty":
                (folder / "driver").symlink_to(self.root / "sys/bus/rpmsg/drivers/rpmsg_tty")
                (folder / "tty/ttyRPMSG0").mkdir(parents=True)
            self.tell("add", folder)

    def bind(self, folder: Path) -> None:
        (folder / "driver").symlink_to(self.root / "sys/bus/rpmsg/drivers/rpmsg_chrdev")
        name, dst = (folder / "name").read_text().strip(), int((folder / "dst").read_text(), 16)
        node = self.add_node(folder / "rpmsg", name, ANY, dst, made=False)
        node.address = self.free_address()
        self.put(folder / "src", f"{node.address:#x}")

    def add_node(self, parent: Path, name: str, src: int, dst: int, *, made: bool) -> FakeNode:
        number = f"rpmsg{self.numbers}"
        self.numbers += 1
        folder = parent / number
        folder.mkdir(parents=True)
        self.put(folder / "name", name[:31])
        for attribute, value in (("src", src), ("dst", dst)):
            signed = value - (1 << 32) if value >= 1 << 31 else value
            self.put(folder / attribute, str(signed))
        (self.root / "sys/class/rpmsg" / number).symlink_to(folder)
        (self.root / "dev" / number).touch()
        node = self.nodes[number] = FakeNode(name, src, dst, folder, made)
        return node

    def free_address(self) -> int:
        used = {each.address for each in self.nodes.values() if each.alive}
        return next(each for each in range(FIRST_DYNAMIC, ANY) if each not in used)

    def tell(self, action: str, folder: Path) -> None:
        where = str(folder).removeprefix(str(self.root / "sys"))
        for each in self.sockets:
            try:
                each.send(f"{action}@{where}\0ACTION={action}".encode())
            except OSError:
                continue  # who listened is gone

    # -- what happens to the processor

    def end_node(self, number: str) -> None:
        node = self.nodes.pop(number)
        node.alive = False
        (self.root / "sys/class/rpmsg" / number).unlink()
        (self.root / "dev" / number).unlink()
        if node.far is not None:
            node.far.close()
            node.far = None

    def remove(self, folder: Path) -> None:
        """Take a device away; its folder is kept elsewhere, so that its inode is not used again."""
        self.unlist(folder)
        folder.rename(self.root / "graves" / f"{len(os.listdir(self.root / 'graves'))}")
        self.tell("remove", folder)

    def unlist(self, folder: Path) -> None:
        """What the kernel does with a device before anything on it ends."""
        (self.root / "sys/bus/rpmsg/devices" / folder.name).unlink(missing_ok=True)

    def destroy(self, name: str, address: int) -> None:
        """The remote takes a service back."""
        with self.lock_taken:
            folder = next(
                each
                for each in self.vdev.iterdir()
                if each.name.startswith(f"virtio0.{name}.") and each.name.endswith(f".{address}")
            )
            self.unlist(folder)
            for number, node in list(self.nodes.items()):
                if folder in node.folder.parents:
                    self.end_node(number)
            self.remove(folder)

    def stop(self) -> None:
        """Stop the processor: all devices go."""
        with self.lock_taken:
            (self.root / "sys/bus/virtio/devices/virtio0").unlink()
            for number in list(self.nodes):
                self.end_node(number)
            self.held.clear()
            for folder in list(self.vdev.iterdir()):
                if folder.is_dir():
                    self.remove(folder)
            (self.root / "sys/class/rpmsg" / self.control.name).unlink()
            (self.root / "dev" / self.control.name).unlink()
            self.remove(self.vdev)
            self.put(self.processor / "state", "offline")

    def crash(self) -> None:
        """The processor crashes; the kernel starts it again unless recovery is disabled."""
        with self.lock_taken:
            self.holding = True
            if (self.processor / "recovery").read_text().strip() == "disabled":
                self.put(self.processor / "state", "crashed")
                return
            self.recover()

    def recover(self) -> None:
        """Stop and start."""
        with self.lock_taken:
            self.stop()
            self.holding = False
            self.start()

    def set_recovery(self, enabled: bool) -> None:
        self.put(self.processor / "recovery", "enabled" if enabled else "disabled")

    # -- what the processor does

    def hold(self) -> None:
        """The processor takes no messages from now on."""
        with self.lock_taken:
            self.holding = True

    def go(self) -> None:
        """It goes on."""
        with self.lock_taken:
            self.holding = False
            while self.held:
                self.process(*self.held.popleft())

    def process(self, node: FakeNode, message: bytes) -> None:
        self.taken.append(message)
        if not self.silent and node.dst in ECHOES:
            self.deliver(node, message)

    def say(self, src: int, dst: int, text: bytes | str) -> None:
        """Send a message to an address of the host; ``src`` is not told there."""
        message = text.encode() if isinstance(text, str) else text
        with self.lock_taken:
            for node in self.nodes.values():
                if node.address == dst and node.alive:
                    self.deliver(node, message)

    def say_to(self, name: str, message: bytes) -> None:
        """Send a message to the endpoint of a service, whatever its address is."""
        with self.lock_taken:
            for node in self.nodes.values():
                if node.name == name:
                    self.deliver(node, message)

    def leak(self) -> None:
        """Send a message that claims more than it has."""
        self.say(0x400, 0x400, bytes(2000))

    def flood(self, src: int, dst: int, count: int) -> None:
        """Send numbers."""
        for number in range(count):
            self.say(src, dst, b"%d" % number)

    def deliver(self, node: FakeNode, message: bytes) -> None:
        if node.is_open():
            assert node.far is not None
            try:
                node.far.send(message)
            except BlockingIOError:  # the socket holds less than the kernel's queue
                node.queue.append(message)
        elif not node.made:
            node.queue.append(message)  # kept for the next open

    def driver(self, name: str = "rpmsg-raw", **options: object) -> Rpmsg:
        """Make a driver over this kernel."""
        return Rpmsg(name, RpmsgOptions(**options), system=self)  # type: ignore[arg-type]

    def shut_down(self) -> None:
        """Let go of the sockets."""
        for node in self.nodes.values():
            if node.far is not None:
                node.far.close()
        for each in self.sockets:
            each.close()

    # -- what the driver calls

    def open(self, node: str) -> int:
        with self.lock_taken:
            if not (self.root / "dev" / node).exists():
                raise failed(errno.ENOENT)
            if node.startswith("rpmsg_ctrl"):
                return os.open(self.root / "dev" / node, os.O_RDWR | os.O_CLOEXEC)
            found = self.nodes[node]
            if found.is_open():
                raise failed(errno.EBUSY)
            near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            near.setblocking(False)
            far.setblocking(False)
            if found.made:
                found.address = self.free_address() if found.src == ANY else found.src
            found.far, found.near = far, near.detach()
            while found.queue:
                far.send(found.queue.popleft())
            return found.near

    def close(self, descriptor: int) -> None:
        with self.lock_taken:
            number = self.number_of(descriptor)
            super().close(descriptor)
            if number is not None:
                self.nodes[number].is_open()

    def lock(self, descriptor: int) -> None:
        if self.locked_by_another:
            raise failed(errno.EAGAIN)
        super().lock(descriptor)

    def ioctl(self, descriptor: int, request: int, argument: bytes = b"") -> None:
        with self.lock_taken:
            if request == CREATE_EPT:
                name, src, dst = INFO.unpack(argument)
                self.made += 1
                self.add_node(self.control, name.rstrip(b"\0").decode(), src, dst, made=True)
            elif request == DESTROY_EPT:
                number = self.number_of(descriptor)
                if number is None:
                    self.panicked = True  # what Linux 6.1 makes of it
                    return
                if not self.nodes[number].made:
                    raise failed(errno.EINVAL)
                self.destroyed.append(number)
                self.end_node(number)

    def store(self, attribute: Path, text: str) -> None:
        super().store(attribute, text) if attribute.name != "bind" else None
        if attribute.name == "bind":
            folder = self.vdev / text
            assert (folder / "driver_override").read_text() == "rpmsg_chrdev"
            self.bind(folder)

    def number_of(self, descriptor: int) -> str | None:
        found = (number for number, each in self.nodes.items() if each.near == descriptor)
        return next(found, None)

    def read_node(self, descriptor: int, size: int) -> bytes:
        with self.lock_taken:
            number = self.number_of(descriptor)
            if number is None:
                raise failed(errno.EPIPE)
            message = os.read(descriptor, size)
            node = self.nodes[number]
            while node.queue and node.far is not None:
                try:
                    node.far.send(node.queue[0])
                except BlockingIOError:
                    break
                node.queue.popleft()
            return message

    def write_node(self, descriptor: int, message: bytes) -> int:
        with self.lock_taken:
            number = self.number_of(descriptor)
            if number is None:
                raise failed(errno.EPIPE)
            if len(message) > PAYLOAD_BYTES:
                raise failed(errno.EMSGSIZE)
            if self.write_error is not None:
                raise OSError(self.write_error, "injected")
            node = self.nodes[number]
            if node.dst == ANY:
                raise failed(errno.EINVAL)
            if not self.holding:
                self.process(node, message)
            elif len(self.held) < self.ring:
                self.held.append((node, message))
            else:
                raise failed(errno.EAGAIN)
            return len(message)

    def uevents(self) -> socket.socket | None:
        if not self.hears:
            return None
        near, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours = Listening(fileno=near.detach())
        ours.other = theirs
        ours.setblocking(False)
        theirs.setblocking(False)
        self.sockets.append(theirs)
        return ours
