"""Instructions as valgrind counts them, by the shared objects in which they are."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping

__all__ = ["by_object", "by_part", "valgrind"]


def valgrind() -> str:
    """Return where it is.

    Raises:
        SystemExit: it is missing.
    """
    found = shutil.which("valgrind")
    if found is None:
        raise SystemExit("valgrind is missing: apt-get install valgrind")
    return found


def by_object(text: str) -> Counter[str]:
    """Read callgrind's format: a cost is the object's; the one after a call is the call's."""
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    where, called = "", False
    for line in text.splitlines():
        if match := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
            name = names.setdefault(match[2], match[3] or "")
            where = where if match[1] else name
        elif line.startswith("calls="):
            called = True
        elif re.match(r"[-+*0-9]", line):
            if not called:
                found[where] += int(line.split()[-1])
            called = False
    return found


def by_part(counts: Mapping[str, int], parts: Mapping[str, str], times: int) -> dict[str, float]:
    """Return what each part costs once.

    Args:
        counts: instructions of all times, by object.
        parts: a pattern of the objects' names for each.
    """
    found = dict.fromkeys((*parts, "the rest"), 0.0)
    for name, count in counts.items():
        of = [part for part, names in parts.items() if re.search(names, name)]
        found[of[0] if of else "the rest"] += count / times
    return found
