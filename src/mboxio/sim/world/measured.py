"""What came out of a simulation."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Measured", "jain", "percentile"]


def percentile(ordered: Sequence[int], share: float) -> float:
    """Return a percentile of ordered times in ns, in microseconds; 0 if there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 if ordered else 0.0


def jain(shares: Sequence[int]) -> float:
    """Return how fair shares are: 1 if all are equal, 1/n if one has all (Jain, 1984)."""
    squares = sum(each * each for each in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a simulation measured, apart from its warm-up.

    Args:
        seconds: virtual time.
        requests: how many were begun, refused ones included.
        done: how many got their replies.
        timed_out: ended by a deadline; ``false_time_outs`` of them although the firmware did not
            need longer than the time-out for it: the rest was spent in line, or the request had
            never left.
        failed: ended by an error.
        refused: not accepted, because there was no place.
        wrong: got the reply to another request.
        per_second: requests done, for each virtual second.
        p50_us, p99_us, p999_us, max_us: latency, from when the request was due until its end.
        fairness: Jain's index of the requests done by each client.
        interrupts, accesses, doorbells, looks: of the host, for each request done.
        host_busy: share of the time that the host spent on accesses.
        live_max: most requests that lived at once, in slots and in backlogs.
        memory_bytes: what their messages took, at most.
        held: slots, tags and credits that still outlive their requests at the end.
    """

    seconds: float
    requests: int
    done: int
    timed_out: int
    false_time_outs: int
    failed: int
    refused: int
    wrong: int
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    fairness: float
    interrupts: float
    accesses: float
    doorbells: float
    looks: float
    host_busy: float
    live_max: int
    memory_bytes: int
    held: int
