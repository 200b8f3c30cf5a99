"""What many requests in flight bring on ACPM, and what ACPM costs over shm.

Two figures, measured in one run, each with the remote in a process of its own:

* gain: throughput at 16 in flight against a remote that takes 200 µs per message with 16 workers,
  divided by that of one at a time; at least 12.
* cost: time per request of ACPM divided by that of shm, 32 bytes, against remotes that echo;
  at most 2.

Runs of the things compared alternate, and medians are compared. ``--json`` prints all of it.
"""

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import mboxio
from mboxio import _build
from mboxio.cli.commands.bench import measure  # type: ignore[attr-defined]

GAIN_MIN, COST_MAX = 12.0, 2.0
SIZE_BYTES = 32
DEPTH = 16
REMOTES = {
    "slow": """
from mboxio.remote.acpm import AcpmRemote
remote = AcpmRemote("peer:slow")
for polled in (False, True):
    remote.channel(slots=65, slot_bytes=32, polled=polled, latency_s=200e-6, workers=16)
""",
    "acpm": """
from mboxio.remote.acpm import AcpmRemote
remote = AcpmRemote("peer:acpm")
remote.channel(slots=65, slot_bytes=32)
remote.channel(slots=65, slot_bytes=32, polled=True)
""",
    "shm": """
from mboxio.remote import Remote
remote = Remote("shm")
remote.channel("0", depth=64, message_bytes=32)
remote.handler("0")(bytes)
""",
}
SERVE = """
import sys
with remote:
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def serving(name: str) -> Iterator[None]:
    """Have a remote in a process of its own."""
    command = [sys.executable, "-c", REMOTES[name] + SERVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 20)[0], "the remote does not come up"
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def rate(client: mboxio.Client, in_flight: int, seconds: float) -> float:
    """Return requests per second."""
    return measure(client, in_flight, bytes(SIZE_BYTES), seconds).requests_per_s


def gain(channel: int, runs: int, seconds: float) -> dict[str, float]:
    """Measure one at a time and 16 in flight, in turn."""
    with serving("slow"), mboxio.connect("acpm:?at=peer:slow") as connection:
        client = connection.client(channel)
        rate(client, DEPTH, seconds / 4)
        found = [(rate(client, 1, seconds), rate(client, DEPTH, seconds)) for _ in range(runs)]
        stats = connection.stats()[str(channel)]
        assert not stats.held_tags, stats
        assert not stats.unknown, stats
    one, many = (median(each) for each in zip(*found, strict=True))
    return {
        "one_at_a_time_per_s": round(one),
        "16_in_flight_per_s": round(many),
        "gain": round(median(more / less for less, more in found), 2),
    }


def cost(channel: int, in_flight: int, runs: int, seconds: float) -> dict[str, float]:
    """Measure ACPM and shm in turn."""
    with (
        serving("shm"),
        serving("acpm"),
        mboxio.connect("acpm:?at=peer:acpm") as acpm,
        mboxio.connect("shm:shm") as shm,
    ):
        theirs, ours = shm.client("0"), acpm.client(channel)
        for client in (theirs, ours):
            rate(client, in_flight, seconds / 4)
        found = [
            (rate(theirs, in_flight, seconds), rate(ours, in_flight, seconds)) for _ in range(runs)
        ]
    return {
        "shm_us": round(1e6 / median(each for each, _ in found), 2),
        "acpm_us": round(1e6 / median(each for _, each in found), 2),
        "cost": round(median(base / with_acpm for base, with_acpm in found), 2),
    }


def main() -> None:
    """Measure everything and say whether it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each run")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    runs, seconds = options.runs, options.seconds
    with tempfile.TemporaryDirectory(prefix="mboxio-") as folder:
        os.environ["MBOXIO_RUNTIME_DIR"] = folder
        found = {
            "gain, with interrupts": gain(0, runs, seconds),
            "gain, polled": gain(1, runs, seconds),
            "cost, 1 in flight": cost(0, 1, runs, seconds),
            "cost, 16 in flight": cost(0, DEPTH, runs, seconds),
        }
    enough = {
        name: figures["gain"] >= GAIN_MIN if "gain" in figures else figures["cost"] <= COST_MAX
        for name, figures in found.items()
    }
    if options.json:
        print(json.dumps({"build": _build.describe(), "found": found, "enough": enough}))
        return
    print(_build.describe())
    for name, figures in found.items():
        told = ", ".join(f"{key} {value:,}" for key, value in figures.items())
        print(f"{name:<24}{told}{'' if enough[name] else '   NOT ENOUGH'}")


if __name__ == "__main__":
    main()
