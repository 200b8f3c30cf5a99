"""A remote, a gateway and their like in processes of their own, and what those have cost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["BOARD", "Started", "cpu_s", "gateway", "remote", "started"]

BOARD = "board"
"""What the gateway calls the mailbox."""
REMOTE = """
import sys
from mboxio.remote import Remote
remote = Remote(sys.argv[1])
for each in sys.argv[2:]:
    remote.channel(each, depth=64, message_bytes=256)
    remote.handler(each)(lambda message: message[::-1])
with remote:
    print("ready", flush=True)
    sys.stdin.read()
"""

Started = subprocess.Popen[bytes]


@contextmanager
def started(*command: Any) -> Iterator[Started]:
    """Run a Python with these arguments until the block ends; it has said a line by then."""
    process = start(*command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start(*command: Any) -> Started:
    """Run a Python with these arguments, and wait until it has said a line."""
    words = [sys.executable, *map(str, command)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    if not process.stdout.readline():
        raise RuntimeError(f"it did not start: {' '.join(words)}")
    return process


def remote(name: str, *channels: str) -> Any:
    """Run the remote of ``shm:NAME``."""
    return started("-c", REMOTE, name, *channels)


def gateway(*addresses: str, names: tuple[str, ...] = (BOARD,)) -> Started:
    """Start ``mboxio gateway``."""
    called = [part for name in names for part in ("--as", name)]
    user = ("--user", "root") if os.geteuid() == 0 else ()
    return start("-m", "mboxio", "gateway", *addresses, *called, *user)


def cpu_s(pid: int) -> float:
    """Return how much time of a CPU a process has had, in seconds."""
    total = 0
    for each in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{each}/schedstat") as file:
                total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread that has ended
    return total / 1e9
