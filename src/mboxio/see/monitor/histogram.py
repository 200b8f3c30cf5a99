"""Times in bounded memory: their percentiles, and how often something happens."""

__all__ = ["SPAN_NS", "Histogram", "Rate", "Times"]

STEPS = 16
"""Buckets between two powers of two: a percentile is off by 1/32 of its value at most."""
STEP_BITS = STEPS.bit_length() - 1
TIME_MAX = (1 << 63) - 1

SPAN_NS = 2_000_000_000
"""A rate is that of these last nanoseconds."""
SLICES = 8
SLICE_NS = SPAN_NS // SLICES


class Histogram:
    """Counts of times by their size: about a thousand buckets, however many times there are."""

    __slots__ = ("buckets", "count")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0

    def add(self, time_ns: int) -> None:
        """Count a time, in nanoseconds; one below zero is 0."""
        time_ns = min(max(time_ns, 0), TIME_MAX)
        shift = max(time_ns.bit_length() - STEP_BITS - 1, 0)
        bucket = (shift << STEP_BITS) + (time_ns >> shift)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.count += 1


def percentile(histograms: list[Histogram], share: float) -> int | None:
    """Return the time that a share of all times does not exceed, in nanoseconds; None: no times.

    Args:
        histograms: their times count together.
        share: 0.5 for the median.
    """
    left = share * sum(each.count for each in histograms)
    together: dict[int, int] = {}
    for each in histograms:
        for bucket, count in each.buckets.items():
            together[bucket] = together.get(bucket, 0) + count
    for bucket in sorted(together):
        left -= together[bucket]
        if left <= 0:
            return middle(bucket)
    return None


def middle(bucket: int) -> int:
    """Return the time in the middle of a bucket."""
    shift = max((bucket >> STEP_BITS) - 1, 0)
    return (bucket - (shift << STEP_BITS) << shift) + (1 << shift >> 1)


class Times:
    """Times of one kind: all of them, or the recent ones.

    Args:
        window_ns: a percentile is that of one to two such windows; None: of all times.
    """

    __slots__ = ("before", "latest", "since_ns", "window_ns")

    def __init__(self, window_ns: int | None = None) -> None:
        self.window_ns = window_ns
        self.latest, self.before = Histogram(), Histogram()
        self.since_ns: int | None = None

    def add(self, time_ns: int, now_ns: int) -> None:
        """Count a time, in nanoseconds, that was measured ``now_ns``."""
        self.turn(now_ns)
        self.latest.add(time_ns)

    def turn(self, now_ns: int) -> None:
        """Forget what is too old."""
        if self.window_ns is None:
            return
        if self.since_ns is None:
            self.since_ns = now_ns
        windows = (now_ns - self.since_ns) // self.window_ns
        if windows > 0:
            self.before = self.latest if windows == 1 else Histogram()
            self.latest = Histogram()
            self.since_ns += windows * self.window_ns

    def at(self, share: float, now_ns: int) -> int | None:
        """Return a percentile in nanoseconds, see `percentile`."""
        self.turn(now_ns)
        return percentile([self.before, self.latest], share)


class Rate:
    """How often something happens, per second, over the last `SPAN_NS`."""

    __slots__ = ("counts", "first_ns", "slice", "total")

    def __init__(self) -> None:
        self.counts = [0] * SLICES
        self.slice: int | None = None
        self.first_ns: int | None = None
        self.total = 0

    def add(self, now_ns: int) -> None:
        """It happened."""
        if self.first_ns is None:
            self.first_ns = now_ns
        self.total += 1
        self.turn(now_ns)
        self.counts[(self.slice or 0) % SLICES] += 1

    def turn(self, now_ns: int) -> None:
        """Forget what is too old; time that goes back changes nothing."""
        here = now_ns // SLICE_NS
        if self.slice is None:
            self.slice = here
        gone = min(here - self.slice, SLICES)
        for each in range(1, gone + 1):
            self.counts[(here - gone + each) % SLICES] = 0
        self.slice = max(self.slice, here)

    def per_s(self, now_ns: int) -> float:
        """Return the rate; younger than the span, over the time since it first happened."""
        if self.first_ns is None:
            return 0.0
        self.turn(now_ns)
        # The slice that has begun is a part of one.
        span_ns = SPAN_NS - SLICE_NS + now_ns % SLICE_NS
        return sum(self.counts) * 1e9 / max(min(span_ns, now_ns - self.first_ns), SLICE_NS)

    def average(self, now_ns: int) -> float:
        """Return the rate since it first happened; 0 if that is all that is known."""
        if self.first_ns is None or now_ns <= self.first_ns:
            return 0.0
        return self.total * 1e9 / (now_ns - self.first_ns)
