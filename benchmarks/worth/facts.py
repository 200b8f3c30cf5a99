"""What the page says in words and numbers, as the data has it."""

from collections.abc import Iterator, Sequence

from benchmarks.worth.findings import enough_of, gain, least_on_deposit, one
from benchmarks.worth.grid import HAND_OVER_US, WORKERS
from benchmarks.worth.run import Row
from mboxio.see.gain.curves import RATIOS

__all__ = ["facts"]

DEEP = 64


def facts(rows: Sequence[Row]) -> Iterator[str]:
    """Yield parts of sentences that have to stand in the page."""
    main = [row for row in rows if row.cut == "main"]

    def gains(way: str, workers: int) -> list[float]:
        return [gain(main, ratio, way, workers, DEEP) for ratio in RATIOS]

    serial = gain(main, 0.2, "irq", 1, DEEP)
    yield f"{DEEP} slots bring {serial - 1:.0%} more if handing over takes a fifth of the service"
    some, many = (gain(main, 1.0, "irq", workers, DEEP) for workers in (4, 16))
    yield f"{some:.1f} times with 4 workers and {many:.1f} times with 16"
    four, sixteen = gains("ack", 4), gains("ack", 16)
    yield f"{min(four):.0f} to {max(four):.0f} times with 4 workers"
    yield f"{min(sixteen):.0f} to {max(sixteen):.0f} times with 16"
    ways = [row for row in rows if row.cut == "workers"]
    deposit, own = (
        one(ways, at="16", tx_done=way, depth=8).per_second for way in ("deposit", "irq")
    )
    yield f"{deposit / 1000:.0f} against {own / 1000:.0f} thousand requests per second"
    yield f"nowhere is it more than {1 - least_on_deposit(main):.0%} slower"
    late = [row for row in rows if row.cut == "time_outs" and row.deadline == "doorbell"]
    few, more = (one(late, tx_done="irq", depth=depth) for depth in (8, DEEP))
    parts = [row.false / (row.done + row.timed_out) for row in (few, more)]
    yield f"false time-outs went from {parts[0]:.1%} with 8 slots to {parts[1]:.0%} with {DEEP}"
    for factor, words in ((2, "twice"), (3, "three times")):
        least = min(
            enough_of(main, ratio, way, workers, factor, HAND_OVER_US)
            for ratio in RATIOS
            for way in ("irq", "ack")
            for workers in WORKERS
        )
        yield f"{words} that depth has at least {least:.0%} of the throughput"
    polled = [row.per_second for row in rows if row.cut == "polling" and row.depth == 1]
    yield f"costs one slot up to {1 - min(polled) / max(polled):.0%}"
    yield f"{len(rows)} points, {sum(row.done for row in rows) / 1e6:.1f} million requests"
    yield f"at most {max(row.per_second for row in main) / 1e6:.1f} million requests per second"
    yield f"Jain's index is {min(row.fairness for row in rows):.2f} or more"
    yield f"at most {max(row.memory_bytes for row in rows) / 1000:.0f} kB"
