"""How late deadlines come, and what is kept, in each hostile situation.

``python -m tests.hostile.deadlines`` prints a table; names of situations print only those. Nothing
is asserted, for the figures are those of the machine. Two columns say how late that is itself:
``bare`` is a `threading.Condition` that waits as long as the deadlines do, in turn with them and in
the same process, and ``others`` an idle process that is woken every 5 ms. What is later than both
is ours. Times are the median and the worst, in ms. Each situation has a process of its own.
"""

import argparse
import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any

import mboxio
from mboxio import AddressError, MailboxError, _build

from .situations import SITUATIONS, serve

DEADLINE_S = 0.2
COUNT = 20
COLUMNS = ("late", "loop", "submit", "answer", "connect", "bare", "others")


def kept() -> tuple[int, int, int]:
    """Return memory in KiB, descriptors and threads of this process."""
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    number = os.sysconf("SC_PAGE_SIZE") // 1024
    return pages * number, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


class Lateness:
    """What is measured of requests, most of which nobody answers.

    Attributes:
        times_s: by column; what was late, or how long it took.
        ends: how requests ended, and how often.
    """

    def __init__(self) -> None:
        self.times_s: dict[str, list[float]] = {column: [] for column in COLUMNS}
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
            self.times_s["submit"].append(time.monotonic() - began_s)
            self.end(error)
            self.waiting(client)
            return
        submitted_s = time.monotonic()
        self.times_s["submit"].append(submitted_s - began_s)
        ended = request.exception()
        took_s = time.monotonic() - submitted_s
        self.end(ended)
        if ended is None:
            self.times_s["answer"].append(took_s)
        else:
            self.times_s["late"].append(max(took_s - DEADLINE_S, 0.0))
        client.resync()  # what it holds would soon be all there is

    def waiting(self, client: mboxio.Client) -> None:
        """Nobody is there to be asked: have one wait for somebody, too."""
        began_s = time.monotonic()
        try:
            client.request(self.question(), timeout_s=DEADLINE_S, queue_timeout_s=DEADLINE_S)
        except MailboxError as error:
            self.end(error)
            self.times_s["late"].append(self.over_s(began_s, error))

    async def loop(self, connection: mboxio.Connection, client: mboxio.Client, count: int) -> None:
        """Let so many await their deadlines, one after the other."""
        async with connection.async_client(client.name) as asking:
            for _ in range(count):
                began_s = time.monotonic()
                try:
                    await asking.request(
                        self.question(), timeout_s=DEADLINE_S, queue_timeout_s=DEADLINE_S
                    )
                    self.end(None)
                except MailboxError as error:
                    self.end(error)
                    self.times_s["loop"].append(self.over_s(began_s, error))
                await asyncio.to_thread(client.resync)

    def bare(self) -> None:
        """Have this thread sleep as long, without mboxio, and note how much longer."""
        condition = threading.Condition()
        with condition:
            began_s = time.monotonic()
            condition.wait(DEADLINE_S)
            self.times_s["bare"].append(time.monotonic() - began_s - DEADLINE_S)

    def over_s(self, began_s: float, error: MailboxError) -> float:
        """Return how long after its limit a request ended.

        One that was handed over may have waited for that until its other limit.
        """
        took_s = time.monotonic() - began_s
        queued = error.handed_over == "no" or error.stage == "queue"
        never_waits = set(self.ends) <= {"RequestTimeout"}
        return max(took_s - (DEADLINE_S if queued or never_waits else 2 * DEADLINE_S), 0.0)

    def end(self, error: BaseException | None) -> None:
        self.ends["answered" if error is None else type(error).__name__] += 1


def fail(message: bytes) -> bytes:
    raise ValueError("no such message")


def measure(name: str, count: int) -> dict[str, Any]:
    """Live through a situation."""
    made = Lateness()
    with ExitStack() as stack:
        address, channel = stack.enter_context(SITUATIONS[name]())
        began_s = time.monotonic()
        with mboxio.connect(address, wait_s=10) as connection:
            made.times_s["connect"].append(time.monotonic() - began_s)
            client = connection.client(channel)
            messages = client.subscribe(limit=16)
            client.on_request(fail if "failing" in name else bytes)
            for _ in range(3):
                made.blocking(client)
            asyncio.run(made.loop(connection, client, 1))
            before = kept()
            for _ in range(count):
                made.blocking(client)
                made.bare()
            asyncio.run(made.loop(connection, client, count))
            after = kept()
            messages.close()
    return {
        "times_s": made.times_s,
        "ends": dict(made.ends),
        "kept": [now - then for now, then in zip(after, before, strict=True)],
    }


def woken_late_s(process: "subprocess.Popen[str]") -> list[float]:
    """Return how late this process was woken for times of 5 ms while another one ran."""
    late_s: list[float] = []
    while process.poll() is None:
        began_s = time.monotonic()
        select.select((), (), (), 0.005)
        late_s.append(time.monotonic() - began_s - 0.005)
    return late_s


def shown(times_s: Sequence[float]) -> str:
    """Return the median and the worst in ms, if there are any."""
    if not times_s:
        return f"{'-':>13}"
    return f"{f'{median(times_s) * 1e3:.1f}/{max(times_s) * 1e3:.1f}':>13}"


def machine() -> str:
    """Return what else the machine has to do."""
    load, _, _ = os.getloadavg()
    return f"{len(os.sched_getaffinity(0))} CPUs, load {load:.1f}"


def told(name: str, count: int) -> str:
    """Have a process live through a situation; return what became of it."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
        one = [sys.executable, "-m", "tests.hostile.deadlines", "--one", name]
        settings = {**os.environ, "MBOXIO_RUNTIME_DIR": os.path.join(folder, "s")}
        with subprocess.Popen(
            [*one, "--count", str(count)], stdout=subprocess.PIPE, text=True, env=settings
        ) as process:
            others_s = woken_late_s(process)
            assert process.stdout is not None
            said = process.stdout.read()
    if code := process.returncode:
        return f"ended with {signal.Signals(-code).name if code < 0 else code}"
    found = json.loads(said)
    if "refused" in found:
        return f"refused: {found['refused']}"
    times_s = {**found["times_s"], "others": others_s}
    ends = ", ".join(f"{count} {end}" for end, count in found["ends"].items())
    kept_text = "/".join(f"{each:+d}" for each in found["kept"])
    return f"{' '.join(shown(times_s[column]) for column in COLUMNS)}  {kept_text}  {ends}"


def tell(names: list[str], count: int) -> None:
    """Print the table."""
    print(f"{_build.name()} build, deadlines of {DEADLINE_S * 1e3:.0f} ms, {count} of each kind")
    print(f"{machine()} at the start; median/worst in ms")
    heads = " ".join(f"{head:>13}" for head in COLUMNS)
    print(f"{'situation':32} {heads}  kept KiB/fds/threads")
    for name in names:
        print(f"{name:32} {told(name, count)}", flush=True)
    print(f"{machine()} at the end")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="situations; left out: all")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--remote", choices=("new", "old"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.remote:
        serve(old=arguments.remote == "old")
    elif arguments.one:
        try:
            print(json.dumps(measure(arguments.one, arguments.count)))
        except AddressError as error:
            print(json.dumps({"refused": str(error)}))
    else:
        tell(arguments.names or list(SITUATIONS), arguments.count)
