"""Times as people read them, and an axis with round numbers."""

from collections.abc import Iterator

__all__ = ["Scale", "duration", "seconds_ns"]

UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"), (1, "ns"))
SUFFIXES = {"ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1, "s": 10**9}
"""In the order in which they are looked for."""
DIGITS = 3


def duration(time_ns: int) -> str:
    """Return a time in three digits and a unit."""
    for unit_ns, name in UNITS:
        if time_ns >= unit_ns:
            value = time_ns / unit_ns
            whole = len(str(int(value)))
            return f"{value:.{max(DIGITS - whole, 0) if unit_ns > 1 else 0}f} {name}"
    return "0"


def seconds_ns(text: str) -> int:
    """Return nanoseconds from a text such as ``1.5ms``; a number alone means seconds.

    Raises:
        ValueError: it is not a time.
    """
    number = text.strip()
    unit = next((each for each in SUFFIXES if number.endswith(each)), "")
    try:
        found = float(number.removesuffix(unit)) * SUFFIXES.get(unit, SUFFIXES["s"])
    except ValueError:
        found = -1.0
    if not 0 <= found < 1 << 62:
        raise ValueError(f"{text!r} is not a time")
    return round(found)


class Scale:
    """From nanoseconds to a place on a line.

    Args:
        from_ns: at its left end.
        to_ns: at its right end.
        left: of the line, in pixels.
        width: of the line, in pixels.
    """

    def __init__(self, from_ns: int, to_ns: int, left: float, width: float) -> None:
        self.from_ns = from_ns
        self.to_ns = max(to_ns, from_ns + 1)
        self.left = left
        self.width = width
        self.per_ns = width / (self.to_ns - from_ns)

    def place(self, time_ns: int) -> float:
        """Return where a time is; what is outside is at an end."""
        inside = min(max(time_ns, self.from_ns), self.to_ns)
        return self.left + (inside - self.from_ns) * self.per_ns

    def ticks(self, apart: float) -> Iterator[tuple[float, str]]:
        """Yield places and what stands there: round numbers, at least this many pixels apart."""
        least_ns = max(apart / self.per_ns, 1)
        step_ns = 1
        while step_ns < least_ns:
            # 1, 2, 5, 10, ...
            step_ns = step_ns * 5 // 2 if str(step_ns)[0] == "2" else step_ns * 2
        unit_ns, name = next(
            unit for unit in UNITS if step_ns >= unit[0] or (unit[0] > 1 and self.reaches(unit[0]))
        )
        decimals = 0
        while step_ns * 10**decimals % unit_ns:
            decimals += 1
        time_ns = -(-self.from_ns // step_ns) * step_ns
        while time_ns <= self.to_ns:
            text = f"{time_ns / unit_ns:.{decimals}f} {name}" if time_ns else "0"
            yield self.place(time_ns), text
            time_ns += step_ns

    def reaches(self, unit_ns: int) -> bool:
        """Return whether times are long enough for a unit, so that 0.5 stands before 1.0."""
        return self.to_ns >= 2 * unit_ns
