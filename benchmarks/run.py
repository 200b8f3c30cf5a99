"""Running measurements, each in a process of its own, and keeping what they found."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from benchmarks.setting import BUILD, ROOT, Setting

__all__ = ["Found", "measure_all", "python"]

CELL_S = 60
"""How long one measurement may take; one that hangs must not stop the others."""


@dataclass
class Found:
    """What was found for one setting; times of a request in µs.

    Args:
        setting: what was measured.
        passes_us: the rounds of each pass.
        error: why there is nothing.
    """

    setting: Setting
    passes_us: list[list[float]] = field(default_factory=list[list[float]])
    error: str = ""

    @property
    def rounds_us(self) -> list[float]:
        """The rounds of all passes."""
        return [each for rounds_us in self.passes_us for each in rounds_us]

    @property
    def median_us(self) -> float:
        """The median of all rounds."""
        return median(self.rounds_us)

    @property
    def spread_us(self) -> tuple[float, float]:
        """The quartiles, or the extremes of few rounds."""
        ordered = sorted(self.rounds_us)
        return ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]

    def ratios(self, other: "Found") -> list[float]:
        """Return how many times the other's time this one took, in each pass."""
        pairs = zip(self.passes_us, other.passes_us, strict=False)
        return [median(ours) / median(theirs) for ours, theirs in pairs]


def python(pure: bool, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with the compiled package that is installed, or with the pure one of the tree."""
    environment = dict(os.environ)
    environment.pop("PYTHONPATH", None)
    if pure:
        environment["PYTHONPATH"] = str(ROOT / "src")
        environment["PYTHONPYCACHEPREFIX"] = str(BUILD / "pycache")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=CELL_S,
    )


def measure_all(
    settings: Iterable[Setting], passes: int, tick: Callable[[Setting], object]
) -> dict[str, Found]:
    """Measure every setting once per pass, so that a change of the machine's load hits all alike.

    Args:
        settings: may name the same one twice.
        passes: how many times.
        tick: called before each measurement.
    """
    found = {setting.key: Found(setting) for setting in settings}
    for _ in range(passes):
        for each in found.values():
            tick(each.setting)
            if not each.error:
                _measure(each)
    return found


def _measure(each: Found) -> None:
    try:
        ended = python(each.setting.pure, "-m", "benchmarks.cell", each.setting.to_json())
    except subprocess.TimeoutExpired:
        each.error = f"it took longer than {CELL_S} s"
        return
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        each.error = lines[-1]
    else:
        each.passes_us.append(json.loads(ended.stdout))
