"""How many users share a gateway, and its memory: ``python -m benchmarks.lab.sharing``.

Each user is a process that keeps some requests in flight, and checks every reply.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from statistics import mean, median

from benchmarks.lab.processes import Started, cpu_s, end, gateway, start, started, tell, told
from mboxio import _build
from mboxio.far.engine import ATTACH, EXPORT, SERVICE, engine, options
from mboxio.far.frames import OPEN, pack
from mboxio.far.hosts import SOCKET

__all__ = ["Shared", "deaf", "main", "share"]

USERS, BOARDS, IN_FLIGHT, GREEDY = 50, 4, 8, 64
DURATION_S = 10.0
PASSES = 3
PAGES = os.sysconf("SC_PAGE_SIZE")
NOTES, NOTE_BYTES = 50_000, 4096

USER = """
import json, sys, time
from collections import deque
import mboxio
address, in_flight = sys.argv[1], int(sys.argv[2])
line, done, wrong, longest_s, number = deque(), 0, 0, 0.0, 0
limits = {"timeout_s": 60.0, "queue_timeout_s": 60.0, "backlog": in_flight}
with mboxio.open(address, **limits) as client:
    client.request(b"first")
    print("ready", flush=True)
    begin_s, end_s = json.loads(sys.stdin.readline())
    time.sleep(max(begin_s - time.monotonic(), 0))
    while (now_s := time.monotonic()) < end_s:
        while len(line) < in_flight:
            message = b"%s %d" % (address[-8:].encode(), number)
            line.append((message, now_s, client.submit(message)))
            number += 1
        message, asked_s, request = line.popleft()
        wrong += request.result() != message[::-1]
        longest_s = max(longest_s, time.monotonic() - asked_s)
        done += 1
    for message, asked_s, request in line:
        wrong += request.result() != message[::-1]
print(json.dumps([done, wrong, longest_s]), flush=True)
"""
REMOTE = """
import sys, threading, time
from mboxio.remote import Remote
remote = Remote(sys.argv[1])
remote.channel("a", depth=64, message_bytes=256)
remote.handler("a")(lambda message: message[::-1])
remote.channel("news", depth=64, message_bytes=4096)
remote.handler("news")(lambda message: b"")
with remote:
    print("ready", flush=True)
    for line in sys.stdin:
        sent = 0
        while sent < int(line):
            if remote.notify("news", bytes(4096)):
                sent += 1
            else:
                time.sleep(0.0002)
        print("sent", flush=True)
"""


@dataclass
class Shared:
    """How users fared.

    Args:
        done: requests of each.
        wrong: replies of another, of all.
        longest_s: of any request of each.
        cpu: share of a CPU that the gateway took.
        memory: of the gateway in bytes, before, with all users, and without them again.
    """

    done: list[int]
    wrong: int
    longest_s: list[float]
    cpu: float
    memory: tuple[int, int, int]


@contextmanager
def lab(boards: int) -> Iterator[tuple[str, Started, list[Started]]]:
    """Have boards behind a gateway; yields the way to it, its process and the remotes."""
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder, ExitStack() as stack:
        before = os.environ.get("MBOXIO_RUNTIME_DIR")
        os.environ["MBOXIO_RUNTIME_DIR"] = folder
        try:
            names = tuple(f"board{number}" for number in range(boards))
            remotes = [stack.enter_context(started("-c", REMOTE, name)) for name in names]
            serving = gateway(*(f"shm:{name}" for name in names), names=names)
            stack.callback(end, serving)
            yield f"{folder}/{SOCKET}", serving, remotes
        finally:
            if before is None:
                del os.environ["MBOXIO_RUNTIME_DIR"]
            else:
                os.environ["MBOXIO_RUNTIME_DIR"] = before


def memory_of(pid: int) -> int:
    """Return the memory that a process has, in bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * PAGES


