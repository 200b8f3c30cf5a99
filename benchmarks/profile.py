"""Where the instructions of a request go: ``python -m benchmarks.profile`` prints a table.

It counts with valgrind, 32 B and a remote in C that spins. Callgrind writes down what it has
counted whenever the host enters MARK: after each burst. Seconds are no part of it: an instruction
that waits for another CPU counts as any other.

Other load on the machine does not show: bursts are counted one by one, and those in which the
remote was kept from its CPU are dropped, since instructions of waiting multiply what they take. In
the others each reply is there at one of the first looks, as valgrind slows the host down and not
the remote; where several are in flight, the host sleeps until they are there. What a burst of
nothing costs is subtracted. Left out is what comes once in many bursts, the random bits for 256
handles: some 4 instructions of each request.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import mboxio
from benchmarks.callgrind import by_object, by_part, valgrind
from benchmarks.peers.mboxio_shm import address, far
from benchmarks.processes import build_c
from benchmarks.setting import ROOT, Setting

IN_FLIGHT = 32
BURSTS = 60
WARM_UP = 10
WAITED = 1.5
"""How many times the instructions of the shortest burst one has that had to wait, at least."""
MARK = "getpgrp"
"""A function of the C library that nothing else calls; `os` has it, too."""
SLEEP_S = 0.01
"""Until the remote has answered a burst, also on a machine that is busy."""
OBJECTS = {
    "interpreter": r"libpython|bin/python",
    "verbs": r"mboxio/client",
    "requests and queues": r"mboxio/(_base/(re|comp)|_queue|_host|driver|_pump)",
    "driver and ring": r"mboxio/(controllers|ring)",
    "lock and clock": r"_base/|vdso|\[vdso\]",
    "C library": r"libc[.-]|libpthread|ld-linux",
}


def submit_and_result(client: Any, bursts: int) -> Iterator[None]:
    """Have 32 in flight, then take their results."""
    verbs = [client.submit] * IN_FLIGHT
    message = bytes(32)
    for _ in range(bursts):
        requests = [submit(message) for submit in verbs]
        time.sleep(SLEEP_S)
        for request in requests:
            request.result()
        yield


def mapped(client: Any, bursts: int) -> Iterator[None]:
    """Have 32 in flight at most, of as many messages."""
    messages = [bytes(32)] * (IN_FLIGHT * (bursts + 1))  # the last burst sends, too
    replies = client.map(messages, window=IN_FLIGHT)
    for _ in range(bursts):
        for _ in range(2):  # it sends when half of the window is free
            for _ in islice(replies, IN_FLIGHT // 2):
                pass
            time.sleep(SLEEP_S)
        yield


def one_at_a_time(client: Any, bursts: int) -> Iterator[None]:
    """Wait for each."""
    verbs = [client.request] * IN_FLIGHT
    message = bytes(32)
    for _ in range(bursts):
        for request in verbs:
            request(message)
        yield


def nothing(client: Any, bursts: int) -> Iterator[None]:
    """What the others do besides."""
    for _ in range(bursts):
        yield


def asleep(client: Any, bursts: int) -> Iterator[None]:
    """The same, and a sleep."""
    for _ in range(bursts):
        time.sleep(SLEEP_S)
        yield


Run = Callable[[Any, int], Iterator[None]]
CASES: dict[str, tuple[Run, int]] = {
    "submit + result, 32 in flight": (submit_and_result, 1),
    "map, window 32": (mapped, 2),
    "request, 1 in flight": (one_at_a_time, 0),
}
"""What is counted, and how often it sleeps in a burst."""
BESIDES = (nothing, asleep)
RUNS: dict[str, Run] = {
    each.__name__: each for each in (*BESIDES, *(run for run, _ in CASES.values()))
}


def host(runs: list[str], bursts: int) -> None:
    """Send bursts in each way, with a mark after each of them."""
    cpus = sorted(os.sched_getaffinity(0))
    setting = Setting("mboxio_shm", "spin", "c", in_flight=IN_FLIGHT, cpus=(cpus[-1], cpus[-2]))
    os.sched_setaffinity(0, {setting.cpus[0]})
    mark = getattr(os, MARK)
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        with far(setting, where), mboxio.open(address(setting)) as client:
            for run in runs:
                for _ in RUNS[run](client, WARM_UP + bursts):
                    mark()


def counted(program: str, runs: list[str], bursts: int) -> list[Counter[str]]:
    """Return the instructions of a burst in each way, in each shared object."""
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
        # Each mark wrote down what was counted since the one before.
        written = (
            by_object(file.with_suffix(f".out.{number}").read_text())
            for number in range(1, len(runs) * (WARM_UP + bursts) + 1)
        )
        return [usual(list(islice(written, WARM_UP + bursts))[WARM_UP:]) for _ in runs]


def usual(bursts: list[Counter[str]]) -> Counter[str]:
    """Return the median of the bursts that did not have to wait."""
    ordered = sorted(bursts, key=Counter.total)
    most = WAITED * ordered[0].total()
    clean = [burst for burst in ordered if burst.total() <= most]
    return clean[(len(clean) - 1) // 2]


def parts(
    program: str, cases: tuple[str, ...] = tuple(CASES), bursts: int = BURSTS
) -> dict[str, dict[str, float]]:
    """Return the instructions of a request by where they are, for each case.

    Args:
        program: valgrind.
        cases: of `CASES`.
        bursts: of which a usual one is taken, in each case.
    """
    names = [each.__name__ for each in (*BESIDES, *(CASES[case][0] for case in cases))]
    idle, sleep, *runs = counted(program, names, bursts)
    sleep.subtract(idle)
    found: dict[str, dict[str, float]] = {}
    for case, run in zip(cases, runs, strict=True):
        run.subtract(idle)
        for _ in range(CASES[case][1]):
            run.subtract(sleep)
        found[case] = by_part(run, OBJECTS, IN_FLIGHT)
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
