"""Where the instructions of a request go: ``python -m benchmarks.profile`` prints a table.

It counts with valgrind, 32 B and a remote in C that spins. The host runs twice with different
numbers of requests, so that only what each request costs is left. Seconds are no part of it: an
instruction that waits for another CPU counts as any other. The host sleeps until its replies are
there, and what that costs is subtracted, so that other load on the machine does not show; only
``request`` waits for itself, and wants a CPU that is free.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import mboxio
from benchmarks.callgrind import by_object, by_part, valgrind
from benchmarks.peers.mboxio_shm import address, far
from benchmarks.processes import build_c
from benchmarks.setting import ROOT, Setting

IN_FLIGHT = 32
BURSTS = (100, 300)
SLEEP_S = 0.02
"""Until the remote has answered a burst, also on a machine that is busy."""
OBJECTS = {
    "interpreter": r"libpython|bin/python",
    "verbs": r"mboxio/client",
    "requests and queues": r"mboxio/(_base/(re|comp)|_queue|_host|driver|_pump)",
    "driver and ring": r"mboxio/(controllers|ring)",
    "lock and clock": r"_base/|vdso|\[vdso\]",
    "C library": r"libc[.-]|libpthread|ld-linux",
}


def submit_and_result(client: Any, bursts: int) -> None:
    """Have 32 in flight, then take their results."""
    verbs = [client.submit] * IN_FLIGHT
    message = bytes(32)
    for _ in range(bursts):
        requests = [submit(message) for submit in verbs]
        time.sleep(SLEEP_S)
        for request in requests:
            request.result()


def mapped(client: Any, bursts: int) -> None:
    """Have 32 in flight at most, of as many messages."""
    messages = [bytes(32)] * (IN_FLIGHT * bursts)
    replies = client.map(messages, window=IN_FLIGHT)
    for _ in range(2 * bursts):  # it sends when half of the window is free
        for _ in islice(replies, IN_FLIGHT // 2):
            pass
        time.sleep(SLEEP_S)


def one_at_a_time(client: Any, bursts: int) -> None:
    """Wait for each."""
    message = bytes(32)
    for request in [client.request] * (IN_FLIGHT * bursts):
        request(message)


def only_sleep(client: Any, bursts: int) -> None:
    """What the others do besides."""
    for _ in range(bursts):
        time.sleep(SLEEP_S)


CASES: dict[str, tuple[Callable[[Any, int], None], int]] = {
    "submit + result, 32 in flight": (submit_and_result, 1),
    "map, window 32": (mapped, 2),
    "request, 1 in flight": (one_at_a_time, 0),
}
"""What is counted, and how often it sleeps in a burst."""
RUNS: dict[str, Callable[[Any, int], None]] = {
    **{each.__name__: each for each, _ in CASES.values()},
    "only_sleep": only_sleep,
}


def host(run: str, bursts: int) -> None:
    """Send bursts, and nothing else."""
    cpus = sorted(os.sched_getaffinity(0))
    setting = Setting("mboxio_shm", "spin", "c", in_flight=IN_FLIGHT, cpus=(cpus[-1], cpus[-2]))
    os.sched_setaffinity(0, {setting.cpus[0]})
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        with far(setting, where), mboxio.open(address(setting)) as client:
            RUNS[run](client, bursts)


def counted(program: str, run: str, bursts: int) -> Counter[str]:
    """Return the instructions in each shared object."""
    with tempfile.NamedTemporaryFile(prefix="mboxio-bench-") as file:
        tool = (program, "--tool=callgrind", f"--callgrind-out-file={file.name}")
        command = (sys.executable, "-m", "benchmarks.profile", run, str(bursts))
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(
            [*tool, *command], cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL
        )
        return by_object(Path(file.name).read_text())


def more(program: str, run: str) -> Counter[str]:
    """Return by how many instructions the longer run exceeds the shorter one."""
    few, many = (counted(program, run, bursts) for bursts in BURSTS)
    many.subtract(few)
    return many


def parts(program: str, cases: tuple[str, ...] = tuple(CASES)) -> dict[str, dict[str, float]]:
    """Return the instructions of a request by where they are, for each case."""
    sleep = more(program, "only_sleep")
    found: dict[str, dict[str, float]] = {}
    for case in cases:
        run, sleeps = CASES[case]
        costs = more(program, run.__name__)
        costs.subtract({name: sleeps * count for name, count in sleep.items()})
        found[case] = by_part(costs, OBJECTS, IN_FLIGHT * (BURSTS[1] - BURSTS[0]))
    return found


def main() -> None:
    """Print the parts as JSON."""
    build_c()
    print(json.dumps(parts(valgrind()), indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        host(sys.argv[1], int(sys.argv[2]))
    else:
        main()
