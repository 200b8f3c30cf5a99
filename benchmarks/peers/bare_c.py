"""The limit: C on both sides of the same rings, spinning, and nothing else. See `limit.c`."""

import json
import os
import subprocess

from benchmarks.processes import LIMIT
from benchmarks.setting import Setting


def near(setting: Setting, where: str) -> list[float]:
    """Measure; the program pins itself and its far side."""
    os.sched_setaffinity(0, setting.cpus)
    numbers = (*setting.cpus, setting.size_bytes, setting.in_flight)
    arguments = map(str, (*numbers, setting.rounds, setting.round_s))
    shown = subprocess.run([str(LIMIT), *arguments], check=True, stdout=subprocess.PIPE)
    found: list[float] = json.loads(shown.stdout)
    return found
