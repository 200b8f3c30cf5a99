"""An unmodified Linux gets an RPMsg device from this process, and its echo comes from here."""

import os
import select
import shlex
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from mboxio.remote.rpmsg.processor import Processor
from mboxio.remote.rpmsg.services import Services
from mboxio.remote.rpmsg.vhost_user import VhostUser
from tests.linux_kernel.guest import Guest
from tests.linux_kernel.test_guest import ROOT, TIMEOUT_S, kernel

RPMSG = 7
LOOK_S = 0.01


class Server(threading.Thread):
    """Serves one front end, until that goes.

    Args:
        listening: where it connects.
        up: a file that is there when the guest has started. It makes the device of a service in the
            interrupt of the announcement. One that came during the start was seen to end in a guest
            whose first process never ran: no lock may be waited for in an interrupt.
    """

    def __init__(self, listening: socket.socket, up: Path) -> None:
        super().__init__(name="vhost-user")
        self.listening = listening
        self.up = up
        self.services = Services(256)
        self.messages = 0

    def run(self) -> None:
        connection, _ = self.listening.accept()
        backend = VhostUser(connection)
        processor = Processor(self.services, backend)
        readable: list[int] = []
        announced = False
        try:
            while backend.hear(readable):
                if not announced and self.up.exists():
                    self.services.service("rpmsg-raw", address=0x400)
                    announced = True
                while processor.serve(time.monotonic_ns()):
                    continue
                next_ns = processor.next_ns()
                now_ns = time.monotonic_ns()
                wait_s = None if next_ns is None else max(0.0, (next_ns - now_ns) / 1e9)
                if not announced:
                    wait_s = LOOK_S
                readable = select.select(backend.descriptors(), [], [], wait_s)[0]
        finally:
            self.messages = processor.stats.messages
            processor.close()
            backend.close()


@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.once
def test_a_guest_is_served_from_outside() -> None:
    program = kernel()
    with (
        tempfile.TemporaryDirectory(prefix="mboxio-") as folder,
        socket.socket(socket.AF_UNIX) as listening,
    ):
        path, job = Path(folder) / "vhost", Path(folder) / "job"
        listening.bind(str(path))
        listening.listen(1)
        server = Server(listening, job / "up")
        server.start()
        python = f"{shlex.quote(sys.executable)} -m tests.linux_kernel.inside.echo"
        guest = Guest(
            program,
            f"touch /run/job/up && cd {shlex.quote(str(ROOT))} && {python}",
            {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONDONTWRITEBYTECODE": "1"},
            # Its interrupts are hard ones, in which the driver of a channel cannot make a file.
            (f"virtio_uml.device={path}:{RPMSG}", "driver_async_probe=rpmsg_chrdev"),
            timeout_s=TIMEOUT_S,
            job=job,
        )
        with guest.run() as result:
            # A guest that did not connect leaves a thread that would wait for ever.
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            server.join()
            assert result.status == 0, result.console
            assert "300 round trips" in result.console
            assert not result.complaints, result.kernel_log
    assert server.messages == 300
