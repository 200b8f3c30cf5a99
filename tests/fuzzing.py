"""What every fuzz does: lives with other seeds, one after the other, until enough was changed."""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from mboxio import _build


class Fuzz(Protocol):
    """One run with one seed."""

    mutations: int
    ends: "Counter[str]"

    def run(self, mutations: int) -> None:
        """Change so many words."""

    def close(self) -> None:
        """End it."""


def told(ends: "Counter[str]") -> str:
    """Return how requests ended, in words."""
    return ", ".join(f"{count:,} {name}" for name, count in ends.most_common())


def run_seeds(make: Callable[[int], Fuzz], mutations: int, each: int) -> None:
    """Change so many words, with another seed for ``each`` of them."""
    print(f"{_build.name()} build, {mutations:,} mutations")
    began_s, done, seed = monotonic(), 0, 0
    ends: Counter[str] = Counter()
    threads = threading.active_count()
    while done < mutations:
        fuzz = make(seed)
        try:
            fuzz.run(min(each, mutations - done))
        except BaseException:
            print(f"seed {seed}, after {fuzz.mutations} mutations:", file=sys.stderr)
            raise
        fuzz.close()
        done += fuzz.mutations
        ends += fuzz.ends
        seed += 1
    assert threading.active_count() == threads
    print(f"{done:,} mutations in {monotonic() - began_s:.0f} s: {told(ends)}")
