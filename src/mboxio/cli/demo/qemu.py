"""Machines of QEMU for demos: one that stands still, with its devices, and others that run."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic

import click

__all__ = ["standing_still", "started"]

START_S = 30.0
LOOK_S = 0.1


@contextmanager
def standing_still(machine: str, folder: str, check: Callable[[], object]) -> Generator[str]:
    """Start a machine without a guest; returns how a region in it is addressed: ``qtest:PATH``.

    Args:
        machine: its name for QEMU.
        folder: where sockets and complaints go.
        check: called every now and then while it comes up.

    Raises:
        ClickException: there is no QEMU, or it does not come up.
    """
    options = ["-machine", machine, "-S", "-serial", "null"]
    with started("qemu-system-aarch64", options, folder, check):
        yield f"qtest:{folder}/qtest"


@contextmanager
def started(
    program: str,
    options: Sequence[str],
    folder: str,
    check: Callable[[], object],
    wires: Sequence[str] = (),
) -> Generator[None]:
    """Start a QEMU; it is killed at the end, and with us.

    Args:
        program: the one for the processor, of Debian's package qemu-system-arm.
        options: what distinguishes the machine.
        folder: where its complaints go, and its sockets: ``qtest``, ``qmp``, and each of the wires.
        check: called every now and then while it comes up.
        wires: names of more character devices, which the options connect: ``chardev:NAME``.

    Raises:
        ClickException: there is no such program, or the machine does not come up.
    """
    path = shutil.which(program)
    if path is None:
        raise click.ClickException(
            f"this needs {program}: apt-get install --no-install-recommends qemu-system-arm"
        )
    complaints = os.path.join(folder, "qemu.log")
    with ExitStack() as stack:
        # It gets sockets that listen already, so whoever connects waits until it has come up.
        names = ("qtest", "qmp", *wires)
        sockets = {name: stack.enter_context(listening(folder, name)) for name in names}
        command = [*with_us(), path, *options, "-accel", "tcg", "-display", "none", "-nodefaults"]
        for name, each in sockets.items():
            command += ["-chardev", f"socket,id={name},fd={each.fileno()},server=on,wait=off"]
        command += ["-qtest-log", "none", "-qtest", "chardev:qtest", "-qmp", "chardev:qmp"]
        log = stack.enter_context(open(complaints, "wb"))
        process = subprocess.Popen(
            command,
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
        yield


def with_us() -> list[str]:
    """Return what has a program end when we do, even if we are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


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
