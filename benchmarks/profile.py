"""Where the instructions of a request go: ``python -m benchmarks.profile`` prints a table.

It counts with valgrind, 32 B and a remote in C that spins. Callgrind writes down what it has
counted whenever the host enters MARK, so that only what is between two marks is left, after each
way has run for a moment. Seconds are no part of it: an instruction that waits for another CPU
counts as any other. The host sleeps until its replies are there, and what that costs is
subtracted, so that other load on the machine does not show; only ``request`` waits for itself,
and wants a CPU that is free.
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
BURSTS = 200
WARM_UP = 10
MARK = "getpgrp"
"""A function of the C library that nothing else calls; `os` has it, too."""
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


def host(runs: list[str], bursts: int) -> None:
    """Send bursts in each way, between two marks."""
    cpus = sorted(os.sched_getaffinity(0))
    setting = Setting("mboxio_shm", "spin", "c", in_flight=IN_FLIGHT, cpus=(cpus[-1], cpus[-2]))
    os.sched_setaffinity(0, {setting.cpus[0]})
    mark = getattr(os, MARK)
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        with far(setting, where), mboxio.open(address(setting)) as client:
            for run in runs:
                RUNS[run](client, WARM_UP)
                mark()
                RUNS[run](client, bursts)
                mark()


def counted(program: str, runs: list[str], bursts: int) -> dict[str, Counter[str]]:
    """Return the instructions of each way in each shared object."""
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        file = Path(where, "callgrind.out")
        tool = (program, "--tool=callgrind", f"--dump-before={MARK}")
        command = (sys.executable, "-m", "benchmarks.profile", str(bursts), *runs)
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(
            [*tool, f"--callgrind-out-file={file}", *command],
            cwd=ROOT,
            env=environment,
            check=True,
            stderr=subprocess.DEVNULL,
        )
        # What was counted up to each mark: before a way, in it, before the next one ...
        return {
            run: by_object(file.with_suffix(f".out.{2 * index + 2}").read_text())
            for index, run in enumerate(runs)
        }


def parts(
    program: str, cases: tuple[str, ...] = tuple(CASES), bursts: int = BURSTS
) -> dict[str, dict[str, float]]:
    """Return the instructions of a request by where they are, for each case."""
    runs = [CASES[case][0].__name__ for case in cases]
    counts = counted(program, [only_sleep.__name__, *runs], bursts)
    found: dict[str, dict[str, float]] = {}
    for case, run in zip(cases, runs, strict=True):
        _, sleeps = CASES[case]
        for name, count in counts[only_sleep.__name__].items():
            counts[run][name] -= sleeps * count
        found[case] = by_part(counts[run], OBJECTS, IN_FLIGHT * bursts)
    return found


def main() -> None:
    """Print the parts as JSON."""
    build_c()
    print(json.dumps(parts(valgrind()), indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        host(sys.argv[2:], int(sys.argv[1]))
    else:
        main()
