"""A machine of QEMU that stands still, for demos: its devices are there, and no guest runs."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from time import monotonic

import click

__all__ = ["standing_still"]

PROGRAM = "qemu-system-aarch64"
START_S = 30.0
LOOK_S = 0.1


@contextmanager
def standing_still(machine: str, folder: str, check: Callable[[], object]) -> Generator[str]:
    """Start a machine and return how a region in it is addressed: ``qtest:PATH``.

    Args:
        machine: its name for QEMU.
        folder: where sockets and complaints go.
        check: called every now and then while it comes up.

    Raises:
        ClickException: there is no QEMU, or it does not come up.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise click.ClickException(
            f"this needs {PROGRAM}: apt-get install --no-install-recommends qemu-system-arm"
        )
    complaints = os.path.join(folder, "qemu.log")
    with ExitStack() as stack:
        # It gets sockets that listen already, so whoever connects waits until it has come up.
        sockets = {name: stack.enter_context(listening(folder, name)) for name in ("qtest", "qmp")}
        options = ["-machine", machine, "-accel", "tcg", "-S", "-display", "none"]
        options += ["-nodefaults", "-serial", "null", "-qtest-log", "none"]
        for name, each in sockets.items():
            options += ["-chardev", f"socket,id={name},fd={each.fileno()},server=on,wait=off"]
        options += ["-qtest", "chardev:qtest", "-qmp", "chardev:qmp"]
        log = stack.enter_context(open(complaints, "wb"))
        process = subprocess.Popen(
            [program, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[each.fileno() for each in sockets.values()],
            process_group=0,  # Ctrl-C in the terminal is for us
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        for each in sockets.values():
            each.close()
        if not greets(os.path.join(folder, "qmp"), check):
            with open(complaints, errors="replace") as text:
                lines = text.read().splitlines() or ["it says nothing"]
            raise click.ClickException(f"QEMU does not come up: {lines[-1]}")
        yield f"qtest:{folder}/qtest"


def listening(folder: str, name: str) -> socket.socket:
    """Make a socket that QEMU takes over."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.bind(os.path.join(folder, name))
    made.listen(1)
    return made


def greets(path: str, check: Callable[[], object]) -> bool:
    """Wait for QEMU's greeting, which comes when the machine is there."""
    until_s = monotonic() + START_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as monitor:
        monitor.settimeout(LOOK_S)
        monitor.connect(path)
        while monotonic() < until_s:
            check()
            try:
                return monitor.recv(4096).startswith(b'{"QMP"')
            except TimeoutError:
                continue  # not yet
            except ConnectionResetError:
                return False
    return False
