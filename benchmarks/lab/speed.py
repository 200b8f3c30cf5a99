"""Requests through near core, gRPC, far core and a shared-memory remote, beside a bare stream."""

import os
import tempfile
from collections import deque
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

import mboxio
from benchmarks.lab.bare import Bare
from benchmarks.lab.processes import BOARD, cpu_s, end, gateway, remote, started
from mboxio.far.hosts import SOCKET

__all__ = ["main"]

SIZE_BYTES = 32
ROUNDS = 25
ROUND_S = 0.1
MESSAGE = bytes(SIZE_BYTES)


def ask(client: mboxio.Client, in_flight: int, count: int) -> None:
    """Make so many requests, each window's oldest awaited before the next is sent."""
    if in_flight == 1:
        for _ in range(count):
            client.request(MESSAGE)
        return
    line: deque[mboxio.Request[bytes]] = deque()
    for _ in range(count):
        if len(line) == in_flight:
            line.popleft().result()
        line.append(client.submit(MESSAGE))
    for each in line:
        each.result()


def rounds(ways: dict[str, Callable[[int], object]]) -> dict[str, list[float]]:
    """Return the time of a request in µs, in each of the rounds that take turns, best first."""
    counts: dict[str, int] = {}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for name, run in ways.items():
        began_s = perf_counter()
        run(200)
        counts[name] = max(200, int(ROUND_S / (perf_counter() - began_s) * 200))
    for _ in range(ROUNDS):
        for name, run in ways.items():
            began_s = perf_counter()
            run(counts[name])
            found[name].append((perf_counter() - began_s) * 1e6 / counts[name])
    return {name: sorted(times_us) for name, times_us in found.items()}


def main() -> None:
    """Print what 1 and 32 in flight cost."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
        os.environ["MBOXIO_RUNTIME_DIR"] = folder
        plain = os.path.join(folder, "bare.sock")
        with remote("bench", "a") as board, started("-m", "benchmarks.lab.bare", plain) as echo:
            serving = gateway("shm:bench")
            try:
                report(folder, plain, {"remote": board.pid, "gateway": serving.pid}, echo.pid)
            finally:
                end(serving)


def report(folder: str, plain: str, pids: dict[str, int], echo: int) -> None:
    """Measure and print."""
    address = f"grpc+unix:{folder}/{SOCKET}/{BOARD}/a?timeout_s=20"
    with mboxio.open(address) as client:
        for in_flight in (1, 32):
            bare = Bare(plain, in_flight, SIZE_BYTES)
            ways: dict[str, Callable[[int], object]] = {
                "mailbox": partial(ask, client, in_flight),
                "bare": bare.run,
            }
            found = rounds(ways)
            typical = {name: median(times_us) for name, times_us in found.items()}
            print(
                f"{in_flight} in flight: {typical['mailbox']:.1f} µs a request"
                f" ({1e6 / typical['mailbox']:,.0f}/s), the bare stream {typical['bare']:.1f} µs"
                f" ({1e6 / typical['bare']:,.0f}/s): {typical['mailbox'] / typical['bare']:.2f} x"
            )
            for name, times_us in found.items():
                print(f"  {name}: from {times_us[0]:.1f} to {times_us[-1]:.1f} µs")
            costs = {**pids, "user": os.getpid()}
            before = {name: cpu_s(pid) for name, pid in costs.items()}
            ask(client, in_flight, 5000)
            shown = {name: (cpu_s(pid) - before[name]) * 1e6 / 5000 for name, pid in costs.items()}
            print("  CPU of a request:", ", ".join(f"{n} {us:.1f} µs" for n, us in shown.items()))
            before_s = cpu_s(echo), cpu_s(os.getpid())
            bare.run(5000)
            far, near = cpu_s(echo) - before_s[0], cpu_s(os.getpid()) - before_s[1]
            print(f"  of the bare stream: far {far * 200:.1f} µs, near {near * 200:.1f} µs")
            bare.close()


if __name__ == "__main__":
    main()
