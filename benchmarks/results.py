"""Everything that a run found, and its file."""

import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import mboxio
from benchmarks.cases import Column, Row, Table
from benchmarks.run import Found, python
from benchmarks.setting import Setting
from mboxio import _build

__all__ = ["Results", "about", "measure_others"]


@dataclass
class Results:
    """What a run found.

    Args:
        about: machine, versions and day.
        cpus: where host and remote ran.
        found: the times, by the key of their setting.
        others: what is no time of a request, by name; what failed is missing.
    """

    about: dict[str, str]
    cpus: tuple[int, int]
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    others: dict[str, Any] = field(default_factory=dict[str, Any])

    def cell(self, table: Table, row: Row, column: Column) -> Found | None:
        """Return one cell of a table; None: it was not measured, or that failed."""
        found = self.found.get(table.setting(row, column, self.cpus).key)
        return found if found and found.rounds_us else None

    def write(self, path: Path) -> None:
        """Write the file that `read` reads."""
        measured = [
            {
                **asdict(each),
                "key": key,
                "median_us": each.median_us if each.rounds_us else None,
                "spread_us": each.spread_us if each.rounds_us else None,
            }
            for key, each in self.found.items()
        ]
        content = {
            "about": self.about,
            "cpus": self.cpus,
            "requests": measured,
            "others": self.others,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read what an earlier run has written."""
        content = json.loads(path.read_text())
        found: dict[str, Found] = {}
        for each in content["requests"]:
            setting = Setting.from_json(json.dumps(each["setting"]))
            found[each["key"]] = Found(setting, each["passes_us"], each["error"])
        return cls(content["about"], tuple(content["cpus"]), found, content["others"])


def about() -> dict[str, str]:
    """Say what was measured, and where."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "day": date.today().isoformat(),
        "mboxio": f"{mboxio.__version__}, {_build.name()} build",
        "python": platform.python_version(),
        "machine": f"{models[0] if models else platform.machine()}, {os.cpu_count()} CPUs",
        "system": f"{platform.system()} {platform.release()}",
    }


def measure_others(tick: Callable[[str], object]) -> dict[str, Any]:
    """Run what is measured in other units."""
    found: dict[str, Any] = {}
    for name in ("steps", "profile", "memory", "idle", "importing"):
        tick(name)
        try:
            ended = python(False, "-m", f"benchmarks.{name}")
        except subprocess.TimeoutExpired:
            continue
        if ended.returncode == 0:
            found[name] = json.loads(ended.stdout)
    return found
