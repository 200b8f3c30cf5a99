"""A line between two network namespaces that delays packets and loses some.

With `tc netem` where the kernel has it; else this process is the line, between two TUN devices.
Everything happens inside a user namespace of its own, so it needs no rights and leaves nothing.
"""

import errno
import fcntl
import heapq
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

__all__ = ["FAR", "NEAR", "TUN", "Wire", "has_netem"]

NEAR, FAR = "10.77.0.1", "10.77.0.2"
TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x1, 0x1000
MTU = 1500


def ip(*words: str) -> None:
    """Set up a device of the current namespace."""
    subprocess.run(["ip", *words], check=True)


def tun() -> int:
    """Return a device through which packets of this namespace go."""
    descriptor = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", b"line", IFF_TUN | IFF_NO_PI))
    return descriptor


def up(device: str, address: str) -> None:
    """Give a device of this namespace its address."""
    ip("addr", "add", f"{address}/24", "dev", device)
    ip("link", "set", device, "up", "mtu", str(MTU))
    ip("link", "set", "lo", "up")


def has_netem() -> bool:
    """Return whether the kernel has netem. Inside of a namespace of our own."""
    netem = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    if subprocess.run(netem, capture_output=True).returncode:
        return False
    subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], check=True)
    return True


class Wire:
    """The near namespace is the current one; the far one is that of a program.

    Args:
        far: the command that runs there; its first line says that it is ready.
        delay_s: of each packet, in each direction, in seconds.
        loss: which part of the packets is lost.
    """

    def __init__(self, far: list[str], delay_s: float, loss: float) -> None:
        self.far_command = far
        self.delay_s, self.loss = delay_s, loss
        self.netem = has_netem()
        self.how = "tc netem" if self.netem else "two TUN devices: this kernel has no netem"
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno()), *self.far_command]
            far = subprocess.Popen(
                ["unshare", "--net", *command], pass_fds=[theirs.fileno()], stdout=subprocess.PIPE
            )
            self.processes.append(far)
            theirs.close()
            self.connect(ours, far)
        assert far.stdout is not None
        if not far.stdout.readline():
            self.__exit__(None, None, None)
            raise RuntimeError("the far program ended")
        return self

    def connect(self, ours: socket.socket, far: "subprocess.Popen[bytes]") -> None:
        """Lay the line between the two namespaces."""
        assert ours.recv(1) == b"?"
        if self.netem:
            name = ("link", "add", "line", "type", "veth", "peer", "line", "netns", str(far.pid))
            ip(*name)
            words = f"netem delay {self.delay_s * 1e3:g}ms loss {self.loss * 100:g}%".split()
            ours.send(" ".join(words).encode())
            subprocess.run(["tc", "qdisc", "add", "dev", "line", "root", *words], check=True)
        else:
            ours.send(b"tun")
            _, (theirs,), _, _ = socket.recv_fds(ours, 1, 1)
            mine = tun()
            carry = f"{mine},{theirs},{self.delay_s},{self.loss}"
            self.processes.append(
                subprocess.Popen([sys.executable, "-m", __name__, carry], pass_fds=[mine, theirs])
            )
            os.close(mine)
            os.close(theirs)
        up("line", NEAR)
        ours.send(b"go")

    def freeze(self, is_frozen: bool) -> None:
        """Stop the far program; False: let it go on."""
        self.processes[0].send_signal(signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def cut(self, is_cut: bool) -> None:
        """Lose everything from now on, as a cable does that is pulled out; False: mend it."""
        if self.netem:
            loss = "100%" if is_cut else f"{self.loss * 100:g}%"
            words = ("netem", "delay", f"{self.delay_s * 1e3:g}ms", "loss", loss)
            subprocess.run(["tc", "qdisc", "change", "dev", "line", "root", *words], check=True)
        else:
            self.processes[1].send_signal(signal.SIGUSR1 if is_cut else signal.SIGUSR2)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes:
            process.kill()
            with process:
                pass


def far_end(descriptor: int, command: list[str]) -> None:
    """Set up this namespace, and become the program that runs here."""
    with socket.socket(fileno=descriptor) as ours:
        ours.send(b"?")
        words = ours.recv(100).decode().split()
        if words == ["tun"]:
            mine = tun()
            socket.send_fds(ours, [b"!"], [mine])
        assert ours.recv(2) == b"go"
        up("line", FAR)
        if words != ["tun"]:
            subprocess.run(["tc", "qdisc", "add", "dev", "line", "root", *words], check=True)
    os.execv(command[0], command)


def carry(ends: tuple[int, int], delay_s: float, loss: float) -> None:
    """Be the line: what comes in at one end goes out at the other, late, or not at all."""
    chance = random.Random(1)
    lost = [loss]
    signal.signal(signal.SIGUSR1, lambda *_: lost.insert(0, 1.0))
    signal.signal(signal.SIGUSR2, lambda *_: lost.insert(0, loss))
    under_way: list[tuple[float, int, int, bytes]] = []
    number = 0
    while True:
        now_s = time.monotonic()
        while under_way and under_way[0][0] <= now_s:
            _, _, end, packet = heapq.heappop(under_way)
            try:
                os.write(end, packet)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                # That end is not up yet, and the packet is lost: the system sends some of its own.
        wait_s = under_way[0][0] - now_s if under_way else None
        for end in select.select(ends, [], [], wait_s)[0]:
            packet = os.read(end, 2 * MTU)
            if chance.random() >= lost[0]:
                number += 1  # packets do not overtake each other
                other = ends[1 - ends.index(end)]
                heapq.heappush(under_way, (time.monotonic() + delay_s, number, other, packet))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        far_end(int(sys.argv[1]), sys.argv[2:])
    else:
        near, far, delay, lost = sys.argv[1].split(",")
        carry((int(near), int(far)), float(delay), float(lost))
