"""How late deadlines come, and what is kept, in each hostile situation.

``python -m tests.hostile.deadlines`` prints a table; names of situations print only those. Nothing
is asserted, for the figures are those of the machine: ``others`` says how late, meanwhile, an idle
process was woken for a time that it had set. Each situation has a process of its own.
"""

import argparse
import asyncio
import json
import logging
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import mboxio
from mboxio import AddressError, MailboxError, _build
from mboxio.devicetree import DeviceTree, describe
from mboxio.remote import Remote
from mboxio.remote.acpm import AcpmRemote
from tests.devicetree.test_large import wide

from .enemies import ATTACKS, PROBES, SERVES

DEADLINE_S = 0.2
COUNT = 20
QUIET = "silent"
NOBODY = 65534
"""The uid of another user; only root can give files away."""


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
def attacked(kind: str) -> Iterator[tuple[str, Any]]:
    """Be a host of a `Remote` that other hosts attack; its handler has no answer."""
    with child(kind), enemy(kind):
        yield "shm:t", "a"


@contextmanager
def child(kind: str) -> Iterator[subprocess.Popen[str]]:
    """Serve in a process of its own."""
    command = [sys.executable, "-m", "tests.hostile.deadlines", "--remote"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def serve() -> None:
    """Serve ``a``, without an answer, and complain to nobody."""
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
    **{name: partial(attacked, name) for name in ATTACKS},
}


def kept() -> tuple[int, int, int]:
    """Return memory in KiB, descriptors and threads of this process."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    number = os.sysconf("SC_PAGE_SIZE") // 1024
    return pages * number, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


class Lateness:
    """What is measured of requests that nobody answers."""

    def __init__(self) -> None:
        self.late_s = self.loop_late_s = self.submit_s = 0.0
        self.ends: Counter[str] = Counter()
        self.asked = 0

    def question(self) -> bytes:
        """Return a word that no other request has."""
        self.asked += 1
        return (self.asked << 4).to_bytes(4, "little")

    def blocking(self, client: mboxio.Client) -> None:
        """Have one wait until its deadline, and note how much longer."""
        began_s = time.monotonic()
        try:
            request = client.submit(self.question(), timeout_s=DEADLINE_S)
        except MailboxError as error:
            self.submit_s = max(self.submit_s, time.monotonic() - began_s)
            self.end(error)
            self.waiting(client)
            return
        submitted_s = time.monotonic()
        self.submit_s = max(self.submit_s, submitted_s - began_s)
        self.end(request.exception())
        self.late_s = max(self.late_s, time.monotonic() - submitted_s - DEADLINE_S)
        client.resync()  # what it holds would soon be all there is

    def waiting(self, client: mboxio.Client) -> None:
        """Nobody is there to be asked: have one wait for somebody, too."""
        began_s = time.monotonic()
        try:
            client.request(self.question(), timeout_s=DEADLINE_S, queue_timeout_s=DEADLINE_S)
        except MailboxError as error:
            self.end(error)
            self.late_s = max(self.late_s, self.over_s(began_s, error))

    async def loop(self, connection: mboxio.Connection, client: mboxio.Client, count: int) -> None:
        """Let so many await their deadlines, one after the other."""
        async with connection.async_client(client.name) as asking:
            for _ in range(count):
                began_s = time.monotonic()
                try:
                    await asking.request(
                        self.question(), timeout_s=DEADLINE_S, queue_timeout_s=DEADLINE_S
                    )
                except MailboxError as error:
                    self.end(error)
                    self.loop_late_s = max(self.loop_late_s, self.over_s(began_s, error))
                await asyncio.to_thread(client.resync)

    def over_s(self, began_s: float, error: MailboxError) -> float:
        """Return how long after its limit a request ended.

        One that was handed over may have waited for that until its other limit.
        """
        took_s = time.monotonic() - began_s
        queued = error.handed_over == "no" or error.stage == "queue"
        never_waits = set(self.ends) <= {"RequestTimeout"}
        return took_s - (DEADLINE_S if queued or never_waits else 2 * DEADLINE_S)

    def end(self, error: BaseException | None) -> None:
        self.ends["answered" if error is None else type(error).__name__] += 1


def fail(message: bytes) -> bytes:
    raise ValueError("no such message")


def measure(name: str, count: int) -> dict[str, Any]:
    """Live through a situation."""
    made = Lateness()
    with ExitStack() as stack:
        address, channel = stack.enter_context(SITUATIONS[name]())
        with mboxio.connect(address, wait_s=10) as connection:
            client = connection.client(channel)
            messages = client.subscribe(limit=16)
            client.on_request(fail if "failing" in name else bytes)
            for _ in range(3):
                made.blocking(client)
            asyncio.run(made.loop(connection, client, 1))
            before = kept()
            for _ in range(count):
                made.blocking(client)
            asyncio.run(made.loop(connection, client, count))
            after = kept()
            messages.close()
    return {
        "late_ms": made.late_s * 1e3,
        "loop_late_ms": made.loop_late_s * 1e3,
        "submit_ms": made.submit_s * 1e3,
        "ends": dict(made.ends),
        "kept": [now - then for now, then in zip(after, before, strict=True)],
    }


def woken_late_ms(process: "subprocess.Popen[str]") -> float:
    """Return how late, at most, this process was woken for times of 5 ms while another one ran."""
    late_s = 0.0
    while process.poll() is None:
        began_s = time.monotonic()
        select.select((), (), (), 0.005)
        late_s = max(late_s, time.monotonic() - began_s - 0.005)
    return late_s * 1e3


def tell(names: list[str], count: int) -> None:
    """Print the table."""
    print(f"{_build.name()} build, deadlines of {DEADLINE_S * 1e3:.0f} ms, {count} of each kind")
    heads = " ".join(f"{head:>7}" for head in ("late", "loop", "submit", "others"))
    print(f"{'situation':32} {heads}  kept KiB/fds/threads")
    for name in names:
        with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
            one = [
                sys.executable,
                "-m",
                "tests.hostile.deadlines",
                "--one",
                name,
                "--count",
                str(count),
            ]
            settings = {**os.environ, "MBOXIO_RUNTIME_DIR": os.path.join(folder, "s")}
            with subprocess.Popen(one, stdout=subprocess.PIPE, text=True, env=settings) as process:
                others_ms = woken_late_ms(process)
                assert process.stdout is not None
                said = process.stdout.read()
        if process.returncode:
            code = process.returncode
            how = signal.Signals(-code).name if code < 0 else str(code)
            print(f"{name:32} ended with {how}", flush=True)
            continue
        found = json.loads(said)
        if "refused" in found:
            print(f"{name:32} refused: {found['refused']}", flush=True)
            continue
        figures = [found["late_ms"], found["loop_late_ms"], found["submit_ms"], others_ms]
        ends = ", ".join(f"{count} {end}" for end, count in found["ends"].items())
        kept_text = "/".join(f"{each:+d}" for each in found["kept"])
        print(
            f"{name:32}", *(f"{each:7.1f}" for each in figures), f" {kept_text}  {ends}", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="situations; left out: all")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--remote", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.remote:
        serve()
    elif arguments.one:
        try:
            print(json.dumps(measure(arguments.one, arguments.count)))
        except AddressError as error:
            print(json.dumps({"refused": str(error)}))
    else:
        tell(arguments.names or list(SITUATIONS), arguments.count)
