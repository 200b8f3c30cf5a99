"""QEMU for one test: started in a folder of its own, stopped by its own process id."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mboxio.regions.probes.qtest import Qtest
from tests.tools import tool

PROGRAM = "qemu-system-aarch64"
START_S = 50.0
"""How long a QEMU may take to come up; it takes a tenth of a second on an idle machine."""


@dataclass(frozen=True)
class Machine:
    """A machine that stands still: nothing of a guest runs until somebody lets it.

    Args:
        qtest, gdb: where its sockets are, as a region is addressed.
        process: the QEMU.
    """

    qtest: str
    gdb: str
    process: "subprocess.Popen[bytes]"

    @contextlib.contextmanager
    def wires(self) -> Iterator[Qtest]:
        """Reach into the machine where software cannot: its wires."""
        wires = Qtest.share(self.qtest.partition(":")[2])
        try:
            yield wires
        finally:
            wires.release()

    def kill(self) -> None:
        """Have it gone."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(machine: str, folder: Path | None = None, program: bytes = b"") -> Iterator[Machine]:
    """Start a machine, and stop it afterwards.

    Args:
        machine: its name for QEMU.
        folder: where its sockets are; None: in one of its own, which is removed afterwards.
        program: what lies at address 0 from the start.

    QEMU gets sockets that listen already, so whoever connects waits in line until it has come up.
    """
    path = tool(PROGRAM)
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="mboxio-qemu-"))
            stack.callback(shutil.rmtree, folder)
        log = stack.enter_context((folder / "log").open("wb"))
        sockets = {name: _listening(folder / name) for name in ("qtest", "gdb", "qmp")}
        try:
            options = ["-machine", machine, "-accel", "tcg", "-S", "-display", "none"]
            options += ["-nodefaults", "-serial", "null", "-qtest-log", "none"]
            if program:
                (folder / "program").write_bytes(program)
                options += ["-device", f"loader,file={folder}/program,addr=0,force-raw=on"]
            for name, listening in sockets.items():
                options += [
                    "-chardev",
                    f"socket,id={name},fd={listening.fileno()},server=on,wait=off",
                ]
            options += ["-qtest", "chardev:qtest", "-gdb", "chardev:gdb", "-qmp", "chardev:qmp"]
            process = subprocess.Popen(
                [*_with_parent(), path, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[listening.fileno() for listening in sockets.values()],
            )
        finally:
            for listening in sockets.values():
                listening.close()
        stack.callback(_stop, process)
        _await_greeting(folder / "qmp", folder / "log")
        yield Machine(f"qtest:{folder}/qtest", f"gdb:{folder}/gdb", process)


def _listening(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)  # of a machine that was here before
    listening.bind(str(path))
    listening.listen(1)
    return listening


def _with_parent() -> list[str]:
    """Have QEMU end with the tests even if those are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _await_greeting(path: Path, log: Path) -> None:
    """Return when QEMU says hello, which it does when the machine is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
        monitor.settimeout(START_S)
        monitor.connect(str(path))
        try:
            greeting = monitor.recv(4096)
        except ConnectionResetError:
            greeting = b""
        assert greeting.startswith(b'{"QMP"'), f"QEMU did not come up: {log.read_text()}"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