def share(in_flight: Sequence[int], boards: int, duration_s: float) -> Shared:
    """Let users share a gateway.

    Args:
        in_flight: of each user; they take the boards in turn.
        boards: how many there are.
        duration_s: how long.
    """
    with lab(boards) as (socket, serving, _):
        before = memory_of(serving.pid)
        ways = [f"grpc+unix:{socket}/board{number % boards}/a" for number in range(len(in_flight))]
        with ThreadPoolExecutor() as starting:
            begun = [
                starting.submit(start, "-c", USER, *each)
                for each in zip(ways, in_flight, strict=True)
            ]
        try:
            users = [each.result() for each in begun]
            used_s, begin_s = cpu_s(serving.pid), time.monotonic() + 1.0
            for each in users:
                tell(each, json.dumps([begin_s, begin_s + duration_s]))
            time.sleep(max(begin_s + duration_s - time.monotonic(), 0.0))
            used_s, during = cpu_s(serving.pid) - used_s, memory_of(serving.pid)
            found = [json.loads(told(each)) for each in users]
            for each in users:
                each.wait()
        finally:
            for one in begun:
                if one.exception() is None:
                    end(one.result())
        after = memory_of(serving.pid)
    done, wrong, longest_s = (list(each) for each in zip(*found, strict=True))
    return Shared(done, sum(wrong), longest_s, used_s / duration_s, (before, during, after))


def deaf(count: int) -> tuple[int, int]:
    """Let a user open a channel and never read while so many messages of 4 KiB come for him.

    Returns:
        The memory of the gateway before, and the most that it had then, in bytes.
    """
    grpc = engine()
    with lab(1) as (socket, serving, (board,)):
        out: SimpleQueue[bytes | None] = SimpleQueue()
        out.put(pack(OPEN, 1))  # news, after a
        with grpc.insecure_channel(f"unix:{socket}", options=options(2.0)) as channel:
            call = channel.stream_stream(f"/{SERVICE}/{ATTACH}")(
                iter(out.get, None), metadata=((EXPORT, "board0"),)
            )
            try:
                time.sleep(1.0)
                before = most = memory_of(serving.pid)
                for _ in range(10):
                    tell(board, f"{count // 10}")
                    told(board)
                    most = max(most, memory_of(serving.pid))
            finally:
                out.put(None)
                call.cancel()
    return before, most


def main() -> None:
    """Print how users fare that ask alike, and with one who asks more than others."""
    print(f"{_build.name()} build, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for title, in_flight in (
        (f"{USERS} users with {IN_FLIGHT} in flight", [IN_FLIGHT] * USERS),
        (f"one with {GREEDY}, {USERS - 1} with 1", [GREEDY] + [1] * (USERS - 1)),
    ):
        for _ in range(PASSES):
            report(f"{title}, {BOARDS} boards", share(in_flight, BOARDS, DURATION_S))
    before, most = deaf(NOTES)
    print(f"a user who never reads, {NOTES} messages of {NOTE_BYTES} bytes: {mebibytes(before)}")
    print(f"  before, {mebibytes(most)} at most; load {os.getloadavg()[0]:.1f} at the end")


def mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.0f} MiB"


def report(title: str, found: Shared) -> None:
    """Print how users fared."""
    usual, (before, during, after) = mean(found.done), found.memory
    longest_ms = [each_s * 1e3 for each_s in found.longest_s]
    print(f"{title}: {sum(found.done) / DURATION_S:,.0f} requests/s, {found.wrong} wrong replies;")
    print(
        f"  a user {usual:,.0f}: from {min(found.done) / usual - 1:+.0%} to"
        f" {max(found.done) / usual - 1:+.0%}; the first {found.done[0]:,};"
        f" longest request {median(longest_ms):.0f} ms (median of users), {max(longest_ms):.0f} ms"
    )
    print(
        f"  gateway: {found.cpu:.0%} of a CPU; {mebibytes(before)} before, {mebibytes(during)} with"
        f" them, {mebibytes(after)} after"
    )


if __name__ == "__main__":
    main()
