"""What the rows of the study say: gains, and the depth that is enough."""

from collections.abc import Iterable

from benchmarks.worth.run import Row

__all__ = ["enough", "enough_of", "gain", "least_on_deposit", "one"]

NEARLY_ALL = 0.95


def one(rows: Iterable[Row], **like: object) -> Row:
    """Return the row with these values.

    Raises:
        LookupError: there is none, or there are several.
    """
    found = [row for row in rows if all(getattr(row, name) == each for name, each in like.items())]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows with {like}")
    return found[0]


def gain(rows: Iterable[Row], at: float | str, tx_done: str, workers: int, depth: int) -> float:
    """Return how many times as much is done with a depth as with one active message."""
    rows = [row for row in rows if row.at == str(at) and row.workers == workers]
    first, other = (one(rows, tx_done=tx_done, depth=each) for each in (1, depth))
    return other.per_second / first.per_second


def enough(rows: Iterable[Row], at: float | str, tx_done: str, workers: int) -> int:
    """Return the least depth with nearly all of the throughput that any depth has."""
    rates = {
        row.depth: row.per_second
        for row in rows
        if row.at == str(at) and row.tx_done == tx_done and row.workers == workers
    }
    most = max(rates.values())
    return min(depth for depth, rate in rates.items() if rate >= NEARLY_ALL * most)


def enough_of(
    rows: Iterable[Row], ratio: float, tx_done: str, workers: int, factor: float, hand_us: float
) -> float:
    """Return the share of the best throughput that a depth has which follows from Little's law.

    The depth is the best rate multiplied by the time until TX done, and by a factor. The next
    depth of the grid counts.
    """
    rates = {
        row.depth: row.per_second
        for row in rows
        if row.at == str(ratio) and row.tx_done == tx_done and row.workers == workers
    }
    best = max(rates.values())
    until_us = hand_us + (hand_us / ratio if tx_done == "ack" else 0)
    wanted = factor * best * until_us / 1e6
    return rates[min((depth for depth in rates if depth >= wanted), default=max(rates))] / best


def least_on_deposit(rows: Iterable[Row]) -> float:
    """Return the least share of the throughput that TX done on deposit has, of interrupts'."""
    rates: dict[str, dict[tuple[str, int, int], float]] = {}
    for row in rows:
        rates.setdefault(row.tx_done, {})[row.at, row.workers, row.depth] = row.per_second
    return min(rate / rates["irq"][where] for where, rate in rates["deposit"].items())
