"""The situations in which deadlines are measured: each yields an address and a channel to ask."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mboxio
from mboxio.devicetree import DeviceTree, describe
from mboxio.local.folder import runtime_folder
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from tests.devicetree.test_large import wide
from tests.tools import HEADER_FOLDER

from .enemies import ATTACKS, PROBES, SERVES

__all__ = ["QUIET", "SITUATIONS", "serve"]

QUIET = "silent"
NOBODY = 65534
"""The uid of another user; only root can give files away."""
PASSING = "hosts that send descriptors"
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "firmware_c"


@contextmanager
def enemy(kind: str, name: str = "t") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start one; yield its process and where it is if that is new."""
    command = [sys.executable, "-m", "tests.hostile.enemies", kind, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().removeprefix("ready").strip()
        finally:
            process.kill()


@contextmanager
def served(kind: str) -> Iterator[tuple[str, Any]]:
    """Be a host of a hostile remote."""
    with enemy(kind):
        yield "shm:t", "a"


@contextmanager
def probed(kind: str) -> Iterator[tuple[str, Any]]:
    """Be a host of a chip behind a hostile QEMU or stub."""
    with enemy(kind) as (_, where):
        yield f"bcm2835:?at={kind.split()[0]}:{where}@0x80000000%2B0x40", "1"


@contextmanager
def attacked(kind: str, old: bool = False) -> Iterator[tuple[str, Any]]:
    """Be a host of a `Remote` that other hosts attack; its handler has no answer."""
    with child(old), enemy(kind):
        yield "shm:t", "a"


@contextmanager
def attacked_in_c(kind: str, flags: str = "") -> Iterator[tuple[str, Any]]:
    """Be a host of the firmware in C that other hosts attack; it answers."""
    with tempfile.TemporaryDirectory() as out:
        settings = (f"OUT={out}", f"RING={HEADER_FOLDER}", f"CFLAGS=-O2 {flags}")
        make = ("make", "-s", "-C", EXAMPLE, *settings)
        subprocess.run(make, check=True)
        command = [os.path.join(out, "firmware"), "t"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline()
                with enemy(kind):
                    yield "shm:t", "echo"
            finally:
                process.kill()


@contextmanager
def folder() -> Iterator[tuple[str, Any]]:
    """The remote comes and goes, and somebody moves the folder of its socket and what is in it."""
    with enemy("lives of a request"), enemy("folder", runtime_folder()):
        yield "shm:t", "a"


@contextmanager
def child(old: bool) -> Iterator[subprocess.Popen[str]]:
    """Serve in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile.deadlines", "--remote", "old" if old else "new"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def serve(old: bool) -> None:
    """Serve ``a``, without an answer, and complain to nobody.

    Args:
        old: the kernel lets descriptors through, as before Linux 6.16.
    """
    if old:
        mboxio.local.doorbells.SO_PASSRIGHTS = 0xFFFF  # type: ignore[attr-defined]
    remote = Remote("t")
    remote.channel("a", message_bytes=256)
    remote.handler("a")(lambda message: None)
    with open(os.devnull, "w") as sys.stderr:
        print("ready", flush=True)
        remote.serve()


@contextmanager
def stopped() -> Iterator[tuple[str, Any]]:
    """The remote is stopped in the middle of something, once it is connected."""
    with enemy("messages") as (process, _):
        threading.Timer(0.5, process.send_signal, [signal.SIGSTOP]).start()
        yield "shm:t", "a"


@contextmanager
def passed(kind: str) -> Iterator[tuple[str, Any]]:
    """The kernel lets descriptors through, as before Linux 6.16."""
    mboxio.local.doorbells.SO_PASSRIGHTS = 0xFFFF  # type: ignore[attr-defined]
    with served(kind) as where:
        yield where


@contextmanager
def failing() -> Iterator[tuple[str, Any]]:
    """The program's handler of requests raises, and what is logged is written."""
    log = logging.getLogger("mboxio")
    log.propagate = False
    with open(os.devnull, "w") as nowhere, served("requests") as where:
        log.addHandler(logging.StreamHandler(nowhere))
        yield where


@contextmanager
def tree() -> Iterator[tuple[str, Any]]:
    """Another thread tells of a large device tree, again and again."""
    data, over = wide(), threading.Event()

    def tell() -> None:
        while not over.is_set():
            describe(DeviceTree(data), "t")

    with served(QUIET) as where:
        telling = threading.Thread(target=tell)
        telling.start()
        try:
            yield where
        finally:
            over.set()
            telling.join()


@contextmanager
def file(kind: str, owner: int | None = None) -> Iterator[tuple[str, Any]]:
    """An SRAM in a file has no firmware any more, and somebody spoils it.

    Args:
        kind: what is done to it.
        owner: the uid of whoever it belongs to; None: of this user.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "sram")
        remote = AcpmRemote(f"file:{path}")
        remote.channel()
        with remote:
            pass
        if owner is not None:
            os.chown(path, owner, -1)
        with enemy(kind, path):
            yield f"acpm:?at=file:{path}", "0"


SITUATIONS: dict[str, Callable[[], Any]] = {
    **{name: partial(served, name) for name in SERVES},
    "descriptors, before Linux 6.16": partial(passed, "descriptors"),
    "slow ones, before Linux 6.16": partial(passed, "slow descriptors"),
    "requests, failing handler": failing,
    "stopped remote": stopped,
    "large device tree": tree,
    "file that is scribbled on": partial(file, "file"),
    "file that its owner shortens": partial(file, "short file", NOBODY),
    "own file that is made shorter": partial(file, "short file"),
    **{name: partial(probed, name) for name in PROBES},
    "folder that is moved": folder,
    **{name: partial(attacked, name) for name in ATTACKS},
    "the same, before Linux 6.16": partial(attacked, PASSING, old=True),
    **{f"{name}, in C": partial(attacked_in_c, name) for name in ATTACKS},
    "the same, before 6.16, in C": partial(attacked_in_c, PASSING, "-DSO_PASSRIGHTS=-1"),
}
