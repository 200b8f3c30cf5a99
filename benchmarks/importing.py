"""What ``import mboxio`` costs over the bare interpreter: prints milliseconds."""

import json
import subprocess
import sys
from statistics import median
from time import perf_counter

TIMES = 15


def spent_ms(code: str) -> float:
    """Return how long an interpreter runs that does this."""
    began_s = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (perf_counter() - began_s) * 1e3


def main() -> None:
    """Run both in turns, so that they meet the same load."""
    pairs = [(spent_ms("pass"), spent_ms("import mboxio")) for _ in range(TIMES + 1)]
    print(json.dumps(median(imported - bare for bare, imported in pairs[1:])))


if __name__ == "__main__":
    main()
