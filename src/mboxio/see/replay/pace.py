"""How fast a recording is played: as it was, faster, or without its silences."""

import math
from dataclasses import dataclass

__all__ = ["LONGEST_NS", "Pace"]

LONGEST_NS = 1_000_000 * 1_000_000_000
"""No time is longer, whatever a recording says."""


@dataclass(frozen=True)
class Pace:
    """How recorded times become times of the replay.

    Args:
        speed: 2.0 is twice as fast.
        gaps: False: nothing is waited for.
        max_gap_s: longest time between two messages, in seconds of the recording; None: any.

    Raises:
        ValueError: a number is out of range.
    """

    speed: float = 1.0
    gaps: bool = True
    max_gap_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.speed < math.inf:
            raise ValueError(f"speed={self.speed}: it is a number above 0")
        if self.max_gap_s is not None and not 0 <= self.max_gap_s < math.inf:
            raise ValueError(f"max_gap_s={self.max_gap_s}: it is a time in seconds, 0 or more")

    def scaled_ns(self, recorded_ns: int) -> int:
        """Return how long a recorded time takes now, in nanoseconds."""
        if not self.gaps or recorded_ns <= 0:
            return 0
        if self.max_gap_s is not None:
            recorded_ns = min(recorded_ns, round(self.max_gap_s * 1e9))
        if self.speed != 1:
            recorded_ns = round(min(recorded_ns / self.speed, LONGEST_NS))
        return min(recorded_ns, LONGEST_NS)
