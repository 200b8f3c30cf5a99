"""What the steps of a request cost: ``python -m benchmarks.steps`` prints nanoseconds as JSON.

First in C, then in Python, and at last the two halves of a request of mboxio, with a spinning
remote in C and 32 in flight.
"""

import json
import os
import subprocess
import tempfile
import threading
import timeit
from statistics import median
from time import monotonic_ns, perf_counter_ns

import mboxio
from benchmarks.peers.mboxio_shm import address, far
from benchmarks.processes import STEPS
from benchmarks.setting import Setting

TIMES = 200_000
IN_FLIGHT = 32
BURSTS = 500
ROUNDS = 7


def in_python() -> dict[str, float]:
    """Return what the usual means of Python cost."""
    lock = threading.Lock()

    def with_lock() -> None:
        with lock:
            pass

    def nothing() -> None:
        pass

    makers = [b"".__iter__] * IN_FLIGHT

    def burst() -> None:
        for each in [make() for make in makers]:
            each.__length_hint__()  # type: ignore[attr-defined]

    def once_ns(step: object) -> float:
        return min(timeit.repeat(step, number=TIMES, repeat=5)) * 1e9 / TIMES  # type: ignore[arg-type]

    call_ns = once_ns(nothing)
    return {
        "call a function": call_ns,
        "take and leave a lock": once_ns(with_lock) - call_ns,
        "look at the clock": once_ns(monotonic_ns),
        "make an object and ask it, in the loops of a burst": once_ns(burst) / IN_FLIGHT,
    }


def halves(setting: Setting) -> dict[str, float]:
    """Return what submitting a request and taking its result cost."""
    message, numbers = bytes(setting.size_bytes), range(setting.in_flight)
    submits: list[float] = []
    results: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where,
        far(setting, where),
        mboxio.open(address(setting)) as client,
    ):
        submit = client.submit
        for _ in range(ROUNDS):
            submitting_ns = taking_ns = 0
            for _ in range(BURSTS):
                began_ns = perf_counter_ns()
                requests = [submit(message) for _ in numbers]
                submitted_ns = perf_counter_ns()
                for request in requests:
                    request.result()
                taking_ns += perf_counter_ns() - submitted_ns
                submitting_ns += submitted_ns - began_ns
            submits.append(submitting_ns / BURSTS / setting.in_flight)
            results.append(taking_ns / BURSTS / setting.in_flight)
    return {"submit": median(submits), "result": median(results)}


def main() -> None:
    """Measure on the CPU of the host."""
    cpus = sorted(os.sched_getaffinity(0))
    setting = Setting("mboxio_shm", "spin", "c", in_flight=32, cpus=(cpus[-1], cpus[-2]))
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        os.sched_setaffinity(0, {setting.cpus[0]})
        shown = subprocess.run([str(STEPS)], check=True, stdout=subprocess.PIPE)
        found = {f"C: {name}": spent for name, spent in json.loads(shown.stdout).items()}
        found |= {f"Python: {name}": spent for name, spent in in_python().items()}
        found |= {f"mboxio: {name}": spent for name, spent in halves(setting).items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
