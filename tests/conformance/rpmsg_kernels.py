"""The driver of RPMsg over a kernel in this process, and over a socket and a terminal."""

import os
import pty
import select
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from mboxio.controllers.framing import framing_of
from mboxio.controllers.rpmsg import Rpmsg, RpmsgOptions
from mboxio.testing import Bench
from tests.rpmsg.fake_kernel import FakeSystem


def service(name: str = "rpmsg-raw", *, uevents: bool = True, **options: Any) -> Bench:
    """A service that echoes; a message is TX done in the ring, so nothing is seen to stall."""
    folder = tempfile.TemporaryDirectory()
    kernel = FakeSystem(Path(folder.name), {"rpmsg-raw": 0x400, "pmic": 0x402}, uevents=uevents)
    kernel.start()

    def notify(channel: int, message: bytes) -> None:
        kernel.say_to(name, message)

    def close() -> None:
        kernel.shut_down()
        folder.cleanup()

    return Bench(
        controller=kernel.driver(name, **options),
        taken=lambda: kernel.taken,
        notify=notify,
        restart=kernel.recover,
        kill=kernel.stop,
        close=close,
        patience_s=20.0,
    )


class Echo:
    """A thread that sends everything back."""

    def __init__(self, descriptor: int, framing: str = "") -> None:
        self.descriptor = descriptor
        self.framing = framing_of(framing, 496) if framing else None
        self.ours, self.theirs = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        poller.register(self.ours, select.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self.ours in ready:
                return
            data = os.read(self.descriptor, 1 << 16)
            for message in [data] if self.framing is None else self.framing.feed(data):
                self.send(message)

    def send(self, message: bytes) -> None:
        data = message if self.framing is None else self.framing.encode(message)
        os.write(self.descriptor, data)

    def close(self) -> None:
        os.write(self.theirs, b"x")
        self.thread.join(20)
        for each in (self.ours, self.theirs, self.descriptor):
            os.close(each)


def descriptor() -> Bench:
    """A socket that was opened by somebody else."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    echo = Echo(far.detach())

    def close() -> None:
        echo.close()
        near.close()

    return Bench(
        controller=Rpmsg("", RpmsgOptions(fd=near.fileno(), replies="tag:0:1")),
        notify=lambda channel, message: echo.send(message),
        close=close,
        patience_s=20.0,
    )


def terminal(framing: str) -> Bench:
    """A pseudo terminal in the place of the kernel's."""
    far, near = pty.openpty()
    path = os.ttyname(near)
    options = RpmsgOptions(tty=path, framing=framing, replies="order:16")
    echo = Echo(far, framing)

    def close() -> None:
        echo.close()
        os.close(near)

    return Bench(
        controller=Rpmsg("", options),
        message=(lambda number: b"line %d" % number) if framing == "line" else None,
        notify=lambda channel, message: echo.send(message),
        close=close,
        patience_s=20.0,
    )
