"""What a request in flight costs in memory: ``python -m benchmarks.memory`` prints bytes.

The remote stands still, so that everything stays in flight. From depth 32 to 1024 each further
place counts with the request in it: request, handle, window and whatever grows with the depth. The
messages are empty, so they do not count.
"""

import gc
import json
import os
import signal
import tempfile
import tracemalloc

import mboxio
from benchmarks.processes import FIRMWARE, far_side
from benchmarks.setting import Setting
from mboxio._base.request import Owner, Request

DEPTHS = (32, 1024)
SPARE = 1024


def traced(depth: int) -> int:
    """Return the bytes of a connection with ``depth`` requests in flight."""
    kept: list[object] = [None] * depth
    with far_side(Setting("mboxio_shm"), FIRMWARE, "bench", "sleep", 1, depth, 32) as remote:
        gc.collect()
        tracemalloc.start()
        with mboxio.open("shm:bench?timeout_s=60") as client:
            os.kill(remote.pid, signal.SIGSTOP)
            for number in range(depth):
                kept[number] = client.submit(b"")
            gc.collect()
            found, _ = tracemalloc.get_traced_memory()
            kept.clear()
        tracemalloc.stop()
        remote.kill()
    return found


def main() -> None:
    """Measure twice: the first time, modules and caches are filled."""
    # Objects that are recycled would not be counted.
    spare = [Request(Owner(), b"", False, 0) for _ in range(SPARE)]
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        for depth in DEPTHS:
            traced(depth)
        # What has just been used is kept for the next, so it is taken away again.
        few = traced(DEPTHS[0])
        spare += [Request(Owner(), b"", False, 0) for _ in range(SPARE)]
        many = traced(DEPTHS[1])
    print(json.dumps((many - few) / (DEPTHS[1] - DEPTHS[0])))


if __name__ == "__main__":
    main()
