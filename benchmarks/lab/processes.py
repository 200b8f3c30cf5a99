"""A remote, a gateway and their like in processes of their own, and what those have cost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["BOARD", "Started", "cpu_s", "end", "gateway", "remote", "started", "tell", "told"]

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
        end(process)


def end(process: Started) -> None:
    """Kill it, and let go of its pipes."""
    process.kill()
    process.communicate()


def start(*command: Any) -> Started:
    """Run a Python with these arguments, and wait until it has said a line."""
    words = [sys.executable, *map(str, command)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if not told(process):
        raise RuntimeError(f"it did not start: {' '.join(words)}")
    return process


def tell(process: Started, line: str) -> None:
    """Give it a line."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()


def told(process: Started) -> str:
    """Wait for its next line."""
    assert process.stdout is not None
    return process.stdout.readline().decode()


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
