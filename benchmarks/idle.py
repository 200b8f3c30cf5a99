"""What waiting costs: ``python -m benchmarks.idle`` prints CPU time and context switches as JSON.

A client that was used once, with a subscription, and its remote do nothing for some seconds.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import mboxio
from benchmarks.peers.mboxio_shm import far
from benchmarks.setting import Setting

IDLE_S = 5.0


class Usage(NamedTuple):
    """Of all threads of a process."""

    cpu_ms: float
    switches: int


def usage(pid: int) -> Usage:
    """Return what a process has used until now."""
    cpu_ns = switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu_ns += int((task / "schedstat").read_text().split()[0])
        for line in (task / "status").read_text().splitlines():
            if line.partition(":")[0].endswith("ctxt_switches"):
                switches += int(line.split()[1])
    return Usage(cpu_ns / 1e6, switches)


def idle(remote: str) -> dict[str, Usage]:
    """Return what host and remote use while nothing happens."""
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        setting = Setting("mboxio_shm", way="sleep", remote=remote)
        with (
            far(setting, where) as process,
            mboxio.open("shm:bench") as client,
            client.subscribe(),
        ):
            client.request(b"once")
            time.sleep(0.5)
            pids = {"host": os.getpid(), "remote": process.pid}
            before = {side: usage(pid) for side, pid in pids.items()}
            time.sleep(IDLE_S)
            after = {side: usage(pid) for side, pid in pids.items()}
    return {
        side: Usage(
            after[side].cpu_ms - before[side].cpu_ms, after[side].switches - before[side].switches
        )
        for side in pids
    }


def main() -> None:
    """Measure with both kinds of remote."""
    print(json.dumps({f"{remote} remote": idle(remote) for remote in ("c", "python")}))


if __name__ == "__main__":
    main()
