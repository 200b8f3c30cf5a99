"""One measurement in a process of its own: ``python -m benchmarks.cell SETTING``.

It is pinned to the host's CPU and prints what it found as JSON.
"""

import json
import os
import sys
import tempfile
from importlib import import_module

from benchmarks.setting import Setting


def main(text: str) -> None:
    """Measure."""
    setting = Setting.from_json(text)
    # Imported with all CPUs: on a single one, mboxio does not spin.
    peer = import_module(f"benchmarks.peers.{setting.peer}")
    with tempfile.TemporaryDirectory(prefix="mboxio-bench-") as where:
        os.environ["MBOXIO_RUNTIME_DIR"] = os.path.join(where, "run")
        os.sched_setaffinity(0, {setting.cpus[0]})
        print(json.dumps(peer.near(setting, where)))


if __name__ == "__main__":
    main(sys.argv[1])
